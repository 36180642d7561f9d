/**
 * `portarium hold place|list|lift`: legal holds. Side effects: `place` keeps what it covers from disposal, and sets the
 * store's own hold on it; `lift` ends that where no other hold covers it.
 */
import type { Hold, PlacedHold } from '@portarium/client/answers';
import type { ActionId } from '@portarium/contracts/ids';
import type { HoldScope } from '@portarium/contracts/legal-hold';
import type { Command } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { actionId, holdId } from '../id-argument.ts';
import { print, printJson, table, tell } from '../output.ts';
import { UsageError } from '../usage-error.ts';

interface PlaceOptions extends ConnectionOptions {
  readonly action?: string;
  readonly plugin?: string;
  readonly person?: string;
  readonly from?: string;
  readonly until?: string;
  readonly reason: string;
}

interface LiftOptions extends ConnectionOptions {
  readonly reason: string;
}

export function registerHold(program: Command): void {
  const hold = program
    .command('hold')
    .description('legal holds: what they cover is not disposed of, whatever its retention');
  connectionOptions(
    hold
      .command('place')
      .description('keep what is named: by action, by plugin, by person, or by time')
      .option('--action <id>', 'what entries of this action name', actionId)
      .option('--plugin <name>', 'of every action of this plugin, in any version')
      .option('--person <id>', 'of every action that this key, or owner of keys, had a hand in')
      .option('--from <time>', 'what is named from this time on, such as 2026-11-01T00:00:00Z')
      .option('--until <time>', 'with --from: before this time; without it, for ever')
      .requiredOption('--reason <text>', 'why; it stands in the evidence'),
  ).action(place);
  connectionOptions(
    hold.command('list').description('list the holds, lifted ones too, the newest first'),
  ).action(list);
  connectionOptions(
    hold
      .command('lift')
      .argument('<hold>', 'id of the hold, as list shows it', holdId)
      .description('end a hold; what another one covers stays held')
      .requiredOption('--reason <text>', 'why; it stands in the evidence'),
  ).action(lift);
}

async function place(options: PlaceOptions): Promise<void> {
  const placed = await connect(options).holds.place(scopeOf(options), options.reason);
  if (options.json) return printJson(placed);
  print(placed.id);
  tell(`It covers ${placed.artifacts} artifacts, and what comes to its scope later.`);
  tellStore(placed);
}

function scopeOf({ action, plugin, person, from, until }: PlaceOptions): HoldScope {
  const scopes: HoldScope[] = [];
  if (action !== undefined) scopes.push({ kind: 'action', action: action as ActionId });
  if (plugin !== undefined) scopes.push({ kind: 'plugin', plugin });
  if (person !== undefined) scopes.push({ kind: 'person', person });
  if (from !== undefined) {
    scopes.push({ kind: 'time', from, ...(until === undefined ? {} : { until }) });
  }
  const [scope] = scopes;
  if (scope === undefined || scopes.length > 1 || (until !== undefined && from === undefined)) {
    throw new UsageError(
      'Name what to hold by exactly one of --action, --plugin, --person, or --from (and --until).',
    );
  }
  return scope;
}

async function list(options: ConnectionOptions): Promise<void> {
  const items = await connect(options).holds.list();
  if (options.json) return printJson({ items });
  print(table([['HOLD', 'SCOPE', 'PLACED', 'LIFTED', 'REASON'], ...items.map(row)]));
}

function row({ id, scope, placedAt, lifted, reason }: Hold): string[] {
  return [id, scopeText(scope), placedAt, lifted?.at ?? '', reason];
}

function scopeText(scope: HoldScope): string {
  switch (scope.kind) {
    case 'action':
      return `action ${scope.action}`;
    case 'plugin':
      return `plugin ${scope.plugin}`;
    case 'person':
      return `person ${scope.person}`;
    case 'time':
      return `from ${scope.from}${scope.until === undefined ? '' : ` until ${scope.until}`}`;
  }
}

async function lift(id: string, options: LiftOptions): Promise<void> {
  const lifted = await connect(options).holds.lift(id, options.reason);
  if (options.json) return printJson(lifted);
  print(`${lifted.id} lifted`);
  tellStore(lifted);
}

function tellStore({ inStore }: PlacedHold): void {
  if (inStore) return;
  tell('The evidence store did not take all of it; Portarium keeps to it, and tries again later.');
}
