/** A short exclusive hold on one path among all processes of the machine, by a file beside it. */
import { randomBytes } from 'node:crypto';
import { open, rename, stat, unlink } from 'node:fs/promises';

/** What is done under it takes milliseconds: an older one belongs to a process that was killed. */
const STALE_MS = 10_000;
const RETRY_MS = 5;

/** Runs `work` while nobody else holds `path`. */
export async function underLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  while (!(await take(lock))) {
    await breakStale(lock);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  try {
    return await work();
  } finally {
    await unlink(lock).catch(() => undefined);
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await (await open(lock, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === 'EEXIST') return false;
    throw error;
  }
}

/** Two that find it stale move it aside once: the second finds a fresh one, or none. */
async function breakStale(lock: string): Promise<void> {
  const found = await stat(lock).catch(() => undefined);
  if (found === undefined || Date.now() - found.mtimeMs < STALE_MS) return;
  const aside = `${lock}.${randomBytes(6).toString('hex')}.part`;
  const moved = await rename(lock, aside).then(
    () => true,
    () => false,
  );
  if (moved) await unlink(aside).catch(() => undefined);
}
