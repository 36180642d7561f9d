/**
 * `portarium plugin egress|grant`: what a plugin asks for, and what it may reach. Side effects:
 * `grant` replaces the rules and networks that the operator grants.
 */

import type { Egress } from '@portarium/client/answers';
import type { OperatorEgress } from '@portarium/client/plugins';
import { NetworkSchema } from '@portarium/contracts/egress-rule';
import { GrantableRulesSchema } from '@portarium/contracts/grantable-rules';
import { type Command, InvalidArgumentError, Option } from 'commander';
import * as v from 'valibot';
import { checkedJson } from '../checked-json.ts';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { changeText, egressNotes, egressText } from '../egress-text.ts';
import { print, printJson, tell } from '../output.ts';
import { readArgument } from '../read-argument.ts';
import { UsageError } from '../usage-error.ts';

interface GrantOptions extends ConnectionOptions {
  readonly rules?: string;
  readonly own?: true;
  /** `false` with `--no-network`. */
  readonly network?: readonly string[] | false;
}

export function registerPluginEgress(plugin: Command): void {
  connectionOptions(
    plugin
      .command('egress')
      .argument('<name>')
      .description('show what a plugin asks for and what the operator grants'),
  ).action(egress);
  connectionOptions(
    plugin
      .command('grant')
      .argument('<name>')
      .description('let a plugin, in every version, reach what these rules and its own both allow')
      .option('--rules <file>', 'grant exactly these rules: JSON list, - for standard input')
      .addOption(
        new Option('--own', 'grant exactly what the current version asks for').conflicts('rules'),
      )
      .addOption(
        new Option(
          '--network <network...>',
          'open networks that are closed by default: loopback, or a CIDR block',
        ).argParser(network),
      )
      .option('--no-network', 'open public addresses only')
      .addHelpText(
        'after',
        '\nRules without --rules or --own, and networks without --network or --no-network, stay as they are.\nAn empty list of rules takes everything back.',
      ),
  ).action(grant);
}

function network(text: string, before: readonly string[] | false | undefined): readonly string[] {
  const parsed = v.safeParse(NetworkSchema, text);
  if (!parsed.success) {
    const reason = parsed.issues[0].message;
    throw new InvalidArgumentError(`${reason}.`);
  }
  return [...(before || []), text];
}

async function egress(name: string, options: ConnectionOptions): Promise<void> {
  const found = await connect(options).plugins.getEgress(name);
  if (options.json) printJson(found);
  else print(egressText(found));
}

async function grant(name: string, options: GrantOptions): Promise<void> {
  const given = options.rules === undefined ? undefined : await readRules(options.rules);
  if (!given && !options.own && options.network === undefined) {
    throw new UsageError(
      'Say what to grant: --own for what the plugin asks for, or --rules FILE; and --network for networks.',
    );
  }
  const { plugins } = connect(options);
  const before = await plugins.getEgress(name);
  const after = await plugins.putEgress(name, {
    rules: given ?? rulesOf(options.own ? before.plugin : before.operator),
    networks: [
      ...(options.network === undefined ? before.operator.networks : options.network || []),
    ],
  });
  if (options.json) return printJson(after);
  print(changeText(before, after));
  for (const note of egressNotes(after)) tell(note);
}

/** The Control Plane sent them, so they have the shape that it takes; unknown fields stay. */
function rulesOf({ rules }: Pick<Egress['plugin'], 'rules'>): OperatorEgress['rules'] {
  return rules as OperatorEgress['rules'];
}

async function readRules(file: string): Promise<OperatorEgress['rules']> {
  const text = await readArgument(`@${file}`);
  return checkedJson(file === '-' ? 'standard input' : file, text, GrantableRulesSchema);
}
