/**
 * Starts the process of a cell. On Bun by Bun's own call: what a process has used in all is known only
 * to whoever waits for its end, and Node's interface does not tell it.
 */
import { spawn } from 'node:child_process';

export interface StartCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** All that its environment holds; nothing when left out. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface ProcessEvents {
  onOutput(chunk: Uint8Array): void;
  onErrorOutput(chunk: Uint8Array): void;
  /** Once, when it is gone or could not be started. */
  onEnd(reason: string, spent?: Spent): void;
}

/** What a process used from its start to its end, its children's part included. */
export interface Spent {
  readonly cpuMs: number;
  /** Undefined when the kernel's figure may be that of the process which started it. */
  readonly peakBytes: number | undefined;
}

export interface StartedProcess {
  readonly pid: number;
  write(bytes: Uint8Array): void;
  signal(name: 'SIGSTOP' | 'SIGKILL'): void;
}

export function startProcess(command: StartCommand, events: ProcessEvents): StartedProcess {
  return 'Bun' in globalThis ? startOnBun(command, events) : startOnNode(command, events);
}

function startOnBun(
  { command, args, environment }: StartCommand,
  events: ProcessEvents,
): StartedProcess {
  // A process begins with the peak of the one that started it.
  const inherited = process.resourceUsage().maxRSS * 1024;
  const onExit = (child: Bun.Subprocess<'pipe', 'pipe', 'pipe'>, code: number | null) => {
    const used = child.resourceUsage();
    const peak = used?.maxRSS ?? 0;
    events.onEnd(
      endText(code, child.signalCode === null ? null : String(child.signalCode)),
      used && {
        cpuMs: Number(used.cpuTime.total) / 1_000,
        peakBytes: peak > inherited ? peak : undefined,
      },
    );
  };
  try {
    const child = Bun.spawn([command, ...args], {
      cwd: '/',
      env: { ...environment },
      ...({ stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' } as const),
      onExit,
    });
    void drain(child.stdout, events.onOutput);
    void drain(child.stderr, events.onErrorOutput);
    return {
      pid: child.pid,
      write: (bytes) => writeTo(child.stdin, bytes),
      signal: (name) => child.kill(name),
    };
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    queueMicrotask(() => events.onEnd(`the cell can not be started: ${said}`));
    return { pid: 0, write: () => undefined, signal: () => undefined };
  }
}

/** What can not be written was meant for a process whose end is told otherwise. */
function writeTo(stdin: Bun.FileSink, bytes: Uint8Array): void {
  try {
    stdin.write(bytes);
    Promise.resolve(stdin.flush()).catch(() => undefined);
  } catch {}
}

async function drain(
  stream: ReadableStream<Uint8Array>,
  take: (chunk: Uint8Array) => void,
): Promise<void> {
  try {
    for await (const chunk of stream) take(chunk);
  } catch {
    // The end of the process says why.
  }
}

function startOnNode(
  { command, args, environment }: StartCommand,
  events: ProcessEvents,
): StartedProcess {
  const child = spawn(command, [...args], {
    cwd: '/',
    env: { ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdout.on('data', events.onOutput);
  child.stderr.on('data', events.onErrorOutput);
  child.stdin.on('error', () => undefined);
  child.on('error', (error) => events.onEnd(`the cell can not be started: ${error.message}`));
  child.on('exit', (code, signal) => events.onEnd(endText(code, signal)));
  return {
    pid: child.pid ?? 0,
    write: (bytes) => void child.stdin.write(bytes),
    signal: (name) => void child.kill(name),
  };
}

function endText(code: number | null, signal: string | null): string {
  return `the cell ended (${signal ?? `code ${code}`})`;
}
