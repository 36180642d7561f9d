/**
 * `portarium action run|get|list|tail|logs|journal`. Side effects: `run` asks for an action; `cancel` and
 * `resolve` are in `action-outcome.ts`.
 */
import type { Action, Attempt, JournalCall } from '@portarium/client/answers';
import type { PortariumClient } from '@portarium/client/portarium-client';
import { ACTION_STATES, isSettled } from '@portarium/contracts/life-cycle';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { plainText } from '@portarium/contracts/plain-text';
import { type Command, Option } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { entryLine } from '../entry-line.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { print, printJson, table, tell } from '../output.ts';
import { readArgument, readJsonArgument } from '../read-argument.ts';
import { showAction } from '../show-action.ts';
import { visibleLine } from '../visible-text.ts';
import { wholeNumber } from '../whole-number.ts';
import { registerActionOutcome } from './action-outcome.ts';

interface RunOptions extends ConnectionOptions {
  readonly input?: string;
  readonly text?: string;
  readonly wait: number;
  readonly idempotencyKey?: string;
  readonly replaces?: string;
}

interface ListOptions extends ConnectionOptions {
  readonly limit: number;
  readonly cursor?: string;
  readonly state?: string;
  readonly plugin?: string;
}

const DEFAULT_WAIT_SECONDS = 30;
const DEFAULT_LIST = 20;
/** Pause between two looks at an action that goes on. */
const TAIL_MS = 500;

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
      ),
  ).action(run);
  connectionOptions(
    action.command('get').argument('<id>').description('show one action with its output'),
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
      .option('--cursor <id>', 'those after this one: NEXT of the page before')
      .addOption(new Option('--state <state>', 'only those').choices(ACTION_STATES))
      .option('--plugin <name>', 'only those of this plugin'),
  ).action(list);
  connectionOptions(
    action
      .command('tail')
      .argument('<id>')
      .description('print each evidence entry of an action until its outcome is known'),
  ).action(tail);
  connectionOptions(
    action
      .command('logs')
      .argument('<id>')
      .description('print what the plugin logged, attempt by attempt'),
  ).action(logs);
  connectionOptions(
    action
      .command('journal')
      .argument('<id>')
      .description('print each request that the action made or was refused, in order'),
  ).action(journal);
  registerActionOutcome(action);
}

async function run(plugin: string, operation: string, options: RunOptions): Promise<void> {
  const input =
    options.text === undefined
      ? await readJsonArgument('--input', options.input ?? '{}')
      : await readArgument(options.text);
  const client = connect(options);
  const { idempotencyKey, replaces } = options;
  const action = await client.actions.create(
    { plugin, operation, input, ...(replaces === undefined ? {} : { replaces }) },
    { waitSeconds: options.wait, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) },
  );
  show(action, options);
}

async function get(id: string, options: ConnectionOptions): Promise<void> {
  show(await connect(options).actions.get(id), options);
}

/** Prints the action; the exit code is 1 for an outcome that is not success. */
function show(action: Action, options: ConnectionOptions): void {
  if (isSettled(action.state) && action.state !== 'succeeded') process.exitCode = EXIT_CODES.failed;
  showAction(action, options.json === true);
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
    action.state,
    `${action.plugin.name}@${action.plugin.version}`,
    action.operation,
    action.createdAt,
  ]);
  print(table([['ID', 'STATE', 'PLUGIN', 'OPERATION', 'REQUESTED'], ...rows]));
  if (page.next !== undefined) tell(`There are more: --cursor ${page.next}`);
}

async function logs(id: string, options: ConnectionOptions): Promise<void> {
  const attempts = await connect(options).actions.attempts(id);
  if (options.json) return printJson({ items: attempts });
  for (const attempt of attempts) {
    print(attemptLine(attempt));
    const lines = attempt.logs ?? [];
    if (lines.length === 0) print('  (logged nothing)');
    for (const { level, message } of lines) {
      print(
        `  ${plainText(level).padEnd(5)}  ${plainText(message).replaceAll('\n', '\n         ')}`,
      );
    }
  }
  if (attempts.length === 0) tell(`${id} has had no attempt yet.`);
}

function attemptLine({ fence, id, host, startedAt, verdict, error }: Attempt): string {
  const ended = error ? `${error.code}: ${error.message}` : (verdict ?? 'not ended');
  return plainText(`attempt ${fence}  ${id}  ${host}  ${startedAt}  ${ended}`);
}

async function journal(id: string, options: ConnectionOptions): Promise<void> {
  const calls = await connect(options).actions.journal(id);
  if (options.json) return printJson({ items: calls });
  if (calls.length === 0) return tell(`${id} has made no request.`);
  print(
    table([
      ['CALL', 'VERDICT', 'REQUEST', 'RULE', 'STATUS', 'OUT', 'IN', 'MS'],
      ...calls.map(callRow),
    ]),
  );
  for (const { call, reason, layer } of calls) {
    if (reason === undefined) continue;
    print(visibleLine(`call ${call}: ${layer === undefined ? '' : `${layer}: `}${reason}`));
  }
}

function callRow(call: JournalCall): string[] {
  const { method, scheme, host, port, path, status, bytesOut, bytesIn, ms } = call;
  const request = `${method} ${scheme}://${host}:${port}${path}`;
  return [
    String(call.call),
    call.verdict,
    request,
    call.rule ?? '',
    status === undefined ? '' : String(status),
    String(bytesOut),
    String(bytesIn),
    String(ms),
  ].map(visibleLine);
}

async function tail(id: string, options: ConnectionOptions): Promise<void> {
  const client = connect(options);
  let after: number | undefined;
  for (;;) {
    // The state first: entries that came with the last transition are then surely on the page.
    const action = await client.actions.get(id);
    after = await printEntries(client, id, after, options);
    if (isSettled(action.state)) {
      if (action.state !== 'succeeded') process.exitCode = EXIT_CODES.failed;
      if (!options.json) print(`${id}  ${action.state}`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, TAIL_MS));
  }
}

/** Prints what came after entry `after`. @returns the last entry that was printed */
async function printEntries(
  client: PortariumClient,
  action: string,
  after: number | undefined,
  options: ConnectionOptions,
): Promise<number | undefined> {
  let last = after;
  for (;;) {
    const page = await client.evidence.page({
      action,
      ...(last === undefined ? {} : { after: last }),
    });
    for (const { entry } of page.items) {
      if (options.json) printJson(entry);
      else print(entryLine(entry));
    }
    last = page.items.at(-1)?.seq ?? last;
    if (page.next === undefined) return last;
  }
}
