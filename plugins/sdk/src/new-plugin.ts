/** Makes the folder of a new plugin: small, working, with a case that passes. */
import { cp, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

export const LANGUAGES = ['assemblyscript', 'rust', 'go'] as const;
export type Language = (typeof LANGUAGES)[number];

const TEMPLATES = join(import.meta.dirname, '../templates');
/** For all languages. */
const COMMON = ['plugin.json', 'cases.json'];

/**
 * Writes the plugin `name` into `dir`, which must not be there or be empty. All of it or nothing.
 * @returns the absolute path of the folder
 * @throws Error when the folder holds something
 */
export async function newPlugin(dir: string, name: string, language: Language): Promise<string> {
  const folder = resolve(dir);
  const there = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new Error(`${folder} can not be used: ${error.message}`);
  });
  if (there.length > 0) {
    throw new Error(`${folder} is not empty. Name another folder with --dir, or empty this one.`);
  }
  const isNew = (await mkdir(folder, { recursive: true })) !== undefined;
  const aside = join(folder, `.${process.pid}.part`);
  const written = [aside];
  try {
    await cp(join(TEMPLATES, language), aside, { recursive: true });
    for (const file of COMMON) await cp(join(TEMPLATES, file), join(aside, file));
    // Under its own name it would already count in the templates' folder.
    await rename(join(aside, 'gitignore'), join(aside, '.gitignore'));
    await nameFiles(aside, name);
    // The folder itself stays: a shell may stand in it.
    for (const entry of await readdir(aside)) {
      await rename(join(aside, entry), join(folder, entry));
      written.push(join(folder, entry));
    }
    await rmdir(aside);
    return folder;
  } catch (error) {
    for (const path of written) await rm(path, { recursive: true, force: true });
    if (isNew) await rmdir(folder);
    throw error;
  }
}

async function nameFiles(folder: string, name: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const text = await readFile(path, 'utf8');
    if (text.includes('{{name}}')) await writeFile(path, text.replaceAll('{{name}}', name));
  }
}
