/** What runs a cell, and where a cell without privileges can start it. */
import { chmod, constants, copyFile, link, realpath, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface Runtime {
  readonly name: 'bun' | 'deno';
  /** Absolute path. */
  readonly executable: string;
}

/** What this process runs on. */
export function ownRuntime(): Runtime {
  return { name: 'Deno' in globalThis ? 'deno' : 'bun', executable: process.execPath };
}

/**
 * The same runtime as a cell starts it. A host on Deno that starts Deno by its own path gives it every
 * permission (`-A` is put among the arguments, by the driver of `node:child_process`); by another name
 * it does not know itself. One in a folder that is closed to others (such as `/root`) gets a second name
 * in the folder of the cell, or a copy there.
 *
 * @param byOthers whether the cell runs as another user than its host
 */
export async function cellRuntime(
  { name, executable }: Runtime,
  folder: string,
  byOthers: boolean,
): Promise<Runtime> {
  const elsewhere = join(folder, `${name}-cell`);
  if (byOthers) await chmod(folder, 0o755);
  if (byOthers && !(await isOpenToOthers(executable))) {
    await linkOrCopy(await realpath(executable), elsewhere);
    return { name, executable: elsewhere };
  }
  if (name === 'bun') return { name, executable };
  await symlink(executable, elsewhere);
  return { name, executable: elsewhere };
}

/** Whether everybody may execute the file and enter every folder above it. */
async function isOpenToOthers(path: string): Promise<boolean> {
  for (let at = await realpath(path); ; at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch {
    await copyFile(from, to, constants.COPYFILE_FICLONE);
  }
}
