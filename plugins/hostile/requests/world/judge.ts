/** What is wrong with the end of a case: with what is on record, with what was reached, with what was sent. */
import { DEFAULT_HEADERS, type EgressRule } from '@portarium/contracts/egress-rule';
import type { AttackCase } from '../corpus.ts';
import type { AttackOutcome } from './attack.ts';
import type { Connection } from './listeners.ts';

/** Addresses of the servers that are granted; whoever reaches another one has broken out. */
export const GRANTED: ReadonlySet<string> = new Set([
  '93.184.215.14',
  '93.184.215.15',
  '2606:2800:21f::14',
]);

/** Headers that are the broker’s own on every request. */
const OWN_HEADERS = ['host', 'connection', 'accept-encoding', 'content-length'];

type Record = AttackOutcome['records'][number];

export function problemsOf(
  one: AttackCase,
  { records, seen, denials }: AttackOutcome,
  connections: readonly Connection[],
  rules: readonly EgressRule[],
): string[] {
  const last = records.at(-1);
  const calls = one.calls ?? one.requests.length;
  const end = last && endOf(last);
  const expected = (denials === undefined ? undefined : one.inProduct) ?? one.expect;
  const left = records.filter(({ verdict }) => verdict !== 'denied');
  const denied = records.length - left.length;
  return [
    ...(denials === undefined || denials === denied
      ? []
      : [`${denials} denials are evidence, ${denied} on record`]),
    ...(records.length === calls
      ? []
      : [`${records.length} calls are on record, expected ${calls}`]),
    ...(end === expected
      ? []
      : [`the last call is ${end} (${last?.reason ?? 'no reason'}), expected ${expected}`]),
    ...connections
      .filter(({ address }) => !GRANTED.has(address))
      .map(({ address, port }) => `a forbidden listener was reached: ${address} port ${port}`),
    ...(connections.length > left.length
      ? [`${connections.length} connections for ${left.length} calls that left`]
      : []),
    ...connections.flatMap((connection) => wireProblems(connection, left, rules)),
    ...one.neverSent
      .filter((text) =>
        connections.some(({ requests, rest }) => [...requests, rest].join('').includes(text)),
      )
      .map((text) => `“${text.slice(0, 40)}” was sent`),
    ...one.neverSeen
      .filter((text) => seen.includes(text))
      .map((text) => `the guest was told “${text.slice(0, 40)}”`),
  ];
}

function endOf({ verdict, layer }: Record): string {
  // A response that outgrows its budget fails by that layer.
  return verdict === 'allowed' || layer === undefined ? verdict : layer;
}

/** What was sent is what is on record, with no header that nobody granted. */
function wireProblems(
  { requests, rest }: Connection,
  left: readonly Record[],
  rules: readonly EgressRule[],
): string[] {
  // The greeting of TLS is not taken apart on a port without it.
  const stray = rest !== '' && !rest.startsWith('\x16\x03');
  return [
    ...(stray ? [`“${rest.slice(0, 40)}” was sent and is no request`] : []),
    ...requests.flatMap((request) => requestProblems(request, left, rules)),
  ];
}

function requestProblems(
  request: string,
  left: readonly Record[],
  rules: readonly EgressRule[],
): string[] {
  const [line = '', ...lines] = request.slice(0, request.indexOf('\r\n\r\n')).split('\r\n');
  const record = left.find(({ method, path }) => {
    return (
      line.startsWith(`${method} ${path}`) && ' ?'.includes(line.charAt(`${method} ${path}`.length))
    );
  });
  if (!record) return [`“${line.slice(0, 80)}” was sent and is not on record`];
  const headers = new Map<string, string>();
  const problems: string[] = [];
  for (const each of lines) {
    const at = each.indexOf(':');
    const name = each.slice(0, at).toLowerCase();
    if (headers.has(name)) problems.push(`header ${name} was sent twice`);
    headers.set(name, each.slice(at + 1).trim());
  }
  const standard = record.port === (record.scheme === 'https' ? 443 : 80);
  const host = standard ? record.host : `${record.host}:${record.port}`;
  if (headers.get('host') !== host) {
    problems.push(`Host is ${headers.get('host')}, expected ${host}`);
  }
  const granted = new Set([
    ...OWN_HEADERS,
    ...rules.flatMap((rule) => rule.headers ?? DEFAULT_HEADERS),
    ...(record.credential === undefined ? [] : ['authorization']),
  ]);
  for (const name of headers.keys()) {
    if (!granted.has(name)) problems.push(`header ${name} was sent`);
  }
  return problems;
}
