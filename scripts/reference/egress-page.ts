/** The page about egress: what a rule may say, how a request is decided, and the corpus of hostile requests. */
import {
  DEFAULT_HEADERS,
  FORBIDDEN_HEADERS,
  HTTP_METHODS,
  type OperatorRule,
} from '@portarium/contracts/egress-rule';
import { GrantableOperatorRulesSchema } from '@portarium/contracts/grantable-rules';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { specialAddresses } from '@portarium/sandbox/egress/address';
import * as v from 'valibot';
import { type AttackCase, type End, readCorpus } from '../../plugins/hostile/requests/corpus.ts';
import { NOTICE } from './notice.ts';

/** What each field of a rule grants; without it, what holds. */
const RULE_TEXT = {
  id: ['its name in records and refusals', 'required'],
  methods: [`one or more of ${HTTP_METHODS.join(', ')}`, 'required'],
  scheme: ['`https` or `http`', 'required'],
  host: [
    'a name in lower case, an address, or `*.example.com`: every name below `example.com`, and not `example.com` itself; never below a public suffix such as `com`',
    'required',
  ],
  port: ['one port', 'required'],
  path: [
    'literal segments, `{name}` for exactly one, `**` for any rest, only last; matched on decoded text',
    'required',
  ],
  query: ['names of parameters that may stand in the query', 'none'],
  headers: ['names of request headers that the plugin may set', list(DEFAULT_HEADERS)],
  contentTypes: ['types that a body may have', 'none'],
  credential: [
    'the slot whose credential the broker sets into the request: the same in the plugin’s rule and the operator’s. A slot is filled by the stored credential of that name (`portarium credential list`); `portarium plugin egress NAME` lists the slots of a plugin',
    'none, in both',
  ],
  idempotency: [
    '`{header, retentionHours}`: how the other side recognises a repeated write',
    'a write is sent at most once',
  ],
  maxCalls: ['calls of one action under this rule', 'the limit of the attempt'],
  maxBytes: ['bytes of one action under this rule, out and in', 'the limit of the attempt'],
  maxPerMinute: [
    'calls of the workspace under this rule in any minute, over all actions and sandbox hosts',
    'no rate',
  ],
  caCertificates: [
    `in a grant only: 1 to ${PLATFORM_LIMITS.caCertificates} authorities in PEM that the hosts are checked by, and by no public one`,
    'the public authorities',
  ],
} as const satisfies Record<keyof OperatorRule, readonly [string, string]>;

const LAYER_TEXT = {
  request:
    'The request itself: it can be read in two ways, is too large, or is a write of a read operation',
  plugin: 'No rule of the plugin’s manifest matches',
  operator: 'No rule of the operator’s grant matches, or the two do not name the same credential',
  approval: 'Whoever approved the action narrowed it, and no rule of theirs matches',
  address: 'An address that the name resolves to is special, and its network is not opened',
  credential:
    'The credential is missing, revoked or bound to another host, or would leave without TLS',
  budget: 'Calls or bytes of the attempt or of a rule are spent',
  rate: 'The workspace has made as many calls in the last minute as a rule allows, and the attempt has no time to wait',
} as const satisfies Record<Exclude<End, 'allowed' | 'failed'>, string>;

/** A rule that both layers may have, and the page shows. */
const EXAMPLE: OperatorRule = {
  id: 'items',
  methods: ['GET'],
  scheme: 'https',
  host: 'api.example.com',
  port: 443,
  path: '/v1/items/{id}',
  query: ['limit'],
  credential: 'example',
};

/** What people write, and what they mean by it. */
const MISTAKES: readonly (readonly [written: string, meant: string])[] = [
  ['`"path": "/items/:id"`', '`"/items/{id}"`'],
  ['`"path": "/items?limit=5"`, `"query": ["limit=5"]`', '`"query": ["limit"]`: names only'],
  ['`"host": "https://api.example.com:8443/v1"`', '`scheme`, `host`, `port` and `path` apart'],
  ['`"host": "*.example.com"` for `example.com` as well', 'a second rule with `example.com`'],
  ['`"host": "10.0.0.0/8"`', 'a host in the rule, and the block in `networks`'],
  [
    '`"host": "127.0.0.1"` or `"10.0.0.5"` alone',
    'the rule, and `--network loopback` or `--network 10.0.0.5/32`',
  ],
  [
    '`POST` without `contentTypes`',
    '`"contentTypes": ["application/json"]`, or no body that has a type passes',
  ],
  ['`credential` in one layer', 'the same slot in both, and `https`'],
  ['`"headers": ["authorization"]` beside a `credential`', 'leave it out: the broker sets it'],
  [
    '`{"rules": […]}` as the file of `--rules`',
    'the list itself; over HTTP, the object with `networks`',
  ],
];

export function egressPage(): string {
  const example = v.parse(GrantableOperatorRulesSchema, [EXAMPLE]);
  const families = readCorpus();
  const count = families.reduce((sum, { cases }) => sum + cases.length, 0);
  return [
    '# Egress',
    '',
    NOTICE,
    '',
    'A plugin reaches nothing unless a rule of **every** layer allows the request: the plugin’s manifest, the',
    'operator’s grant (`PUT /v1/workspaces/{ws}/plugins/{name}/egress`) and, where an approver narrowed the action,',
    'the approval. Each decision is on record with the rule that allowed it or the layer that refused it.',
    '',
    '## An example',
    '',
    'In `plugin.json` this list is `egress`, what a plugin asks for:',
    '',
    '```json',
    `[\n  ${JSON.stringify(example[0])}\n]`,
    '```',
    '',
    'In a file, the same or less is what an operator grants, with the networks that are closed otherwise. Both commands tell',
    'what of it is in force, narrower than asked for, missing, or matches nothing:',
    '',
    '```',
    './portarium plugin grant NAME --rules FILE [--network loopback]',
    './portarium plugin egress NAME',
    '```',
    '',
    'Over HTTP it is `PUT …/plugins/NAME/egress` with `{"rules":[…],"networks":["loopback"]}`.',
    '',
    '| Not so | But so |',
    '|---|---|',
    ...MISTAKES.map(([written, meant]) => `| ${written} | ${meant} |`),
    '',
    '## What a rule says',
    '',
    '| Field | Grants | Without it |',
    '|---|---|---|',
    ...Object.entries(RULE_TEXT).map(
      ([name, [grants, without]]) => `| \`${name}\` | ${grants} | ${without} |`,
    ),
    '',
    `No rule may name these headers, and no plugin may set them: ${list([...FORBIDDEN_HEADERS])}.`,
    '',
    'Any rule of the plugin and any of the operator will do that both match and name the same credential, or both none;',
    'an approver’s rule that names a credential allows calls with that one only. Where several layers give a budget or a',
    'rate, the smallest one holds.',
    '',
    'Budgets count over all attempts of an action, on whatever hosts they ran: what an earlier attempt did is part of',
    'them. `maxPerMinute` (1 to 100,000) counts over all actions of the workspace, by the clock of the database: in no',
    'minute do more calls get leave, and all of them may come at once. A call under it needs leave even if it reads.',
    'When there is no room, the call waits if room comes before the attempt’s deadline; else it is denied by layer',
    '`rate`, and the attempt ends with `limit.rate`. An action keeps the rate that stood in its contract when it was',
    'requested; actions under an older and a newer rate of one rule count together.',
    '',
    '## How a request is decided',
    '',
    'In this order, for the request and again for each redirect that a read follows. What was matched is what is sent:',
    'the URL is parsed once.',
    '',
    '1. The URL, the method and the headers have to have one reading only. A user name, a fragment, a backslash, a',
    '   semicolon, characters that are not printable ASCII, dot segments, empty segments, an encoded `/`, `\\`, NUL or',
    '   `%`, a trailing dot, a header that stands twice: refused.',
    '2. An operation with effect `read` sends GET and HEAD only, and neither ever carries a body (ADR 0134).',
    '3. A rule of each layer has to match: host, scheme, port, path, method, query, headers, content type.',
    '4. The budgets of the attempt and of both rules have to hold the call.',
    '5. The name is resolved once, and every address is checked; the connection goes to the checked one, with the name',
    '   in SNI and `Host`, and the certificate is verified against the name.',
    '6. A write, a call with a credential and a call under a rate asks the Control Plane, which decides all of this',
    '   again from its own records, counts the rate, and hands out the credential with its leave.',
    '7. The answer is read up to what is left of the budgets, within its time, unpacked (`gzip`, `deflate`, `br`) within',
    '   the same bounds, and scrubbed of the credential.',
    '',
    'In a dry run a write goes as far as step 4; then it is recorded, and answered from the examples of the manifest.',
    'Reads may share a connection with others of the same workspace, credential, address, name and authorities; a',
    'write has one to itself.',
    '',
    `Reads follow at most ${PLATFORM_LIMITS.redirectHops} redirects; https never becomes http. Writes follow none: the plugin gets the 3xx answer.`,
    '`set-cookie` is taken out of every answer; no cookie is ever kept or sent.',
    '',
    '| Layer | What it refuses |',
    '|---|---|',
    ...Object.entries(LAYER_TEXT).map(([layer, text]) => `| \`${layer}\` | ${text} |`),
    '',
    '## What is on record',
    '',
    'Each call, allowed or not, is a record of the action’s journal: rule, layer, checked address, sizes, digests and',
    'milliseconds (`GET …/actions/{id}/journal`). Intents and answers of writes, and denials, are entries of the log as',
    'well. Bodies that were let leave and bodies that the plugin read are in the attempt’s bundle, by their digests.',
    '',
    'A sandbox host with `OTEL_EXPORTER_OTLP_ENDPOINT` sends a span of each call, in the trace of its action, by',
    'OpenTelemetry’s conventions for HTTP clients: `http.request.method`, `http.response.status_code`,',
    '`http.request.body.size`, `http.response.body.size`, `server.address`, `server.port`, `network.peer.address`,',
    '`network.peer.port`, `url.scheme`, `url.full` (without the query), `url.template` (the rule’s path), `error.type` (the',
    'layer, `failed`, `open`, or the status from 400 on); and `portarium.workspace`, `.action`, `.attempt`, and',
    '`portarium.egress.` with `call`, `replayed`, `verdict`, `rule`, `layer`, `refusal`, `credential` (its id),',
    '`bytes_out`, `bytes_in`, `request_digest`, `request_body_digest`, `response_digest`, `tls_peer_key_hash`. No query, header, body or secret.',
    '',
    '## Addresses',
    '',
    'Refused unless the grant opens the network (`networks`: `"loopback"` or CIDR blocks; `portarium plugin grant NAME',
    '--network …` sets the whole list, `--no-network` empties it); those marked so can never be opened. An address that holds an IPv4 address is checked as both. The sandbox host’s own addresses are refused too.',
    '',
    '| Block | What it is | Can be opened |',
    '|---|---|---|',
    ...specialAddresses().map(
      ({ block, category, closed }) =>
        `| \`${block}\` | ${category} | ${closed ? 'never' : 'yes'} |`,
    ),
    '',
    'Every other IPv6 address outside `2000::/3` is refused as reserved, and one of any prefix that holds an IPv4',
    'address by ISATAP (RFC 5214) is checked as both.',
    '',
    '## The corpus of hostile requests',
    '',
    `${count} requests, carried out in a network namespace of its own in which every address has a listener and no route`,
    'leads out: through the broker on Bun and on Deno, and by a plugin through the whole product. None reaches a listener',
    'that was not granted, and each denial is evidence. The corpus is `plugins/hostile/requests/cases`; its tests are',
    '`requests.integration.test.ts` and `requests.e2e.test.ts` beside it.',
    '',
    'How each ends: `allowed`, `failed`, or denied by the layer that is named. “In the product” says how it ends when a',
    'plugin sends it, where that is another way: the kit of plugins, or the cell, has mended or refused it before the broker.',
    ...families.flatMap(({ title, cases }) => [
      '',
      `<details><summary>${cell(title)}: ${cases.length}</summary>`,
      '',
      ...caseTable(cases),
      '',
      '</details>',
    ]),
    '',
  ].join('\n');
}

function list(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}

function caseTable(cases: readonly AttackCase[]): string[] {
  return [
    '| Case | Request | Ends |',
    '|---|---|---|',
    ...cases.map((one) => `| ${cell(one.name)} | ${requestText(one)} | ${endText(one)} |`),
  ];
}

const LONGEST = 90;

function requestText({ requests, serve }: AttackCase): string {
  const last = requests.at(-1);
  if (!last) return '';
  const headers = last.headers.map(([name, value]) => `${name}: ${value}`).slice(0, 2);
  const location = Object.values(serve)
    .flatMap((one) => one.headers)
    .find(([name]) => name === 'location')?.[1];
  const redirect = location === undefined ? [] : [`→ ${location}`];
  const line = [`${last.method} ${last.url}`, ...headers, ...redirect].join(' · ');
  const visible = JSON.stringify(line).slice(1, -1).replaceAll('\\"', '"').replaceAll('\\\\', '\\');
  const escaped = visible.replaceAll(/[^\x20-\x7e·→]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  const short = escaped.length > LONGEST ? `${escaped.slice(0, LONGEST)}…` : escaped;
  const times = requests.length > 1 ? ` (${requests.length} calls)` : '';
  return `\`${short.replaceAll('|', '\\|').replaceAll('`', "'")}\`${times}`;
}

function endText({ expect, inProduct }: AttackCase): string {
  const text = (end: End) => (end === 'allowed' || end === 'failed' ? end : `denied: ${end}`);
  return inProduct ? `${text(expect)}; in the product ${text(inProduct)}` : text(expect);
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
