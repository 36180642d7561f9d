/**
 * Tells whether a process is still the one we started. A pid alone is no identity: it is reused,
 * so each is kept with its start time, and nothing is signalled whose start time differs.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as v from 'valibot';

export const ProcessIdentitySchema = v.object({
  pid: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** Opaque; equal only for the same process of the same boot. */
  startTime: v.string(),
});

export type ProcessIdentity = v.InferOutput<typeof ProcessIdentitySchema>;

let bootId: string | undefined;

function linuxBootId(): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().slice(0, 8);
  return bootId;
}

/** Start time from proc(5): field 22 of `stat`, counted after the parenthesised command. */
function linuxStartTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  if (state === 'Z' || state === 'X') return undefined;
  return `${linuxBootId()}:${fields[19]}`;
}

function portableStartTime(pid: number): string | undefined {
  const shown = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' });
  const line = shown.stdout.trim();
  if (shown.status !== 0 || line === '' || line.startsWith('Z')) return undefined;
  return line.slice(line.indexOf(' ') + 1).trim();
}

/** The identity of a live process; `undefined` when there is none (a zombie counts as gone). */
export function identify(pid: number): ProcessIdentity | undefined {
  const startTime = process.platform === 'linux' ? linuxStartTime(pid) : portableStartTime(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

/** Whether exactly that process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startTime === identity.startTime;
}

/** Sends a signal to exactly that process. Does nothing when it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (isAlive(identity)) trySignal(identity.pid, signal);
}

/** Kills that process and, when it leads one, its whole group. Does nothing when it is gone. */
export function killWithGroup(identity: ProcessIdentity): void {
  if (!isAlive(identity)) return;
  trySignal(-identity.pid, 'SIGKILL');
  trySignal(identity.pid, 'SIGKILL');
}

function trySignal(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch {
    // Gone in between, or no group of its own: nothing is left to signal.
  }
}

/** Waits until that process is gone; `false` when `timeoutMs` passed first. */
export async function waitUntilGone(
  identity: ProcessIdentity,
  timeoutMs: number,
): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isAlive(identity)) {
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return true;
}
