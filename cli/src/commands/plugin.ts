/**
 * `portarium plugin build|push|list|…`. Side effects: `build` writes `plugin.wasm` and `plugin.json` into the
 * plugin's `build/`; `push` uploads them. `new`, `check` and `test` are in `plugin-author.ts`, `keygen` and
 * `sign` in `plugin-sign.ts`, `versions`, `rollout`, `rollback` and `quarantine` in `plugin-versions.ts`,
 * `egress` and `grant` in `plugin-egress.ts`, `approve` in `plugin-approve.ts`.
 */
import type { Plugin } from '@portarium/client/answers';
import type { PortariumClient } from '@portarium/client/portarium-client';
import { messageOf } from '@portarium/local/local-stack-error';
import type { Command } from 'commander';
import { compilePlugin } from '../compile-plugin.ts';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { egressNotes } from '../grant-notes.ts';
import { print, printJson, table, tell } from '../output.ts';
import { type PartOptions, partOptions, partsOf } from '../plugin-parts.ts';
import { readTextFile } from '../read-argument.ts';
import { registerPluginApprove } from './plugin-approve.ts';
import { registerPluginAuthor } from './plugin-author.ts';
import { registerPluginEgress } from './plugin-egress.ts';
import { registerPluginSign } from './plugin-sign.ts';
import { registerPluginVersions } from './plugin-versions.ts';

interface BuildOptions {
  readonly out?: string;
  readonly json?: true;
}

interface PushOptions extends ConnectionOptions, PartOptions {
  readonly signature?: string;
}

export function registerPlugin(program: Command): void {
  const plugin = program
    .command('plugin')
    .description('make, test, upload and list plugins, and grant what they may reach');
  registerPluginAuthor(plugin);
  plugin
    .command('build')
    .argument('<dir>', 'folder with plugin.json and assembly/index.ts, Cargo.toml or go.mod')
    .description('check and compile a plugin into <dir>/build')
    .option('--out <dir>', 'folder for plugin.wasm and plugin.json')
    .option('--json', 'print one line {name, version, bytes, outDir}')
    .action(build);
  connectionOptions(
    partOptions(plugin.command('push'))
      .description('upload a plugin; it is admitted or refused with what to change')
      .option('--signature <file>', 'a publisher’s, as plugin sign writes it'),
  ).action(push);
  connectionOptions(plugin.command('list').description('list the workspace’s plugins')).action(
    list,
  );
  registerPluginVersions(plugin);
  registerPluginSign(plugin);
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
  const signature =
    options.signature === undefined ? undefined : await readTextFile(options.signature);
  const client = connect(options);
  const plugin = await client.plugins.push(manifest, module, signature);
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
async function notesOn({ plugins }: PortariumClient, { name, version }: Plugin): Promise<string[]> {
  try {
    const { current, weights } = await plugins.versions(name);
    const runs = weights?.[version] !== undefined || (!weights && current === version);
    return [
      ...(runs
        ? []
        : [
            `Actions that name no version go on with ${weights ? 'the versions that have weights' : current}: portarium plugin rollout ${name} ${version}=…`,
          ]),
      ...egressNotes(await plugins.getEgress(name)),
    ];
  } catch (error) {
    return [`What runs, and what it may reach, could not be read: ${messageOf(error)}`];
  }
}

async function list(options: ConnectionOptions): Promise<void> {
  const plugins = await connect(options).plugins.list();
  if (options.json) return printJson({ items: plugins });
  const rows = plugins.map(({ name, version, state, digest }) => [name, version, state, digest]);
  print(table([['NAME', 'VERSION', 'STATE', 'DIGEST'], ...rows]));
}
