/**
 * A lock file that names its owner (pid and start time), so that a lock of a killed process is
 * taken over at once and one of a live process never is.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { readJsonFile } from '../atomic-file.ts';
import {
  identify,
  isAlive,
  type ProcessIdentity,
  ProcessIdentitySchema,
} from './process-identity.ts';

export type LockResult =
  | { readonly ok: true; readonly release: () => void }
  | { readonly ok: false; readonly owner: ProcessIdentity };

const LockSchema = v.object({ ...ProcessIdentitySchema.entries, nonce: v.optional(v.string()) });

const TELL_EVERY_MS = 10_000;

let taken = 0;

/** Takes the lock at `path` without waiting. `release` is idempotent. */
export function tryLock(path: string): LockResult {
  mkdirSync(dirname(path), { recursive: true });
  const self = identify(process.pid);
  if (self === undefined) throw new Error('This process can not read its own start time.');
  taken += 1;
  const nonce = `${process.pid}.${taken}`;
  const candidate = `${path}.${nonce}`;
  const text = JSON.stringify({ ...self, nonce });
  writeFileSync(candidate, text);
  try {
    for (let attempt = 0; attempt < 20; attempt++) {
      if (link(candidate, path)) return { ok: true, release: () => releaseIfOurs(path, text) };
      const owner = readJsonFile(path, LockSchema);
      if (owner !== undefined && isAlive(owner)) return { ok: false, owner };
      removeStale(path, nonce);
    }
    throw new Error(`The lock ${path} can not be taken or read. Remove it and try again.`);
  } finally {
    rmSync(candidate, { force: true });
  }
}

/** Takes the lock, waiting for a live owner; `onWait` is told at once and then every 10 s. */
export async function waitForLock(
  path: string,
  onWait: (owner: ProcessIdentity, waitedMs: number) => void,
): Promise<() => void> {
  const began = Date.now();
  let told = Number.NEGATIVE_INFINITY;
  for (;;) {
    const result = tryLock(path);
    if (result.ok) return result.release;
    if (Date.now() - told >= TELL_EVERY_MS) {
      told = Date.now();
      onWait(result.owner, told - began);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The live owner of the lock, if any. */
export function lockOwner(path: string): ProcessIdentity | undefined {
  const owner = readJsonFile(path, LockSchema);
  return owner !== undefined && isAlive(owner)
    ? { pid: owner.pid, startTime: owner.startTime }
    : undefined;
}

/** link(2) is atomic and fails when the name exists, unlike a write that creates. */
function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Moves a dead owner's file aside; puts it back when a live one slipped in meanwhile. */
function removeStale(path: string, nonce: string): void {
  const aside = `${path}.stale.${nonce}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  const moved = readJsonFile(aside, LockSchema);
  if (moved !== undefined && isAlive(moved)) link(aside, path);
  rmSync(aside, { force: true });
}

function releaseIfOurs(path: string, text: string): void {
  try {
    if (readFileSync(path, 'utf8') === text) rmSync(path, { force: true });
  } catch {
    // Already gone.
  }
}
