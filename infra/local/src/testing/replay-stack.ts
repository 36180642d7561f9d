/** Runs every attempt of a stack again, offline, on both engines, as an auditor would. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bunArguments } from '../bun-arguments.ts';
import { runCommand } from '../process/run-command.ts';
import { REPOSITORY_ROOT } from '../repository.ts';
import type { RunningStack } from '../start-stack.ts';
import { exportBundle } from './stack-calls.ts';

export interface Replayed {
  readonly ok: boolean;
  /** Attempts in the log, whatever came of them. */
  readonly attempts: number;
  readonly findings: number;
  readonly notReplayable: number;
  /** What the command printed, for a failure's message. */
  readonly output: string;
}

const TIMEOUT_MS = 10 * 60_000;

export async function replayStack(stack: RunningStack): Promise<Replayed> {
  const folder = await mkdtemp(join(tmpdir(), 'portarium-replayed-'));
  try {
    const { bundle, pin } = await exportBundle(stack);
    const file = join(folder, 'bundle.tar');
    await writeFile(file, bundle);
    const args = ['replay', file, '--engine', 'both', '--pin', pin, '--json'];
    const { output } = await runCommand(
      process.execPath,
      bunArguments('sandbox/src/main.ts', ...args),
      { cwd: REPOSITORY_ROOT, env: { PATH: process.env.PATH ?? '' }, timeoutMs: TIMEOUT_MS },
    );
    const lines = output.trim().split('\n');
    const last = JSON.parse(lines.at(-1) ?? '{}') as Omit<Replayed, 'output'>;
    return { ...last, output };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
