/**
 * `portarium action run|get|list`. Side effects: `run` asks for an action. The others are in
 * `action-look.ts` and `action-outcome.ts`.
 */
import type { Action } from '@portarium/client/answers';
import type { PortariumClient } from '@portarium/client/portarium-client';
import { ApprovalIdSchema } from '@portarium/contracts/ids';
import { ACTION_STATES, isSettled } from '@portarium/contracts/life-cycle';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { type Command, Option } from 'commander';
import * as v from 'valibot';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { actionId, actionOrApprovalId } from '../id-argument.ts';
import { withInputAdvice } from '../input-advice.ts';
import { print, printJson, table, tell } from '../output.ts';
import { readArgument, readJsonArgument } from '../read-argument.ts';
import { showAction } from '../show-action.ts';
import { wholeNumber } from '../whole-number.ts';
import { registerActionLook } from './action-look.ts';
import { registerActionOutcome } from './action-outcome.ts';

interface RunOptions extends ConnectionOptions {
  readonly input?: string;
  readonly text?: string;
  readonly wait: number;
  readonly idempotencyKey?: string;
  readonly replaces?: string;
  readonly dryRun?: true;
}

interface ListOptions extends ConnectionOptions {
  readonly limit: number;
  readonly cursor?: string;
  readonly state?: string;
  readonly plugin?: string;
}

const DEFAULT_WAIT_SECONDS = 30;
const DEFAULT_LIST = 20;

export function registerAction(program: Command): void {
  const action = program.command('action').description('ask for actions, look at them, end them');
  connectionOptions(
    action
      .command('run')
      .argument('<plugin>', 'name or name@version')
      .argument('<operation>', 'operation of the plugin')
      .description(
        'ask for an action and wait for its outcome; exit code 1 when it failed, 0 when it waits for somebody',
      )
      .addOption(new Option('--input <json>', 'input: JSON, @file or @-').conflicts('text'))
      .option('--text <text>', 'input that is a plain string: text, @file or @-')
      .addOption(
        new Option('--wait <seconds>', 'wait that long for the outcome; 0 returns at once')
          .argParser(wholeNumber(0, PLATFORM_LIMITS.waitSeconds))
          .default(DEFAULT_WAIT_SECONDS),
      )
      .option('--idempotency-key <key>', 'asking again with the same key gives the same action')
      .option(
        '--replaces <id>',
        'the action whose place this one takes; it is cancelled if it waits',
        actionId,
      )
      .addOption(
        new Option(
          '--dry-run',
          'show what it would send: no write leaves, examples answer it, and nobody has to agree',
        ).conflicts('replaces'),
      ),
  ).action(run);
  connectionOptions(
    action
      .command('dry-run')
      .argument(
        '<id>',
        'action (act_…) that waits for approval, or its approval (apr_…)',
        actionOrApprovalId,
      )
      .description('run an action that waits without its writes, and show what it would send')
      .addOption(
        new Option('--wait <seconds>', 'wait that long for the outcome; 0 returns at once')
          .argParser(wholeNumber(0, PLATFORM_LIMITS.waitSeconds))
          .default(DEFAULT_WAIT_SECONDS),
      ),
  ).action(dryRun);
  connectionOptions(
    action
      .command('get')
      .argument('<id>', 'the action', actionId)
      .description('show one action with its output'),
  ).action(get);
  connectionOptions(
    action
      .command('list')
      .description('list actions, newest first')
      .addOption(
        new Option('--limit <count>', 'how many')
          .argParser(wholeNumber(1, PLATFORM_LIMITS.pageSize))
          .default(DEFAULT_LIST),
      )
      .option('--cursor <id>', 'those after this one: NEXT of the page before', actionId)
      .addOption(new Option('--state <state>', 'only those').choices(ACTION_STATES))
      .option('--plugin <name>', 'only those of this plugin'),
  ).action(list);
  registerActionLook(action);
  registerActionOutcome(action);
}

async function run(plugin: string, operation: string, options: RunOptions): Promise<void> {
  const input =
    options.text === undefined
      ? await readJsonArgument('--input', options.input ?? '{}')
      : await readArgument(options.text);
  const client = connect(options);
  const { idempotencyKey, replaces, dryRun } = options;
  const action = await withInputAdvice(client, { plugin, operation }, () =>
    client.actions.create(
      {
        ...{ plugin, operation, input },
        ...(replaces === undefined ? {} : { replaces }),
        ...(dryRun ? { dryRun } : {}),
      },
      { waitSeconds: options.wait, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) },
    ),
  );
  await show(client, action, options);
}

async function dryRun(id: string, options: ConnectionOptions & { readonly wait: number }) {
  const client = connect(options);
  const waiting = v.is(ApprovalIdSchema, id) ? (await client.approvals.get(id)).action : id;
  const done = await client.actions.dryRun(waiting, { waitSeconds: options.wait });
  await show(client, done, options);
}

async function get(id: string, options: ConnectionOptions): Promise<void> {
  const client = connect(options);
  await show(client, await client.actions.get(id), options);
}

/** Prints the action; the exit code is 1 for an outcome that is not success. */
async function show(
  { actions }: PortariumClient,
  action: Action,
  options: ConnectionOptions,
): Promise<void> {
  const failed = isSettled(action.state) && action.state !== 'succeeded';
  if (failed) process.exitCode = EXIT_CODES.failed;
  // What became of the call says more of a dry run than what the plugin made of it.
  const asked = failed && action.dryRun && !options.json;
  const calls = asked ? await actions.journal(action.id).catch(() => []) : [];
  showAction(action, options.json === true, calls);
}

async function list(options: ListOptions): Promise<void> {
  const { limit, cursor, state, plugin } = options;
  const page = await connect(options).actions.list({
    limit,
    ...(cursor === undefined ? {} : { cursor }),
    ...(state === undefined ? {} : { state }),
    ...(plugin === undefined ? {} : { plugin }),
  });
  if (options.json) return printJson(page);
  const rows = page.items.map((action) => [
    action.id,
    action.dryRun ? `${action.state} (dry run)` : action.state,
    `${action.plugin.name}@${action.plugin.version}`,
    action.operation,
    action.createdAt,
  ]);
  print(table([['ID', 'STATE', 'PLUGIN', 'OPERATION', 'REQUESTED'], ...rows]));
  if (page.next !== undefined) tell(`There are more: --cursor ${page.next}`);
}
