/**
 * What a grant comes to, in sentences: what of it is in force, and what of it can never be of use. Advice
 * for an operator; the broker and the Control Plane judge by themselves.
 */
import type { Credential, Egress } from '@portarium/client/answers';
import { visibleLine } from '@portarium/client/visible-text';
import { allowedCalls } from '@portarium/contracts/allowed-calls';
import type { EgressRule, OperatorRule } from '@portarium/contracts/egress-rule';
import { isClosedHost, isLoopbackHost, networkOf } from '@portarium/contracts/network';

/**
 * What holds now, in sentences: never less than what the plugin can reach.
 * @param credentials of the workspace, when they could be listed
 */
export function egressNotes(egress: Egress, credentials?: readonly Credential[]): string[] {
  const { plugin, operator } = egress;
  const { name, rules: asked } = plugin;
  if (asked.length === 0) return ['It asks for no egress, so it reaches nothing.'];
  if (operator.rules.length === 0) {
    return [
      `No egress is granted to ${name}, so it reaches nothing. An operator grants what it asks for: portarium plugin grant ${name} --own`,
    ];
  }
  const networks = operator.networks.length > 0 ? `; networks ${operator.networks.join(', ')}` : '';
  const notes = [
    `A grant is in force for every version of ${name}: rules ${idsOf(operator.rules)}${networks}. A call passes when a rule of the plugin and a rule of the grant both match it.`,
    ...matchNotes(egress),
    ...closedNote(egress),
    ...operator.rules.flatMap(credentialNotes),
    ...missingNotes(egress, credentials),
  ];
  return notes.map(visibleLine);
}

function matchNotes({ plugin, operator }: Egress): string[] {
  const missing = plugin.rules.filter((rule) => met([rule], operator.rules).length === 0);
  const narrower = plugin.rules.filter(
    (rule) => !missing.includes(rule) && !isWhole(rule, operator.rules),
  );
  const useless = operator.rules.filter((rule) => met(plugin.rules, [rule]).length === 0);
  const named = (rule: OperatorRule) => `${rule.id} (${strayPart(rule, plugin.rules)})`;
  return [
    ...(narrower.length > 0 ? [`Granted narrower than asked for: ${idsOf(narrower)}.`] : []),
    ...(missing.length > 0 ? [`Asked for and not granted: ${idsOf(missing)}.`] : []),
    ...(useless.length > 0
      ? [
          `WARNING: rules of the grant that match nothing it asks for: ${useless.map(named).join(', ')}. Compare: portarium plugin egress ${plugin.name}`,
        ]
      : []),
  ];
}

function idsOf(rules: readonly EgressRule[]): string {
  return rules.map(({ id }) => id).join(', ');
}

/** The calls that rules of both let through. */
function met(plugin: readonly EgressRule[], operator: readonly OperatorRule[]) {
  return allowedCalls({ plugin, operator, networks: [], approval: [] }, 'write');
}

/** Whether the grant lets everything through that the rule asks for. */
function isWhole(rule: EgressRule, granted: readonly OperatorRule[]): boolean {
  const shapes = (rules: readonly OperatorRule[]) =>
    met([rule], rules).map(({ rule: _, caCertificates: __, ...shape }) => JSON.stringify(shape));
  return shapes(granted).includes(shapes([rule])[0] ?? '');
}

const PARTS = ['host', 'scheme', 'port', 'path', 'methods', 'credential'] as const;

/** The first part in which a rule that matches nothing differs from all that is asked for. */
function strayPart(rule: OperatorRule, asked: readonly EgressRule[]): string {
  const stray = PARTS.find((_, at) => {
    const own = Object.fromEntries(PARTS.slice(0, at + 1).map((part) => [part, rule[part]]));
    return asked.every((one) => met([one], [{ ...one, ...own }]).length === 0);
  });
  return `no rule of the plugin has its ${stray ?? 'parts together'}`;
}

function closedNote({ plugin, operator }: Egress): string[] {
  const { rules, networks } = operator;
  const hosts = met(plugin.rules, rules).map(({ host }) => host);
  const closed = [...new Set(hosts)].filter((host) => isClosedHost(host, networks));
  if (closed.length === 0) return [];
  const open = new Set([...networks, ...closed.flatMap((host) => networkOf(host) ?? [])]);
  return [
    `WARNING: ${closed.join(', ')} stays closed until its network is opened: portarium plugin grant ${plugin.name} --network ${[...open].join(' ')}`,
  ];
}

function credentialNotes({ id, scheme, host, headers, credential }: OperatorRule): string[] {
  if (credential === undefined) return [];
  return [
    ...(scheme === 'http' && !isLoopbackHost(host)
      ? [`WARNING: calls by ${id} would fail: credential ${credential} goes over https only.`]
      : []),
    ...(headers?.includes('authorization')
      ? [
          `WARNING: ${id} names the header authorization beside a credential. A call that sets it is refused: leave it out.`,
        ]
      : []),
  ];
}

function missingNotes(
  { plugin, operator }: Egress,
  credentials: readonly Credential[] | undefined,
): string[] {
  if (credentials === undefined) return [];
  const live = new Set(credentials.flatMap((one) => (one.revokedAt ? [] : [one.name])));
  const wanted = new Set(
    met(plugin.rules, operator.rules).flatMap((call) => call.credential ?? []),
  );
  return [...wanted]
    .filter((slot) => !live.has(slot))
    .map((slot) => {
      const host = plugin.credentials.find((one) => one.slot === slot)?.host ?? 'HOST';
      return `WARNING: calls with credential ${slot} fail until there is one: portarium credential create ${slot} --host ${host}`;
    });
}
