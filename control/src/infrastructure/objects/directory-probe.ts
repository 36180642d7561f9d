/**
 * The lock battery's means against the directory store: its own code refuses what a lock forbids, and nobody
 * but its own code does, which the battery's last check tells.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { LockProbe, ProbeObject } from '../../application/ports/object-store.ts';
import {
  holdFile,
  isThere,
  keepFile,
  lengthen,
  lockOfFile,
  readWhole,
  removeFile,
} from './locked-file.ts';

const DEFAULT_LOCK_MS = 365 * 24 * 60 * 60 * 1000;

const PREFIX = '.portarium-store-probe-';
/** A battery takes seconds: an older folder belongs to a process that was killed. */
const STALE_MS = 10 * 60_000;

/**
 * @param parent folder on the store's disk in which it makes one of its own, which it removes at the end.
 *   Its name ends in `.part`: backups leave that out
 */
export async function openDirectoryProbe(parent: string): Promise<LockProbe> {
  await clearStale(parent);
  const folder = join(parent, `${PREFIX}${randomBytes(6).toString('hex')}.part`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  let made = 0;
  const pathOf = ({ name }: ProbeObject) => join(folder, name);
  const write = async (name: string, bytes: Uint8Array, lockMs: number) => {
    const until = { class: 'probe', untilMs: Date.now() + lockMs };
    return keepFile(join(folder, name), bytes, until, 0);
  };
  const object = async (bytes: Uint8Array, lockMs: number | 'default'): Promise<ProbeObject> => {
    const name = `object-${made++}`;
    await write(name, bytes, lockMs === 'default' ? DEFAULT_LOCK_MS : lockMs);
    return { name, version: '' };
  };
  const remove = async (one: ProbeObject) =>
    (await removeFile(pathOf(one), Date.now())).outcome === 'removed';
  return {
    write: object,
    writeInParts: (bytes) => object(bytes, 'default'),
    read: (one) => readWhole(pathOf(one)),
    async lockOf(one) {
      if (!(await isThere(pathOf(one)))) return undefined;
      const { retainUntilMs, held } = await lockOfFile(pathOf(one));
      // It has no other mode: nobody may lift a lock.
      return { mode: 'COMPLIANCE', untilMs: retainUntilMs, held };
    },
    create: (name, bytes) => write(name, bytes, DEFAULT_LOCK_MS),
    overwrite: ({ name }, bytes) => write(name, bytes, DEFAULT_LOCK_MS),
    remove,
    removeName: remove,
    lockUntil: (one, untilMs) => lengthen(pathOf(one), untilMs),
    loosen: async () => false,
    stopVersions: async () => false,
    setHold: (one, held) => holdFile(pathOf(one), held),
    async goAround(one) {
      await unlink(pathOf(one));
      return true;
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function clearStale(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(PREFIX))) {
    const path = join(parent, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || Date.now() - found.mtimeMs < STALE_MS) continue;
    await rm(path, { recursive: true, force: true });
  }
}
