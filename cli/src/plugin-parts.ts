/** Manifest and module of a plugin, of a folder that is built first or of two files. */
import { compilePlugin } from './compile-plugin.ts';
import { assertModuleSize, readManifestFile, readModuleFile } from './plugin-folder.ts';
import { UsageError } from './usage-error.ts';

export interface PartOptions {
  readonly manifest?: string;
  readonly module?: string;
}

/** @throws UsageError unless either a folder or both files are named */
export async function partsOf(
  dir: string | undefined,
  { manifest, module }: PartOptions,
): Promise<{ readonly manifest: string; readonly module: Uint8Array }> {
  if (dir !== undefined && manifest === undefined && module === undefined) {
    const built = await compilePlugin(dir);
    assertModuleSize(built.module);
    return { manifest: built.manifestText, module: built.module };
  }
  if (dir !== undefined || manifest === undefined || module === undefined) {
    throw new UsageError('Give either a plugin’s folder, or both --manifest and --module.');
  }
  return { manifest: await readManifestFile(manifest), module: await readModuleFile(module) };
}
