/**
 * `portarium plugin-rules`: what the workspace asks of plugins. Side effects: with an option, it changes them
 * for what is uploaded, and what crashes, from then on.
 */
import type { PluginRules } from '@portarium/client/answers';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { type Command, Option } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { print, printJson, table } from '../output.ts';
import { wholeNumber } from '../whole-number.ts';
import { duration, timeText } from './approval-rules.ts';

interface RulesOptions extends ConnectionOptions {
  readonly signature?: PluginRules['signature'];
  readonly quarantineAfter?: number;
  /** Milliseconds. */
  readonly crashWindow?: number;
}

export function registerPluginRules(program: Command): void {
  connectionOptions(
    program
      .command('plugin-rules')
      .description(
        'show what uploads need, and what quarantines a version; with options, change it',
      )
      .addOption(
        new Option('--signature <rule>', 'whether an upload needs a trusted publisher’s').choices([
          'optional',
          'required',
        ]),
      )
      .option(
        '--quarantine-after <crashes>',
        'crashes within the window that quarantine a version; 0 never does',
        wholeNumber(0, PLATFORM_LIMITS.mostCrashesToQuarantine),
      )
      .option('--crash-window <time>', 'that window, such as 10m', duration)
      .addHelpText('after', '\nWhat is not named stays as it is.'),
  ).action(pluginRules);
}

async function pluginRules(options: RulesOptions): Promise<void> {
  const { signature, quarantineAfter, crashWindow, json } = options;
  const client = connect(options);
  const now = await client.pluginRules.get();
  const wanted = {
    signature: signature ?? now.signature,
    quarantineAfter: quarantineAfter ?? now.quarantineAfter,
    crashWindowMs: crashWindow ?? now.crashWindowMs,
  };
  const changes = [signature, quarantineAfter, crashWindow].some((value) => value !== undefined);
  const rules = changes ? await client.pluginRules.put(wanted) : now;
  if (json) printJson(rules);
  else print(rulesText(rules));
}

function rulesText({ signature, quarantineAfter, crashWindowMs, revision }: PluginRules): string {
  const crashes = quarantineAfter === 0 ? 'never' : `after ${quarantineAfter} crashes`;
  return table([
    ['signature of an upload', signature],
    ['a version is quarantined', crashes],
    ['within', timeText(crashWindowMs)],
    ['changed', revision === 0 ? 'never' : `${revision} time(s)`],
  ]);
}
