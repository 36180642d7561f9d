/** The folders that hosts start their cells from: named after their host, removed after its death. */
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';

const PREFIX = 'portarium-cell-';

/** A new folder in `parent`, whose name says which process it belongs to. */
export async function makeCellFolder(parent: string): Promise<string> {
  return mkdtemp(join(parent, `${PREFIX}${await namespaceName()}-${process.pid}-`));
}

/** Removes the folders of hosts that are gone, and never one of another process namespace. */
export async function removeOldCellFolders(parent: string): Promise<readonly string[]> {
  const mine = `${PREFIX}${await namespaceName()}-`;
  const removed: string[] = [];
  for (const name of await readdir(parent).catch(() => [])) {
    const owner = name.startsWith(mine) ? /^(\d+)-\w+$/.exec(name.slice(mine.length)) : null;
    if (!owner || isRunning(Number(owner[1]))) continue;
    try {
      await rm(join(parent, name), { recursive: true, force: true });
      removed.push(name);
    } catch {
      // Another user's folder: theirs to remove.
    }
  }
  return removed;
}

/** Process ids mean something only within one namespace; containers may share a folder. */
async function namespaceName(): Promise<string> {
  const link = await readlink('/proc/self/ns/pid').catch(() => '');
  return /\d+/.exec(link)?.[0] ?? '0';
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
