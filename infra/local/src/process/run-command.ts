/** Runs one command to its end with a deadline. For short helpers; servers are supervised instead. */
import { type ChildProcess, spawn } from 'node:child_process';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
  /** Written to standard input, which is otherwise empty. */
  readonly input?: string;
  /** Killed, with all that it started in its process group, after this many milliseconds. */
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
/** How long output is awaited from what an ended command left running with its pipes open. */
const OUTPUT_GRACE_MS = 1_000;

/** Leaders of the process groups that run; they must not outlive this process. */
const running = new Set<number>();
let hooked = false;

function track(pid: number): void {
  running.add(pid);
  if (hooked) return;
  hooked = true;
  process.on('exit', () => {
    for (const leader of running) killGroup(leader);
  });
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // The group is empty.
  }
}

function start(file: string, args: readonly string[], options: CommandOptions): ChildProcess {
  return spawn(file, args, {
    // A group of its own, so that a deadline reaches what the command itself started.
    detached: true,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: { ...options.env } }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
}

/** Never rejects: a command that can not start is a result with its reason as output. */
export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    let output = '';
    let timedOut = false;
    let grace: ReturnType<typeof setTimeout> | undefined;
    const child = start(file, args, options);
    const leader = child.pid;
    if (leader !== undefined) track(leader);
    const timer = setTimeout(() => {
      timedOut = true;
      if (leader !== undefined) killGroup(leader);
      child.kill('SIGKILL');
    }, options.timeoutMs);
    const settle = (code: number | null, more = ''): void => {
      clearTimeout(timer);
      clearTimeout(grace);
      if (leader !== undefined) running.delete(leader);
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve({ ok: code === 0 && !timedOut, code, output: `${output}${more}`, timedOut });
    };
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
    child.once('error', (error) => settle(null, error.message));
    child.once('exit', (code) => {
      // Its pid may be another's from now on.
      clearTimeout(timer);
      grace = setTimeout(() => settle(code), OUTPUT_GRACE_MS);
    });
    child.once('close', (code) => settle(code));
  });
}
