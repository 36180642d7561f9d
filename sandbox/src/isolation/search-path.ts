/** Finds executables as a shell does. */
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** @param path folders, as in `PATH` */
export async function findExecutable(name: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    const candidate = join(folder, name);
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {}
  }
  return undefined;
}
