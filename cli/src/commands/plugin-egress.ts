/**
 * `portarium plugin egress|grant`: what a plugin asks for, and what it may reach. Side effects:
 * `grant` replaces the rules and networks that the operator grants.
 */

import type { Egress } from '@portarium/client/answers';
import type { OperatorEgress } from '@portarium/client/plugins';
import { NetworkSchema } from '@portarium/contracts/egress-rule';
import { GrantableOperatorRulesSchema } from '@portarium/contracts/grantable-rules';
import { type Command, InvalidArgumentError, Option } from 'commander';
import * as v from 'valibot';
import { readAuthorities } from '../authority.ts';
import { checkedJson } from '../checked-json.ts';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { changeText, egressText } from '../egress-text.ts';
import { egressNotes } from '../grant-notes.ts';
import { print, printJson, tell } from '../output.ts';
import { readArgument } from '../read-argument.ts';
import { UsageError } from '../usage-error.ts';

/** The file that says who the hosts of a rule are believed by. */
interface RuleAuthority {
  readonly rule: string;
  readonly file: string;
}

interface GrantOptions extends ConnectionOptions {
  readonly rules?: string;
  readonly own?: true;
  readonly ca?: readonly RuleAuthority[];
  /** `false` with `--no-network`. */
  readonly network?: readonly string[] | false;
}

/** A whole file for `--rules`. */
export const EXAMPLE =
  '[{"id": "items", "methods": ["GET"], "scheme": "https", "host": "api.example.com", "port": 443, "path": "/v1/items/{id}", "query": ["limit"]}]';

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
          '--ca <rule=file...>',
          'check the hosts of this rule by the authorities in a PEM file, and by no public one',
        ).argParser(authority),
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
        `\nA rule is such as this; docs/reference/egress.md has every field:\n  ${EXAMPLE}\n\nRules without --rules or --own, and networks without --network or --no-network, stay as they are.\nAn empty list of rules takes everything back.`,
      ),
  ).action(grant);
}

function authority(text: string, before: readonly RuleAuthority[] = []): RuleAuthority[] {
  const [, rule, file] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (rule === undefined || file === undefined) {
    throw new InvalidArgumentError('Expected the id of a rule, = and a file.');
  }
  return [...before, { rule, file }];
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
  if (!given && !options.own && !options.ca && options.network === undefined) {
    throw new UsageError(
      'Say what to grant: --own for what the plugin asks for, or --rules FILE; and --network for networks.',
    );
  }
  const { plugins, credentials } = connect(options);
  const before = await plugins.getEgress(name);
  const rules = given ?? rulesOf(options.own ? before.plugin : before.operator);
  const after = await plugins.putEgress(name, {
    rules: await withAuthorities(rules, options.ca ?? []),
    networks: [
      ...(options.network === undefined ? before.operator.networks : options.network || []),
    ],
  });
  if (options.json) return printJson(after);
  print(changeText(before, after));
  // Not every key that may grant may list them.
  const live = await credentials.list().catch(() => undefined);
  for (const note of egressNotes(after, live)) tell(note);
}

/** The Control Plane sent them, so they have the shape that it takes; unknown fields stay. */
function rulesOf({ rules }: Pick<Egress['plugin'], 'rules'>): OperatorEgress['rules'] {
  return rules as OperatorEgress['rules'];
}

async function withAuthorities(
  rules: OperatorEgress['rules'],
  authorities: readonly RuleAuthority[],
): Promise<OperatorEgress['rules']> {
  let trusting = rules;
  for (const { rule, file } of authorities) {
    if (!rules.some(({ id }) => id === rule)) {
      const known = rules.map(({ id }) => id).join(', ') || 'none';
      throw new UsageError(`--ca names rule ${rule}, which is not granted. Granted: ${known}.`);
    }
    const caCertificates = await readAuthorities(file);
    trusting = trusting.map((one) => (one.id === rule ? { ...one, caCertificates } : one));
  }
  return trusting;
}

async function readRules(file: string): Promise<OperatorEgress['rules']> {
  const text = await readArgument(`@${file}`);
  return checkedJson(file === '-' ? 'standard input' : file, text, GrantableOperatorRulesSchema);
}
