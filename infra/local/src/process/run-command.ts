/** Runs one command to its end with a deadline. For short helpers; servers are supervised instead. */
import { spawn } from 'node:child_process';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
  /** Written to standard input, which is otherwise empty. */
  readonly input?: string;
  /** Killed after this many milliseconds. */
  readonly timeoutMs: number;
  /** Told each piece of output as it comes. */
  readonly onOutput?: (text: string) => void;
}

export interface CommandResult {
  readonly ok: boolean;
  /** Exit code; `null` when a signal, the deadline or a failed start ended it. */
  readonly code: number | null;
  /** Standard output and error, interleaved; the last 64 KiB. */
  readonly output: string;
  readonly timedOut: boolean;
}

const KEPT_CHARACTERS = 64 * 1024;

/** Never rejects: a command that can not start is a result with its reason as output. */
export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    let output = '';
    let timedOut = false;
    const child = spawn(file, args, {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: { ...options.env } }),
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
    });
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, options.timeoutMs);
    if (options.input !== undefined) {
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(options.input);
    }
    const take = (chunk: Buffer): void => {
      const text = chunk.toString('utf8');
      output = (output + text).slice(-KEPT_CHARACTERS);
      options.onOutput?.(text);
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve({ ok: false, code: null, output: `${output}${error.message}`, timedOut });
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ ok: code === 0, code, output, timedOut });
    });
  });
}
