/**
 * `portarium workspace`: makes and lists workspaces. Side effects: a schema or a database with its roles, for tiers B and C;
 * the rest is the Control Plane's.
 */

import { resolve } from 'node:path';
import { WorkspaceIdSchema } from '@portarium/contracts/ids';
import { runOwnerStep } from '@portarium/local/owner-step';
import { type Command, Option } from 'commander';
import * as v from 'valibot';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { type DataOption, dataDirOf, dataOption, usableEnvironment } from '../data-option.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { print, printJson, table, tell } from '../output.ts';
import { UsageError } from '../usage-error.ts';

interface CreateOptions extends ConnectionOptions {
  readonly name?: string;
  readonly tier: 'A' | 'B' | 'C';
}

export function registerWorkspace(program: Command): void {
  const workspace = program
    .command('workspace')
    .description('make, list, back up and restore workspaces');
  connectionOptions(
    workspace
      .command('create <id>')
      .description(
        'make a workspace; for tiers B and C also its schema or database, as the owner of the database. Repeated after a failure it goes on',
      )
      .option('--name <text>', 'for people (default: its id)')
      .addOption(
        new Option('--tier <tier>', 'A: shared tables, B: a schema, C: a database of its own')
          .choices(['A', 'B', 'C'])
          .default('A'),
      ),
  ).action(create);
  workspace
    .command('backup <id> <file>')
    .description(
      'write everything of a workspace that is in PostgreSQL into one file, as its owner; artifacts stay in the evidence store',
    )
    .addOption(dataOption())
    .option('--json', 'print one line of JSON')
    .action(backUp);
  workspace
    .command('restore <file>')
    .description(
      'put a backup back, complete or not at all; its log is held against the evidence store before its next entry',
    )
    .option('--replace', 'in the place of what is there now (tiers B and C)')
    .option('--drill', 'into a database made for it, verify its log there, and leave nothing')
    .addOption(dataOption())
    .option('--json', 'print one line of JSON')
    .action(restore);
  connectionOptions(workspace.command('list').description('list the workspaces')).action(list);
}

async function create(id: string, options: CreateOptions): Promise<void> {
  const { name = id, tier, json } = options;
  if (!v.is(WorkspaceIdSchema, id)) {
    throw new UsageError(
      `${id} is no id of a workspace: 2 to 39 characters, a lowercase letter, then lowercase letters, digits or hyphens.`,
    );
  }
  const client = connect(options);
  let databaseUrl: string | undefined;
  if (tier !== 'A') {
    tell(`making the ${tier === 'B' ? 'schema' : 'database'} of ${id}`);
    const made = await runOwnerStep(['provision', id, tier], {
      ...{ dataDir: dataDirOf(options), environment: usableEnvironment(), onLine: tell },
    });
    if (typeof made.databaseUrl === 'string') databaseUrl = made.databaseUrl;
  }
  const created = await client.workspaces.create({
    ...{ id, name, tenancyTier: tier },
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
  });
  if (json) printJson(created);
  else
    print(
      `${created.id} is there, in tier ${created.tenancyTier}. Make its keys: portarium key create --workspace ${id}`,
    );
}

interface StepOptions extends DataOption {
  readonly json?: true;
}

const step = (args: readonly string[], options: StepOptions) =>
  runOwnerStep(args, {
    ...{ dataDir: dataDirOf(options), environment: usableEnvironment(), onLine: tell },
  });

async function backUp(id: string, file: string, options: StepOptions): Promise<void> {
  const path = resolve(file);
  const made = await step(['workspace-backup', id, path], options);
  if (options.json) return printJson(made);
  const tables = made.tables as readonly { readonly rows: number }[];
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  print(
    `${id} is in ${path}: ${rows} rows of ${tables.length} tables. Try it: portarium workspace restore ${file} --drill`,
  );
}

interface Restored {
  readonly ok: boolean;
  readonly backup: { readonly workspace: string; readonly takenAt: string };
  readonly entries: number;
  readonly root: string;
  readonly checkpoint?: { readonly size: number };
  readonly problems: readonly string[];
}

async function restore(
  file: string,
  options: StepOptions & { readonly replace?: true; readonly drill?: true },
): Promise<void> {
  if (options.replace && options.drill) {
    throw new UsageError('A drill replaces nothing: say --drill or --replace, not both.');
  }
  const flags = [...(options.replace ? ['--replace'] : []), ...(options.drill ? ['--drill'] : [])];
  const done = await step(['workspace-restore', resolve(file), ...flags], options);
  const { ok, backup, entries, root, checkpoint, problems } = done as unknown as Restored;
  if (!ok) process.exitCode = EXIT_CODES.failed;
  if (options.json) return printJson(done);
  const agreed = checkpoint
    ? `, its checkpoint of ${checkpoint.size} agrees`
    : ', no checkpoint yet';
  print(
    ok
      ? `${backup.workspace} as of ${backup.takenAt}: the log of ${entries} entries verifies${agreed}; root ${root}`
      : `The log does not verify:\n${problems.join('\n')}`,
  );
  if (ok && !options.drill) {
    print(
      'If the evidence store knows more than this, nothing is written until: portarium evidence recover',
    );
  }
}

async function list(options: ConnectionOptions): Promise<void> {
  const all = [];
  for await (const one of connect(options).workspaces.all()) all.push(one);
  if (options.json) return printJson({ items: all });
  print(
    table([
      ['ID', 'TIER', 'NAME', 'SINCE'],
      ...all.map((one) => [one.id, one.tenancyTier, one.name, String(one.createdAt ?? '')]),
    ]),
  );
}
