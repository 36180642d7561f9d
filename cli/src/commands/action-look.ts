/**
 * `portarium action tail|logs|journal|attempts`: what happens in an action, step by step. No side effects.
 */
import type { Attempt, EvidenceEntry } from '@portarium/client/answers';
import type { PortariumClient } from '@portarium/client/portarium-client';
import { isSettled } from '@portarium/contracts/life-cycle';
import { plainText } from '@portarium/contracts/plain-text';
import type { Command } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { entryLine } from '../entry-line.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { actionId } from '../id-argument.ts';
import { callLine, callsWithoutEntry, journalText } from '../journal-text.ts';
import { print, printJson, tell } from '../output.ts';
import { attemptsText } from '../usage-text.ts';

/** Pause between two looks at an action that goes on. */
const TAIL_MS = 500;

export function registerActionLook(action: Command): void {
  connectionOptions(
    action
      .command('tail')
      .argument('<id>', 'the action', actionId)
      .description(
        'print each evidence entry of an action, and the reads it made, until its outcome is known; with --json the entries alone',
      ),
  ).action(tail);
  connectionOptions(
    action
      .command('journal')
      .argument('<id>', 'the action', actionId)
      .description('print the calls that it made, or tried to make, through the egress broker'),
  ).action(journal);
  connectionOptions(
    action
      .command('logs')
      .argument('<id>', 'the action', actionId)
      .description('print what the plugin logged, attempt by attempt'),
  ).action(logs);
  connectionOptions(
    action
      .command('attempts')
      .argument('<id>', 'the action', actionId)
      .description('print where each attempt ran, how isolated, how it ended, and what it used'),
  ).action(attempts);
}

async function journal(id: string, options: ConnectionOptions): Promise<void> {
  const { actions } = connect(options);
  const calls = await actions.journal(id);
  if (options.json) return printJson({ items: calls });
  if (calls.length === 0) return tell(`${id} has made no call.`);
  print(journalText(calls, await actions.attempts(id)));
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

async function attempts(id: string, options: ConnectionOptions): Promise<void> {
  const found = await connect(options).actions.attempts(id);
  if (options.json) return printJson({ items: found });
  if (found.length === 0) return tell(`${id} has had no attempt yet.`);
  print(attemptsText(found));
}

function attemptLine({ fence, id, host, startedAt, verdict, error }: Attempt): string {
  const ended = error ? `${error.code}: ${error.message}` : (verdict ?? 'not ended');
  return plainText(`attempt ${fence}  ${id}  ${host}  ${startedAt}  ${ended}`);
}

async function tail(id: string, options: ConnectionOptions): Promise<void> {
  const client = connect(options);
  const show = options.json ? printJson : entryPrinter(client, id);
  let after: number | undefined;
  for (;;) {
    // The state first: entries that came with the last transition are then surely on the page.
    const action = await client.actions.get(id);
    after = await printEntries(client, id, after, show);
    if (isSettled(action.state)) {
      if (action.state !== 'succeeded') process.exitCode = EXIT_CODES.failed;
      if (!options.json) print(`${id}  ${action.state}`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, TAIL_MS));
  }
}

type PrintEntry = (entry: EvidenceEntry) => void | Promise<void>;

/** Prints what came after entry `after`. @returns the last entry that was printed */
async function printEntries(
  client: PortariumClient,
  action: string,
  after: number | undefined,
  show: PrintEntry,
): Promise<number | undefined> {
  let last = after;
  for (;;) {
    const page = await client.evidence.page({
      action,
      ...(last === undefined ? {} : { after: last }),
    });
    for (const { entry } of page.items) await show(entry);
    last = page.items.at(-1)?.seq ?? last;
    if (page.next === undefined) return last;
  }
}

/** Where entries have their time and their type, calls have none. */
const INDENT = ' '.repeat('00:00:00.000  '.length);
/** What the broker writes only when every earlier call is in the journal. */
const AFTER_READS: ReadonlySet<string> = new Set(['egress.intended', 'attempt.finished']);

/** For people: reads have no entries of their own, and stand before the entry that they went before. */
function entryPrinter({ actions }: PortariumClient, id: string): PrintEntry {
  const printed = new Set<number>();
  return async (entry) => {
    const { attempt, call: before = Number.POSITIVE_INFINITY } = entry.data;
    const journal = AFTER_READS.has(entry.type) ? await actions.journal(id) : [];
    for (const read of callsWithoutEntry(journal)) {
      if (read.attempt !== attempt || read.call >= Number(before)) continue;
      if (printed.has(read.call)) continue;
      printed.add(read.call);
      print(`${INDENT}${callLine(read)}`);
    }
    print(entryLine(entry));
  };
}
