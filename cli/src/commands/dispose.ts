/**
 * `portarium dispose`: removes artifacts that are past retention and under no hold. Side effects: without `--dry-run`
 * they are gone for good; entries of the log say so, and keep their digests.
 */
import type { Disposal } from '@portarium/client/answers';
import { RETENTION_CLASSES } from '@portarium/contracts/retention-class';
import type { Command } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { print, printJson, table, tell } from '../output.ts';
import { UsageError } from '../usage-error.ts';
import { wholeNumber } from '../whole-number.ts';

interface DisposeOptions extends ConnectionOptions {
  readonly dryRun?: boolean;
  readonly reason?: string;
  readonly limit: number;
}

type Item = Disposal['items'][number];

export function registerDispose(program: Command): void {
  connectionOptions(
    program
      .command('dispose')
      .description('remove artifacts that are past retention and under no hold')
      .option('--dry-run', 'only list them')
      .option('--reason <text>', 'why; it stands in the evidence')
      .option(
        '--limit <artifacts>',
        'how many one step takes, at most 400',
        wholeNumber(1, 400),
        100,
      ),
  ).action(disposeAll);
}

async function disposeAll(options: DisposeOptions): Promise<void> {
  const { dryRun = false, limit, json } = options;
  const reason = options.reason ?? (dryRun ? 'a dry run' : undefined);
  if (reason === undefined) throw new UsageError('Say why, with --reason; or add --dry-run.');
  const { disposals } = connect(options);
  const items: Item[] = [];
  for (let after: string | undefined; ; ) {
    const page = await disposals.run({
      ...{ dryRun, reason, limit },
      ...(after === undefined ? {} : { after }),
    });
    items.push(...page.items);
    if (json) printJson(page);
    else if (page.resumed > 0) tell(`Ended an earlier run: ${page.resumed} artifacts.`);
    if (page.next === undefined) break;
    after = page.next;
    tell(`${items.length} looked at, ${count(items, 'removed')} removed`);
  }
  if (!json) print(summary(items, dryRun));
}

function count(items: readonly Item[], outcome: string): number {
  return items.filter((item) => item.outcome === outcome).length;
}

function summary(items: readonly Item[], dryRun: boolean): string {
  if (items.length === 0) return 'No artifact is past its retention.';
  const listed = dryRun
    ? table([
        ['DIGEST', 'CLASS', 'BYTES', 'LAST NAMED', 'OUTCOME'],
        ...items.map((item) => [
          item.digest,
          item.retention,
          String(item.bytes),
          `entry ${item.lastSeq}, ${item.lastTime}`,
          OUTCOMES[item.outcome] ?? item.outcome,
        ]),
      ])
    : '';
  const gone = dryRun ? 'due' : 'removed';
  const classes = RETENTION_CLASSES.map((name) => {
    const of = items.filter(({ retention }) => retention === name);
    return [name, String(count(of, gone)), String(of.length - count(of, gone))];
  });
  const sums = table([['CLASS', dryRun ? 'WOULD GO' : 'REMOVED', 'KEPT'], ...classes]);
  return listed === '' ? sums : `${listed}\n\n${sums}`;
}

const OUTCOMES: Readonly<Record<string, string>> = {
  due: 'would go',
  hold: 'under a hold',
  retention: 'the store keeps it for longer',
  missing: 'not there, and nobody disposed of it',
};
