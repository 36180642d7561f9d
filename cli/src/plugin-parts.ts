/** Manifest and module of a plugin, of a folder that is built first or of two files. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { compilePlugin } from './compile-plugin.ts';
import { assertModuleSize, readManifestFile, readModuleFile } from './plugin-folder.ts';
import { UsageError } from './usage-error.ts';

export interface PartOptions {
  readonly manifest?: string;
  readonly module?: string;
}

export interface PartFiles {
  /** Absolute, as is `module`. */
  readonly manifest: string;
  readonly module: string;
}

/** A command that takes either of both. */
export function partOptions(command: Command): Command {
  return command
    .argument('[dir]', 'plugin to build first; else give --manifest and --module')
    .option('--manifest <file>', 'plugin.json')
    .option('--module <file>', 'the WebAssembly module');
}

/** The same as files, for another program to read. @throws UsageError as {@link partsOf} does */
export async function partFilesOf(
  dir: string | undefined,
  { manifest, module }: PartOptions,
): Promise<PartFiles> {
  if (dir !== undefined && manifest === undefined && module === undefined) {
    const { outDir } = await compilePlugin(dir);
    const built = (name: string) => resolve(join(outDir, name));
    return { manifest: built('plugin.json'), module: built('plugin.wasm') };
  }
  if (dir !== undefined || manifest === undefined || module === undefined) throw eitherOr();
  await readManifestFile(manifest);
  await readModuleFile(module);
  return { manifest: resolve(manifest), module: resolve(module) };
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
  if (dir !== undefined || manifest === undefined || module === undefined) throw eitherOr();
  return { manifest: await readManifestFile(manifest), module: await readModuleFile(module) };
}

function eitherOr(): UsageError {
  return new UsageError('Give either a plugin’s folder, or both --manifest and --module.');
}
