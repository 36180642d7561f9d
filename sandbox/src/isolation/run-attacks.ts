/** Starts a cell that attacks, and tells what it gained. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import * as v from 'valibot';
import type { CellCommand } from '../host/cell-process.ts';
import type { AttackName, AttackTarget } from './attacks.ts';

/** What came of the attacks of one cell. */
export interface AttackReport {
  /** Whether it came up at all; without, nothing was tried. */
  readonly started: boolean;
  /** What each attack gained, of those that gained anything. */
  readonly gained: ReadonlyMap<string, string>;
  /** Attacks that ended without a gain, and did not end the cell. */
  readonly survived: readonly string[];
  /** How the process ended: a signal, or a code. Bubblewrap gives 128 and the signal's number. */
  readonly end: string;
  /** What the cell wrote to its error output. */
  readonly said: string;
}

const LineSchema = v.union([
  v.object({ confined: v.boolean() }),
  v.object({ attack: v.string(), gained: v.optional(v.string()) }),
]);
/** A cell that says nothing more is stuck; nothing that it tries takes long. */
const TIMEOUT_MS = 30_000;

/** Arguments of the cell that attacks. */
export function attackArguments(
  attacks: readonly AttackName[],
  target: AttackTarget,
): readonly string[] {
  return [JSON.stringify({ attacks, target })];
}

/** @param inherited whether a file is open in the cell, as a careless host could leave one */
export async function runAttacks(
  { command, args, environment }: CellCommand,
  inherited = false,
): Promise<AttackReport> {
  const file = inherited ? openSync('/proc/self/status', 'r') : undefined;
  const child = spawn(command, [...args], {
    cwd: '/',
    env: { ...environment },
    stdio: ['pipe', 'pipe', 'pipe', ...(file === undefined ? [] : [file])],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  if (file !== undefined) closeSync(file);
  let written = '';
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    written += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const { promise, resolve } = Promise.withResolvers<string>();
  child.on('error', (error) => resolve(error.message));
  child.on('close', (code, signal) => resolve(signal ?? `code ${code}`));
  const end = await promise;
  const lines = written
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => v.parse(LineSchema, JSON.parse(line)));
  const gained = new Map<string, string>();
  const survived: string[] = [];
  for (const line of lines) {
    if (!('attack' in line)) continue;
    if (line.gained === undefined) survived.push(line.attack);
    else gained.set(line.attack, line.gained);
  }
  return { started: lines.length > 0, gained, survived, end, said: said.trim() };
}
