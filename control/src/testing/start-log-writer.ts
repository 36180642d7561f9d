/** Starts a writer as a process, and keeps what it answered. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LogWriterOptions, WriterTask } from './log-writer.ts';

export type UnitEnd = 'stored' | 'failed' | 'unknown';

export interface RunningWriter {
  /** What came of each unit that it answered. */
  readonly ends: ReadonlyMap<string, UnitEnd>;
  readonly name: string;
  /** Resolves when all units are answered; rejects when the process ends before that. */
  run(task: WriterTask): Promise<void>;
  /** SIGKILL; resolves when it is gone and all that it wrote is read. */
  kill(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL('./log-writer.ts', import.meta.url));

export function startLogWriter(options: LogWriterOptions): RunningWriter {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ends = new Map<string, UnitEnd>();
  let done: PromiseWithResolvers<void> | undefined;
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    const said = JSON.parse(line) as { unit?: string; end?: UnitEnd };
    if (said.unit !== undefined && said.end !== undefined) ends.set(said.unit, said.end);
    else done?.resolve();
  });
  // A pipe to a process that was killed says so; nobody has to hear it.
  child.stdin.on('error', () => undefined);
  const gone = Promise.all([
    new Promise<void>((resolve) => child.once('exit', () => resolve())),
    new Promise<void>((resolve) => lines.once('close', () => resolve())),
  ]).then(() => done?.reject(new Error(`${options.name} ended`)));
  return {
    ends,
    name: options.name,
    run(task) {
      done = Promise.withResolvers<void>();
      child.stdin.write(`${JSON.stringify(task)}\n`);
      return done.promise;
    },
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}
