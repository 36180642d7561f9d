/** `portarium usage`: what the workspace's actions used. No side effects. */
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Command } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { print, printJson, tell } from '../output.ts';
import { usageText } from '../usage-text.ts';

interface UsageOptions extends ConnectionOptions {
  readonly from?: string;
  readonly to?: string;
}

export function registerUsage(program: Command): void {
  connectionOptions(
    program
      .command('usage')
      .description('show what actions used: by day, and by operation')
      .option(
        '--from <day>',
        `first day in UTC, such as 2026-11-01; at most ${PLATFORM_LIMITS.usageDays} days back from the last (default: 29 days before it)`,
      )
      .option('--to <day>', 'last day, included (default: today)'),
  ).action(usage);
}

async function usage({ from, to, json, ...options }: UsageOptions): Promise<void> {
  const found = await connect(options).usage({
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  });
  if (json) return printJson(found);
  if (found.days.length === 0)
    return tell(`Nothing was asked for from ${found.from} to ${found.to}.`);
  print(usageText(found));
}
