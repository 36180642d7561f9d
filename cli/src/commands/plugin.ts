/**
 * `portarium plugin build|push|list`. Side effects: `build` writes `plugin.wasm` and `plugin.json`
 * into the plugin's `build/`; `push` uploads them.
 */
import { readFile } from 'node:fs/promises';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Command } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { print, printJson, table, tell } from '../output.ts';

interface BuildOptions {
  readonly out?: string;
  readonly json?: true;
}

interface PushOptions extends ConnectionOptions {
  readonly manifest?: string;
  readonly module?: string;
}

export function registerPlugin(program: Command): void {
  const plugin = program.command('plugin').description('build, upload and list plugins');
  plugin
    .command('build')
    .argument('<dir>', 'folder with plugin.json and assembly/index.ts')
    .description('compile a plugin into <dir>/build')
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
}

/** Loads the compiler only now: it would slow the start of every other command. */
async function compile(dir: string, outDir?: string) {
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
  const client = connect(options);
  const { manifest, module } = await partsOf(dir, options);
  if (module.length > PLATFORM_LIMITS.moduleBytes) {
    throw new Error(
      `The module has ${module.length} bytes; at most ${PLATFORM_LIMITS.moduleBytes} are taken.`,
    );
  }
  const plugin = await client.plugins.push(manifest, module);
  if (options.json) return printJson(plugin);
  print(`${plugin.name}@${plugin.version}  ${plugin.state}  ${plugin.digest}`);
  tell('It may reach nothing until an operator grants egress.');
}

async function partsOf(
  dir: string | undefined,
  { manifest, module }: PushOptions,
): Promise<{ readonly manifest: string; readonly module: Uint8Array }> {
  if (dir !== undefined && manifest === undefined && module === undefined) {
    const built = await compile(dir);
    return { manifest: built.manifestText, module: built.module };
  }
  if (dir !== undefined || manifest === undefined || module === undefined) {
    throw new Error('Give either a folder, or both --manifest and --module.');
  }
  return { manifest: await readFile(manifest, 'utf8'), module: await readFile(module) };
}

async function list(options: ConnectionOptions): Promise<void> {
  const plugins = await connect(options).plugins.list();
  if (options.json) return printJson({ items: plugins });
  const rows = plugins.map(({ name, version, state, digest }) => [name, version, state, digest]);
  print(table([['NAME', 'VERSION', 'STATE', 'DIGEST'], ...rows]));
}
