/**
 * Egress for people: what a plugin asks for, what is granted, and what a change did. Authors write
 * rules, so their text is made safe to show.
 */
import type { Egress } from '@portarium/client/answers';
import { plainText } from '@portarium/contracts/plain-text';
import { authorityText } from './authority.ts';
import { egressNotes } from './grant-notes.ts';

type Rule = Egress['operator']['rules'][number];

/** `GET https://api.example.com:443/v1/items/{id}  query=limit maxCalls=1` */
export function ruleText(rule: Rule): string {
  const { caCertificates } = rule;
  if (!caCertificates) return callText(rule);
  const trusted = caCertificates.map(authorityText).join(' and ');
  return `${callText(rule)}  trusts only ${plainText(trusted)}`;
}

/** What a plugin can ask for; only an operator says who its hosts are to be believed by. */
function callText(rule: Rule): string {
  const { methods, scheme, host, port, path } = rule;
  const more = [
    named('query', rule.query),
    named('headers', rule.headers),
    named('contentTypes', rule.contentTypes),
    rule.maxCalls === undefined ? '' : `maxCalls=${rule.maxCalls}`,
    rule.maxBytes === undefined ? '' : `maxBytes=${rule.maxBytes}`,
    rule.maxPerMinute === undefined ? '' : `maxPerMinute=${rule.maxPerMinute}`,
    rule.credential === undefined ? '' : `credential=${rule.credential}`,
    rule.idempotency === undefined
      ? ''
      : `idempotency=${rule.idempotency.header}/${rule.idempotency.retentionHours}h`,
  ].filter((part) => part !== '');
  const call = `${methods.join(',')} ${scheme}://${host}:${port}${path}`;
  return plainText([call, ...(more.length > 0 ? [more.join(' ')] : [])].join('  '));
}

function named(name: string, values: readonly string[] | undefined): string {
  return values === undefined ? '' : `${name}=${values.join(',') || '(none)'}`;
}

/** What the plugin asks for, what is granted, and what that means. */
export function egressText(egress: Egress): string {
  const { plugin, operator } = egress;
  return [
    `${plugin.name} asks for:`,
    ...ruleLines(plugin.rules),
    ...slotLines(egress),
    `The operator grants, for every version of ${plugin.name}:`,
    ...ruleLines(operator.rules),
    `  networks  ${networksText(egress)}`,
    ...egressNotes(egress),
  ].join('\n');
}

function ruleLines(rules: readonly Rule[]): string[] {
  return rules.length === 0
    ? ['  (nothing)']
    : rules.map((rule) => `  ${rule.id}  ${ruleText(rule)}`);
}

function slotLines({ plugin }: Egress): string[] {
  return plugin.credentials.map(({ slot, kind, host, description }) =>
    plainText(`  credential ${slot}  ${kind} for ${host}  ${description}`).trimEnd(),
  );
}

/** Each operator rule after a change, marked `+` added, `-` removed, `~` altered or `=` kept. */
export function changeText(before: Egress, after: Egress): string {
  const { added = [], removed = [], altered = [] } = after.changed ?? {};
  const was = new Map(before.operator.rules.map((rule) => [rule.id, rule]));
  const lines = after.operator.rules.flatMap((rule) => {
    const old = was.get(rule.id);
    if (added.includes(rule.id) || old === undefined) return [`+ ${rule.id}  ${ruleText(rule)}`];
    if (!altered.includes(rule.id)) return [`= ${rule.id}  ${ruleText(rule)}`];
    return [`~ ${rule.id}  ${ruleText(old)}`, `    now  ${ruleText(rule)}`];
  });
  for (const id of removed) {
    const old = was.get(id);
    lines.push(`- ${id}${old === undefined ? '' : `  ${ruleText(old)}`}`);
  }
  const [old, now] = [networksText(before), networksText(after)];
  lines.push(old === now ? `= networks  ${now}` : `~ networks  ${old}, now ${now}`);
  return lines.join('\n');
}

function networksText({ operator }: Egress): string {
  return operator.networks.join(' ') || '(public addresses only)';
}
