/**
 * `portarium limits`: what the workspace allows each attempt at most. Side effects: with an option, it
 * changes them for actions that are requested from then on.
 */
import { DEFAULT_LIMITS, type LimitsRequest, MAX_LIMITS } from '@portarium/contracts/limits';
import { type Command, InvalidArgumentError } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { print, printJson, table } from '../output.ts';

type Limit = keyof typeof MAX_LIMITS;
type Change = readonly [Limit, number | undefined];

interface LimitOptions extends ConnectionOptions {
  readonly set?: readonly Change[];
  readonly unset?: readonly Change[];
}

export function registerLimits(program: Command): void {
  connectionOptions(
    program
      .command('limits')
      .description('show what an attempt may use in this workspace; with options, change it')
      .option('--set <name=most>', 'allow at most this, such as wallMs=30000; repeatable', setting)
      .option('--unset <name>', "leave it to the platform's maximum; repeatable", unsetting)
      .addHelpText('after', `\nNames: ${Object.keys(MAX_LIMITS).join(', ')}.`),
  ).action(limits);
}

function setting(text: string, before: readonly Change[] = []): readonly Change[] {
  const [name = '', most = ''] = text.split('=');
  const limit = named(name);
  const value = /^[1-9]\d{0,11}$/.test(most) ? Number(most) : 0;
  if (value < 1 || value > MAX_LIMITS[limit]) {
    throw new InvalidArgumentError(`${name} is a whole number from 1 to ${MAX_LIMITS[limit]}.`);
  }
  return [...before, [limit, value]];
}

function unsetting(text: string, before: readonly Change[] = []): readonly Change[] {
  return [...before, [named(text), undefined]];
}

function named(name: string): Limit {
  if (Object.hasOwn(MAX_LIMITS, name)) return name as Limit;
  throw new InvalidArgumentError(`Expected one of ${Object.keys(MAX_LIMITS).join(', ')}.`);
}

async function limits({ set = [], unset = [], json, ...options }: LimitOptions): Promise<void> {
  const client = connect(options);
  const changes = [...unset, ...set];
  const now = await client.limits.get();
  const { revision: _, ...kept } = now;
  const wanted: LimitsRequest = { ...kept, ...Object.fromEntries(changes) };
  const shown = changes.length > 0 ? await client.limits.put(wanted) : now;
  if (json) printJson(shown);
  else print(limitsText(shown));
}

function limitsText(shown: LimitsRequest): string {
  return table([
    ['limit', 'default', 'in this workspace', 'of the platform'],
    ...(Object.keys(MAX_LIMITS) as Limit[]).map((name) => [
      name,
      String(DEFAULT_LIMITS[name]),
      shown[name] === undefined ? '-' : `at most ${shown[name]}`,
      String(MAX_LIMITS[name]),
    ]),
  ]);
}
