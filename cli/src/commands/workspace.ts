/**
 * `portarium workspace`: makes and lists workspaces. Side effects: a schema or a database with its roles, for tiers B and C;
 * the rest is the Control Plane's.
 */

import { WorkspaceIdSchema } from '@portarium/contracts/ids';
import { runOwnerStep } from '@portarium/local/owner-step';
import { type Command, Option } from 'commander';
import * as v from 'valibot';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { dataDirOf, usableEnvironment } from '../data-option.ts';
import { print, printJson, table, tell } from '../output.ts';
import { UsageError } from '../usage-error.ts';

interface CreateOptions extends ConnectionOptions {
  readonly name?: string;
  readonly tier: 'A' | 'B' | 'C';
}

export function registerWorkspace(program: Command): void {
  const workspace = program.command('workspace').description('make and list workspaces');
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
