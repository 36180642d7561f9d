/**
 * `portarium plugin build|push|list|egress|grant`. Side effects: `build` writes `plugin.wasm` and
 * `plugin.json` into the plugin's `build/`; `push` uploads them; `grant` is in `plugin-egress.ts`.
 */
import type { Plugin } from '@portarium/client/answers';
import type { PortariumClient } from '@portarium/client/portarium-client';
import { messageOf } from '@portarium/local/local-stack-error';
import type { Command } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { egressNotes } from '../egress-text.ts';
import { print, printJson, table, tell } from '../output.ts';
import {
  assertModuleSize,
  checkPluginFolder,
  readManifestFile,
  readModuleFile,
} from '../plugin-folder.ts';
import { UsageError } from '../usage-error.ts';
import { registerPluginEgress } from './plugin-egress.ts';

interface BuildOptions {
  readonly out?: string;
  readonly json?: true;
}

interface PushOptions extends ConnectionOptions {
  readonly manifest?: string;
  readonly module?: string;
}

export function registerPlugin(program: Command): void {
  const plugin = program
    .command('plugin')
    .description('build, upload and list plugins, and grant what they may reach');
  plugin
    .command('build')
    .argument('<dir>', 'folder with plugin.json and assembly/index.ts')
    .description('check and compile a plugin into <dir>/build')
    .option('--out <dir>', 'folder for plugin.wasm and plugin.json')
    .option('--json', 'print one line {name, version, bytes, outDir}')
    .action(build);
  connectionOptions(
    plugin
      .command('push')
      .argument('[dir]', 'plugin to build first; else give --manifest and --module')
      .description('upload a plugin; it is admitted or refused with what to change')
      .option('--manifest <file>', 'plugin.json')
      .option('--module <file>', 'the WebAssembly module'),
  ).action(push);
  connectionOptions(plugin.command('list').description('list the workspace’s plugins')).action(
    list,
  );
  registerPluginEgress(plugin);
}

/** Loads the compiler only now: it would slow the start of every other command. */
async function compile(dir: string, outDir?: string) {
  await checkPluginFolder(dir);
  const { buildPlugin } = await import('@portarium/sdk/build');
  return buildPlugin(dir, outDir);
}

async function build(dir: string, options: BuildOptions): Promise<void> {
  const { manifest, module, outDir } = await compile(dir, options.out);
  const { name, version } = manifest;
  if (options.json) printJson({ name, version, bytes: module.length, outDir });
  else print(`${name}@${version}  ${module.length} bytes  ${outDir}`);
}

async function push(dir: string | undefined, options: PushOptions): Promise<void> {
  const { manifest, module } = await partsOf(dir, options);
  const client = connect(options);
  const plugin = await client.plugins.push(manifest, module);
  if (options.json) return printJson(plugin);
  print(`${plugin.name}@${plugin.version}  ${plugin.state}  ${plugin.digest}`);
  for (const note of await notesOn(client, plugin)) tell(note);
}

/** Grants go by name, so one may be in force already. The upload is done whatever comes of this. */
async function notesOn({ plugins }: PortariumClient, { name }: Plugin): Promise<string[]> {
  try {
    return egressNotes(await plugins.getEgress(name));
  } catch (error) {
    return [`What it may reach could not be read: ${messageOf(error)}`];
  }
}

async function partsOf(
  dir: string | undefined,
  { manifest, module }: PushOptions,
): Promise<{ readonly manifest: string; readonly module: Uint8Array }> {
  if (dir !== undefined && manifest === undefined && module === undefined) {
    const built = await compile(dir);
    assertModuleSize(built.module);
    return { manifest: built.manifestText, module: built.module };
  }
  if (dir !== undefined || manifest === undefined || module === undefined) {
    throw new UsageError('Give either a plugin’s folder, or both --manifest and --module.');
  }
  return { manifest: await readManifestFile(manifest), module: await readModuleFile(module) };
}

async function list(options: ConnectionOptions): Promise<void> {
  const plugins = await connect(options).plugins.list();
  if (options.json) return printJson({ items: plugins });
  const rows = plugins.map(({ name, version, state, digest }) => [name, version, state, digest]);
  print(table([['NAME', 'VERSION', 'STATE', 'DIGEST'], ...rows]));
}
