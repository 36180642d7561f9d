/**
 * `portarium approval-rules`: what the workspace asks of approvals. Side effects: with an option, it
 * changes them for actions that are asked for from then on.
 */
import type { ApprovalRules } from '@portarium/client/approval-answers';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { type Command, InvalidArgumentError } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { print, printJson, table } from '../output.ts';
import { wholeNumber } from '../whole-number.ts';

interface RulesOptions extends ConnectionOptions {
  readonly quorum?: number;
  readonly roles?: readonly string[];
  /** Milliseconds. */
  readonly decideWithin?: number;
  readonly executeWithin?: number;
}

export function registerApprovalRules(program: Command): void {
  connectionOptions(
    program
      .command('approval-rules')
      .description('show who has to approve and in what time; with options, change it')
      .option('--quorum <people>', 'how many have to agree', wholeNumber(1, PLATFORM_LIMITS.quorum))
      .option('--roles <roles>', 'roles whose keys may decide, with commas between', roles)
      .option('--decide-within <time>', 'from the request; such as 30m, 24h or 7d', duration)
      .option('--execute-within <time>', 'from the end of that to the first attempt', duration)
      .addHelpText('after', '\nWhat is not named stays as it is.'),
  ).action(approvalRules);
}

function roles(text: string): readonly string[] {
  return text.split(',').map((role) => role.trim());
}

const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** @returns milliseconds */
export function duration(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const unitMs = UNITS_MS[unit ?? ''];
  if (unitMs !== undefined && Number(count) > 0) return Number(count) * unitMs;
  throw new InvalidArgumentError('Expected a number and s, m, h or d, such as 24h.');
}

async function approvalRules(options: RulesOptions): Promise<void> {
  const { quorum, roles, decideWithin, executeWithin, json } = options;
  const client = connect(options);
  const now = await client.approvalRules.get();
  const wanted = {
    quorum: quorum ?? now.quorum,
    roles: roles ?? now.roles,
    decideWithinMs: decideWithin ?? now.decideWithinMs,
    executeWithinMs: executeWithin ?? now.executeWithinMs,
  };
  const changes = [quorum, roles, decideWithin, executeWithin].some((value) => value !== undefined);
  const rules = changes ? await client.approvalRules.put(wanted) : now;
  if (json) printJson(rules);
  else print(rulesText(rules));
}

function rulesText(rules: ApprovalRules): string {
  return table([
    ['people who have to agree', String(rules.quorum)],
    ['roles that may decide', rules.roles.join(', ')],
    ['time to decide', timeText(rules.decideWithinMs)],
    ['then time to begin', timeText(rules.executeWithinMs)],
    ['changed', rules.revision === 0 ? 'never' : `${rules.revision} time(s)`],
  ]);
}

/** In the largest unit that leaves no rest. */
export function timeText(ms: number): string {
  const [unit, unitMs] = Object.entries(UNITS_MS).findLast(([, each]) => ms % each === 0) ?? [
    'ms',
    1,
  ];
  return `${ms / unitMs} ${unit}`;
}
