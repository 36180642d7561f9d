/** Checks what an author gives to `plugin build` and `plugin push` before anything is compiled. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { ManifestSchema } from '@portarium/contracts/manifest';
import { checkedJson } from './checked-json.ts';
import { readInputFile, readTextFile } from './read-argument.ts';
import { UsageError } from './usage-error.ts';

/**
 * The text of a manifest that the Control Plane takes.
 * @throws UsageError with a JSON Pointer for each violation
 */
export async function readManifestFile(path: string): Promise<string> {
  const text = await readTextFile(path);
  checkedJson(path, text, ManifestSchema);
  return text;
}

/** @throws UsageError when it can not be read or is larger than any that is taken */
export async function readModuleFile(path: string): Promise<Uint8Array> {
  const module = await readInputFile(path);
  assertModuleSize(module);
  return module;
}

export function assertModuleSize(module: Uint8Array): void {
  if (module.length <= PLATFORM_LIMITS.moduleBytes) return;
  throw new UsageError(
    `The module has ${module.length} bytes; at most ${PLATFORM_LIMITS.moduleBytes} are taken.`,
  );
}

/** @throws UsageError unless `dir` has a usable plugin.json and a source to compile */
export async function checkPluginFolder(dir: string): Promise<void> {
  const expected =
    'Expected a plugin’s folder, with plugin.json and assembly/index.ts, Cargo.toml or go.mod. portarium plugin new makes one.';
  const found = statSync(dir, { throwIfNoEntry: false });
  if (found === undefined) throw new UsageError(`There is no folder ${dir}. ${expected}`);
  if (!found.isDirectory()) throw new UsageError(`${dir} is a file. ${expected}`);
  await readManifestFile(join(dir, 'plugin.json'));
  if (existsSync(join(dir, 'Cargo.toml')) || existsSync(join(dir, 'go.mod'))) return;
  await readTextFile(join(dir, 'assembly/index.ts'));
}
