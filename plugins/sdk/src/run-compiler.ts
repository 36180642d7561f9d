/** Starts a compiler of the author's own and keeps what it says. */
import { spawn } from 'node:child_process';

/** Of what a compiler says, the end is kept. */
const MAX_OUTPUT = 16_384;

export interface Compiled {
  /** `null` when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  /** The end of what it wrote for people. */
  readonly output: string;
}

/** @throws Error with the remedy when there is no such command */
export function runCompiler(
  [command, ...args]: readonly [string, ...string[]],
  folder: string,
  remedy: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Compiled> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: folder,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(-MAX_OUTPUT);
    });
    child.once('error', () => reject(new Error(`${command} was not found. ${remedy}`)));
    child.once('close', (code) => resolve({ code, stdout, output }));
  });
}
