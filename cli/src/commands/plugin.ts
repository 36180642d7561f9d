/**
 * `portarium plugin build|push|list|versions|rollback|…`. Side effects: `build` writes `plugin.wasm` and
 * `plugin.json` into the plugin's `build/`; `push` uploads them; `rollback` chooses the version that
 * runs. `new`, `check` and `test` are in `plugin-author.ts`, `egress` and `grant` in `plugin-egress.ts`,
 * `approve` in `plugin-approve.ts`.
 */
import type { Plugin, PluginVersions } from '@portarium/client/answers';
import type { PortariumClient } from '@portarium/client/portarium-client';
import { messageOf } from '@portarium/local/local-stack-error';
import type { Command } from 'commander';
import { compilePlugin } from '../compile-plugin.ts';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { egressNotes } from '../grant-notes.ts';
import { print, printJson, table, tell } from '../output.ts';
import { assertModuleSize, readManifestFile, readModuleFile } from '../plugin-folder.ts';
import { UsageError } from '../usage-error.ts';
import { registerPluginApprove } from './plugin-approve.ts';
import { registerPluginAuthor } from './plugin-author.ts';
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
    .description('make, test, upload and list plugins, and grant what they may reach');
  registerPluginAuthor(plugin);
  plugin
    .command('build')
    .argument('<dir>', 'folder with plugin.json and assembly/index.ts or Cargo.toml')
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
  connectionOptions(
    plugin
      .command('versions')
      .argument('<name>', 'the plugin')
      .description('list the versions of a plugin, the newest first, and which one runs'),
  ).action(versions);
  connectionOptions(
    plugin
      .command('rollback')
      .argument('<name>', 'the plugin')
      .argument('<version>', 'the version that runs from now on when an action names none')
      .description('run another version of a plugin, until a newer one is pushed')
      .requiredOption('--rationale <text>', 'why; it stands in the evidence'),
  ).action(rollback);
  registerPluginApprove(plugin);
  registerPluginEgress(plugin);
}

async function build(dir: string, options: BuildOptions): Promise<void> {
  const { manifest, module, outDir } = await compilePlugin(dir, options.out);
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
  if (plugin.state === 'pending-approval') {
    return tell(
      `It could do more than the version that runs, so it waits until somebody else approves it: portarium plugin approve ${plugin.name} ${plugin.version}`,
    );
  }
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
    const built = await compilePlugin(dir);
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

async function versions(name: string, options: ConnectionOptions): Promise<void> {
  showVersions(await connect(options).plugins.versions(name), options);
}

interface RollbackOptions extends ConnectionOptions {
  readonly rationale: string;
}

async function rollback(name: string, version: string, options: RollbackOptions): Promise<void> {
  const { plugins } = connect(options);
  showVersions(await plugins.setCurrent(name, version, options.rationale), options);
  if (!options.json)
    tell(`Actions that name ${name} without a version run ${version} from now on.`);
}

function showVersions(found: PluginVersions, options: ConnectionOptions): void {
  if (options.json) {
    printJson(found);
    return;
  }
  const rows = found.items.map(({ version, state, digest, createdAt = '' }) => [
    ...[version === found.current ? '*' : ' ', version, state, digest, createdAt],
  ]);
  print(table([['', 'VERSION', 'STATE', 'DIGEST', 'UPLOADED'], ...rows]));
}
