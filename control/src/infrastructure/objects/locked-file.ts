/**
 * One file of the directory store with its lock: read-only bytes, and beside them a sidecar with retention
 * and hold. A sidecar that can not be read locks for ever: what is damaged is not thrown away.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as v from 'valibot';
import type { ArtifactLock, Removal } from '../../application/ports/object-store.ts';
import { InfraError } from '../../application/ports/workspace-store.ts';
import { syncFolder } from '../sync-folder.ts';
import { underLock } from './file-lock.ts';

const SIDECAR = '.retention.json';
/** What the store keeps beside its objects. */
export const BESIDE = /\.(part|lock|retention\.json)$/;

const SidecarSchema = v.object({
  class: v.string(),
  until: v.pipe(
    v.string(),
    v.transform(Date.parse),
    v.check((ms) => Number.isFinite(ms)),
  ),
  held: v.optional(v.boolean(), false),
});

export interface Retention {
  readonly class: string;
  readonly untilMs: number;
}

/**
 * Complete and locked when it resolves; never over what is there. The retention becomes the later of both,
 * and is written first: bytes are never there without one.
 * @returns whether it was not there before
 */
export async function keepFile(
  path: string,
  bytes: Uint8Array,
  retention: Retention,
  slackMs: number,
): Promise<boolean> {
  // Of what is locked for long enough nobody takes anything away meanwhile.
  if (
    (await isThere(path)) &&
    (await lockOfFile(path)).retainUntilMs >= retention.untilMs - slackMs
  )
    return false;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  return underLock(path, async () => {
    const known = await readSidecar(path);
    if (known === undefined || known.untilMs < retention.untilMs) {
      await writeSidecar(path, { held: known?.held ?? false, ...retention });
    }
    const fresh = await writeOnce(path, bytes);
    await syncFolder(dirname(path));
    return fresh;
  });
}

/** As far as it is known; of nothing that is there it is in the past. */
export async function lockOfFile(path: string): Promise<ArtifactLock> {
  const { untilMs, held } = (await readSidecar(path)) ?? { untilMs: 0, held: false };
  return { retainUntilMs: untilMs, held };
}

/** @returns false when that would be earlier */
export async function lengthen(path: string, untilMs: number): Promise<boolean> {
  return underLock(path, async () => {
    const known = await readSidecar(path);
    if (known === undefined || untilMs < known.untilMs) return false;
    await writeSidecar(path, { ...known, untilMs });
    await syncFolder(dirname(path));
    return true;
  });
}

export async function holdFile(path: string, held: boolean): Promise<boolean> {
  if (!(await isThere(path))) return false;
  return underLock(path, async () => {
    const known = await readSidecar(path);
    if (known === undefined || !(await isThere(path))) return false;
    await writeSidecar(path, { ...known, held });
    await syncFolder(dirname(path));
    return true;
  });
}

export async function removeFile(path: string, nowMs: number): Promise<Removal> {
  if (!(await isThere(path))) return { outcome: 'absent' };
  return underLock(path, async () => {
    const lock = await readSidecar(path);
    if (lock?.held) return { outcome: 'kept', why: 'hold' };
    // Nothing is written without a sidecar: somebody took it away.
    if (lock === undefined || nowMs < lock.untilMs) return { outcome: 'kept', why: 'retention' };
    if (!(await unlinked(path))) return { outcome: 'absent' };
    await unlinked(`${path}${SIDECAR}`);
    return { outcome: 'removed' };
  });
}

export async function isThere(path: string): Promise<boolean> {
  try {
    await (await open(path, 'r')).close();
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return false;
    throw unreadable(path, error);
  }
}

/** @returns undefined when there is no such file */
export async function readWhole(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw unreadable(path, error);
  }
}

export function unreadable(what: string, cause: unknown): InfraError {
  return new InfraError(`the evidence store can not read ${what}`, { retryable: true, cause });
}

async function unlinked(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return false;
    throw error;
  }
}

async function readSidecar(path: string): Promise<(Retention & { held: boolean }) | undefined> {
  const bytes = await readWhole(`${path}${SIDECAR}`);
  if (bytes === undefined) return undefined;
  try {
    const {
      class: name,
      until,
      held,
    } = v.parse(SidecarSchema, JSON.parse(new TextDecoder().decode(bytes)));
    return { class: name, untilMs: until, held };
  } catch {
    return { class: 'damaged', untilMs: Number.POSITIVE_INFINITY, held: true };
  }
}

async function writeSidecar(path: string, lock: Retention & { held: boolean }): Promise<void> {
  const until = new Date(lock.untilMs).toISOString();
  const sidecar = JSON.stringify({
    class: lock.class,
    until,
    ...(lock.held ? { held: true } : {}),
  });
  const aside = await writeAside(path, new TextEncoder().encode(sidecar), 0o600);
  await rename(aside, `${path}${SIDECAR}`);
}

/** Writes aside, syncs, and links into place: complete or absent, and never over what is there. */
async function writeOnce(path: string, bytes: Uint8Array): Promise<boolean> {
  const aside = await writeAside(path, bytes, 0o400);
  try {
    await link(aside, path);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(aside);
  }
}

async function writeAside(path: string, bytes: Uint8Array, mode: number): Promise<string> {
  const aside = `${path}.${randomBytes(6).toString('hex')}.part`;
  const file = await open(aside, 'wx', mode);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  return aside;
}
