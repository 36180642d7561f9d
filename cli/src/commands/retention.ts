/**
 * `portarium retention`: for how long the workspace keeps artifacts. Side effects: with `--set` it keeps what is written
 * from then on for longer; there is no way back.
 */
import type { Retention } from '@portarium/client/answers';
import {
  RETENTION_CLASSES,
  RETENTION_DAYS,
  type RetentionClass,
} from '@portarium/contracts/retention-class';
import { type Command, InvalidArgumentError } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { print, printJson, table } from '../output.ts';

type Change = readonly [RetentionClass, number];

interface RetentionOptions extends ConnectionOptions {
  readonly set?: readonly Change[];
}

export function registerRetention(program: Command): void {
  connectionOptions(
    program
      .command('retention')
      .description('show for how many days artifacts of each class are kept; with --set, longer')
      .option(
        '--set <class=days>',
        'keep what is written from now on for so long, never shorter again; repeatable',
        setting,
      )
      .addHelpText('after', `\nClasses: ${RETENTION_CLASSES.join(', ')}.`),
  ).action(retention);
}

function setting(text: string, before: readonly Change[] = []): readonly Change[] {
  const [name = '', days = ''] = text.split('=');
  const known = RETENTION_CLASSES.find((one) => one === name);
  if (!known)
    throw new InvalidArgumentError(`Expected one of ${RETENTION_CLASSES.join(', ')}, and =days.`);
  const value = /^[1-9]\d{0,4}$/.test(days) ? Number(days) : 0;
  if (value < RETENTION_DAYS[known]) {
    throw new InvalidArgumentError(`${known} is at least ${RETENTION_DAYS[known]} days.`);
  }
  return [...before, [known, value]];
}

async function retention({ set = [], json, ...options }: RetentionOptions): Promise<void> {
  const client = connect(options);
  const shown =
    set.length > 0
      ? await client.retention.lengthen(Object.fromEntries(set))
      : await client.retention.get();
  if (json) printJson(shown);
  else print(retentionText(shown));
}

function retentionText(shown: Retention): string {
  return table([
    ['class', 'days in this workspace', 'at least'],
    ...RETENTION_CLASSES.map((name) => [name, String(shown[name]), String(RETENTION_DAYS[name])]),
  ]);
}
