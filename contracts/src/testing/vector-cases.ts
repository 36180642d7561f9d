/**
 * Inputs of the vectors under `contracts/vectors/` and how each answer is computed. An outside
 * implementation needs the JSON files only.
 */
import * as v from 'valibot';
import { type ApprovalStatement, approvalDigest } from '../approval-statement.ts';
import { canonicalText, type JsonValue, parseStrictJson } from '../canonical-json.ts';
import { checkpointText } from '../checkpoint.ts';
import { digestOf, digestOfJson, fromHex, toHex } from '../digest.ts';
import {
  contractStatement,
  decideEgress,
  type EgressContract,
  type EgressRequest,
} from '../egress-rule.ts';
import { entryHash, leafHash } from '../evidence-entry.ts';
import { ActionIdSchema, type IdKind, makeId, uuidOf, WorkspaceIdSchema } from '../ids.ts';
import { ACTION_STATES, ACTION_TRANSITIONS, type ActionState, type Effect } from '../life-cycle.ts';
import { ManifestSchema } from '../manifest.ts';
import { inclusionProof, merkleRoot } from '../merkle.ts';
import { signPlugin } from '../plugin-signature.ts';
import { type RequestStatement, requestDigest } from '../request-digest.ts';
import { drawVersion } from '../rollout.ts';
import { signNote } from '../signed-note.ts';
import { readCanonical } from '../verify-entries.ts';
import type { Weights } from '../weights.ts';
import { honestLog, type StoryName, wholeBundle } from './honest-log.ts';
import { NEARLY_CANONICAL, type NearlyCanonical } from './refused-json.ts';
import { testKey } from './test-key.ts';

export interface Vector {
  readonly about: string;
  readonly inputs: readonly unknown[];
  readonly compute: (input: never) => Promise<unknown> | unknown;
}

const encode = (text: string) => new TextEncoder().encode(text);
const hex = (char: string) => `sha256:${char.repeat(64)}`;
const ACTION = 'act_019b76da80007000800000000000aaaa';

const statement = {
  v: 1,
  workspace: 'acme',
  action: ACTION,
  plugin: hex('a'),
  operation: 'createRefund',
  inputDigest: hex('b'),
  contractDigest: hex('c'),
  effect: 'write',
  credentials: [{ slot: 'stripe', id: 'cred_019b76da80007000800000000000bbbb', version: 3 }],
  limits: { wallMs: 5_000, memoryMiB: 32 },
  tier: 'human-approve',
  policyVersion: 7,
  executeBefore: '2026-11-23T10:00:00.000Z',
};

const rule = {
  id: 'refunds',
  methods: ['POST'],
  scheme: 'https',
  host: 'api.stripe.com',
  port: 443,
  path: '/v1/refunds/{id}',
  query: ['expand[]'],
  headers: ['content-type', 'accept'],
  contentTypes: ['application/x-www-form-urlencoded'],
};
const request = {
  method: 'POST',
  scheme: 'https',
  host: 'api.stripe.com',
  port: 443,
  path: '/v1/refunds/re_1',
  query: [],
  headers: ['content-type'],
  contentType: 'application/x-www-form-urlencoded',
};
const contract = { plugin: [rule], operator: [rule], networks: [], approval: [] };
const wide = { ...rule, host: '*.stripe.com' };
const open = { ...rule, headers: ['content-type', 'x-key'] };
const keyed = { ...open, idempotency: { header: 'X-Key', retentionHours: 24 } };
const withRules = (rules: object, change: object = {}) => ({
  contract: { ...contract, ...rules },
  effect: 'write',
  request: { ...request, ...change },
});

const manifest = {
  schema: 1,
  name: 'stripe-refunds',
  version: '1.2.0',
  licence: 'Apache-2.0',
  operations: [
    {
      name: 'createRefund',
      export: 'create_refund',
      effect: 'write',
      encoding: 'json',
      input: { type: 'object', required: ['charge'], additionalProperties: false },
      output: { type: 'object' },
      examples: [{ input: { charge: 'ch_1' }, output: { id: 're_1' } }],
    },
  ],
  egress: [{ ...rule, credential: 'stripe', maxCalls: 1, maxBytes: 65_536 }],
  credentials: [{ slot: 'stripe', kind: 'bearer', host: 'api.stripe.com' }],
  config: { currency: { type: 'string', default: 'eur' } },
  limits: { wallMs: 5_000, memoryMiB: 32 },
};

const entry =
  '{"actor":{"id":"control","kind":"system"},"artifacts":[],"data":{"name":"Acme"},"prev":null,' +
  '"seq":0,"subject":{},"time":"2026-01-01T00:00:00.000Z","trace":null,' +
  '"type":"workspace.created","v":1,"workspace":"acme"}';

/** By file name, without `.json`. */
export const VECTORS: Readonly<Record<string, Vector>> = {
  rollout: {
    about: 'The version of a plugin that a request without one gets, of versions with weights.',
    inputs: ['order-4711', ACTION, '', 'ü'].flatMap((key) =>
      [
        { '1.9.0': 90, '1.10.0': 10 },
        { '2.0.0-rc.1': 1, '2.0.0': 1, '1.0.0': 1 },
      ].map((weights) => ({ weights, draw: { workspace: 'acme', plugin: 'refunds', key } })),
    ),
    compute: ({ weights, draw }: { weights: Weights; draw: Parameters<typeof drawVersion>[1] }) =>
      drawVersion(weights, draw),
  },
  'plugin-signature': {
    about:
      'The signed note of a publisher over a plugin. The private key is public knowledge: its seed is SHA-256 of "portarium test key <publisher>".',
    inputs: ['acme', 'another-publisher'].map((publisher) => ({
      publisher,
      plugin: {
        ...{ name: 'stripe-refunds', version: '1.2.0' },
        ...{ digest: hex('a'), manifestDigest: hex('b') },
      },
    })),
    compute: async (input: { publisher: string; plugin: Parameters<typeof signPlugin>[0] }) => {
      const key = await testKey(input.publisher);
      const note = await signPlugin(input.plugin, key.name, key.privateKey, key.publicKey);
      return { verifierKey: key.verifierKey, note };
    },
  },
  ids: {
    about: 'Ids from a time and ten random bytes, and the UUID that databases store.',
    inputs: [
      { kind: 'action', timeMs: 0, random: '00000000000000000000' },
      { kind: 'attempt', timeMs: 1_767_225_600_000, random: 'ffffffffffffffffffff' },
      { kind: 'credential', timeMs: 281_474_976_710_655, random: '0123456789abcdef0123' },
    ],
    compute: (input: { kind: IdKind; timeMs: number; random: string }) => {
      const id = makeId(input.kind, input.timeMs, fromHex(input.random));
      return { id, uuid: uuidOf(id) };
    },
  },
  'id-forms': {
    about: 'Which texts are action ids and which are workspace ids that a person may choose.',
    inputs: [
      ACTION,
      ACTION.toUpperCase(),
      ACTION.slice(4),
      'act_019b76da80004000800000000000aaaa',
      'act_019b76da80007000c00000000000aaaa',
      'acme',
      'a',
      '_instance',
      'acme_1',
      'a'.repeat(39),
      'a'.repeat(40),
    ],
    compute: (text: string) => ({
      action: v.safeParse(ActionIdSchema, text).success,
      workspace: v.safeParse(WorkspaceIdSchema, text).success,
    }),
  },
  digests: {
    about: 'SHA-256 of bytes (given as hexadecimal) in the form that JSON holds.',
    inputs: ['', '616263', '00'.repeat(64)],
    compute: (text: string) => digestOf(fromHex(text)),
  },
  'canonical-json': {
    about: 'JSON text, its canonical form (RFC 8785) and digest; null where there is none.',
    inputs: [
      '{"b":1,"a":[1.0,2e2,-0,"\\u20ac\\u000f"],"":null}',
      '{"\\u20ac":1,"\\r":2,"1":3,"\\ud83d\\ude00":4,"\\ufb33":5}',
      '[333333333.33333329,1e-27,4.50,2e-3]',
      '9007199254740991',
      '9007199254740992',
      '1e400',
      '{"a":1,"a":1}',
      '{"a":1,"\\u0061":2}',
      '"\\ud800"',
      '{"\\udc00":1}',
      '[1,]',
      '',
      'NaN',
      `${'['.repeat(64)}${']'.repeat(64)}`,
      `${'['.repeat(65)}${']'.repeat(65)}`,
    ],
    compute: async (text: string) => {
      try {
        const value = parseStrictJson(text);
        return { canonical: canonicalText(value), digest: await digestOfJson(value) };
      } catch {
        return null;
      }
    },
  },
  'canonical-json-bytes': {
    about:
      'Bytes (hexadecimal), and whether they are the canonical JSON of a value: fatal UTF-8, no key twice, and what is parsed has those bytes again.',
    inputs: NEARLY_CANONICAL,
    compute: ({ bytes }: NearlyCanonical) => readCanonical(fromHex(bytes)).ok,
  },
  'approval-digest': {
    about: 'SHA-256 of "portarium/approval/v1\\n" and the canonical approval statement.',
    inputs: [statement, { ...statement, credentials: [] }, { ...statement, policyVersion: 8 }],
    compute: (input: ApprovalStatement) => approvalDigest(input),
  },
  'request-digest': {
    about: 'The digest of an egress request in the journal, before a credential is injected.',
    inputs: [
      {
        method: 'POST',
        url: 'https://api.stripe.com/v1/refunds',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', Accept: '*/*' },
        bodyDigest: hex('a'),
        rule: 'refunds',
      },
      { method: 'GET', url: 'https://example.com/', headers: {}, bodyDigest: null, rule: null },
    ],
    compute: (input: RequestStatement) => requestDigest(input),
  },
  'contract-digest': {
    about: 'SHA-256 of the canonical [plugin rules, operator rules, networks, approval rules].',
    inputs: [
      contract,
      { ...contract, networks: ['loopback'] },
      { ...contract, operator: [] },
      { ...contract, operator: [{ ...rule, maxPerMinute: 60 }] },
    ],
    compute: (input: EgressContract) => digestOfJson(contractStatement(input)),
  },
  'life-cycle': {
    about: 'Each state of an action and the states that may follow it.',
    inputs: ACTION_STATES,
    compute: (state: ActionState) => ACTION_TRANSITIONS[state],
  },
  egress: {
    about: 'Requests against a contract, and the layer that refuses each; null when allowed.',
    inputs: [
      {},
      { method: 'GET' },
      { host: 'api.stripe.com.' },
      { host: 'api.stripe.com.evil.com' },
      { scheme: 'http' },
      { port: 8_443 },
      { path: '/v1/refunds/' },
      { path: '/v1/refunds/a/b' },
      { path: '/v1/refunds/%2e%2e' },
      { path: '/v1/refunds/a%2fb' },
      { path: '/v1/refunds/a;b' },
      { path: '/v1//refunds' },
      { query: [['expand[]', 'charge']] },
      { query: [['limit', '3']] },
      { headers: ['authorization'] },
      { headers: ['host'] },
      { contentType: 'application/json' },
      { contentType: 'Application/X-WWW-Form-URLEncoded; charset=utf-8' },
    ]
      .map((change) => withRules({}, change))
      .concat(
        // The first rule of the plugin asks for what nobody grants, the second agrees with the operator's.
        withRules({ plugin: [{ ...rule, id: 'secretly', credential: 'stripe' }, rule] }),
        withRules({ plugin: [{ ...rule, credential: 'stripe' }] }),
        withRules({ plugin: [wide], operator: [wide] }, { host: 'api.stripe.com' }),
        withRules({ plugin: [wide], operator: [wide] }, { host: 'api..stripe.com' }),
        withRules({ plugin: [keyed], operator: [keyed] }, { headers: ['x-key'] }),
        withRules({ plugin: [keyed], operator: [keyed, open] }, { headers: ['x-key'] }),
      ),
    compute: (input: { contract: EgressContract; effect: Effect; request: EgressRequest }) => {
      const decision = decideEgress(input.contract, input.effect, input.request);
      return decision.allowed ? null : decision.layer;
    },
  },
  manifest: {
    about: 'plugin.json documents, and the field of the first fault; null when there is none.',
    inputs: [
      manifest,
      { schema: 1, name: 'a1', version: '0.1.0', operations: manifest.operations },
      { ...manifest, schema: 2 },
      { ...manifest, name: 'Stripe' },
      { ...manifest, version: '1.2' },
      { ...manifest, operations: [] },
      { ...manifest, operations: [...manifest.operations, ...manifest.operations] },
      { ...manifest, egress: [{ ...rule, host: '*.com' }] },
      { ...manifest, egress: [{ ...rule, path: '/a/../b' }] },
      { ...manifest, egress: [{ ...rule, headers: ['host'] }] },
      { ...manifest, limits: { wallMs: 900_001 } },
      { ...manifest, unknown: true },
    ],
    compute: (input: unknown) => {
      const parsed = v.safeParse(ManifestSchema, input);
      return parsed.success ? null : (v.getDotPath(parsed.issues[0]) ?? '');
    },
  },
  'entry-hash': {
    about: 'Exact text of an entry and its hash: SHA-256 of the byte 00 and its UTF-8 bytes.',
    inputs: ['', entry],
    compute: (text: string) => entryHash(encode(text)),
  },
  merkle: {
    about: 'Entries (hexadecimal), the root over them and the inclusion proof of the last one.',
    inputs: [
      [],
      [''],
      ['', '00'],
      ['', '00', '10', '2021', '3031', '40414243', '5051525354555657'],
    ],
    compute: async (entries: string[]) => {
      const leaves = await Promise.all(entries.map((text) => leafHash(fromHex(text))));
      const proof = leaves.length === 0 ? [] : await inclusionProof(leaves, leaves.length - 1);
      return { root: toHex(await merkleRoot(leaves)), proof: proof.map(toHex) };
    },
  },
  checkpoint: {
    about:
      'Checkpoints signed with the key whose Ed25519 seed is the SHA-256 of "portarium test key " and the origin.',
    inputs: [
      {
        origin: 'test/acme',
        size: 0,
        root: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      },
      {
        origin: 'test/acme',
        size: 1,
        root: '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      },
    ],
    compute: async (input: { origin: string; size: number; root: string }) => {
      const key = await testKey(input.origin);
      const text = checkpointText({ ...input, root: fromHex(input.root) });
      const note = await signNote(text, key.name, key.privateKey, key.publicKey);
      return { note, verifierKey: key.verifierKey };
    },
  },
  bundle: {
    about: 'The digest of the whole bundle (tar) of a log that tells these stories.',
    inputs: [
      ['succeeded'],
      ['takenOver', 'failed', 'denied', 'approved', 'byHand', 'open'],
      ['approvedWrite', 'sentAgain', 'voided'],
    ],
    compute: async (names: StoryName[]) => digestOf(await wholeBundle(await honestLog(names))),
  },
};

/** The file as it should be. */
export async function vectorFile(vector: Vector): Promise<{ about: string; cases: JsonValue[] }> {
  const cases: JsonValue[] = [];
  for (const input of vector.inputs) {
    cases.push({ input, expected: await vector.compute(input as never) } as JsonValue);
  }
  return JSON.parse(JSON.stringify({ about: vector.about, cases })) as {
    about: string;
    cases: JsonValue[];
  };
}
