import { expect, test } from 'bun:test';
import { buildBundle } from './bundle.ts';
import { type Digest, digestOf } from './digest.ts';
import { signPlugin } from './plugin-signature.ts';
import { drawVersion } from './rollout.ts';
import { checkpointAt, INSTANCE, logKey, WORKSPACE } from './testing/honest-log.ts';
import { type Draft, LogBuilder } from './testing/log-builder.ts';
import { testKey } from './testing/test-key.ts';
import { verifyBundle } from './verify-bundle.ts';

const key = await logKey();
const acme = await testKey('acme');
const mallory = await testKey('mallory');
const digest = (char: string): Digest => `sha256:${char.repeat(64)}`;
const PLUGIN = {
  name: 'refunds',
  version: '1.0.0',
  digest: digest('a'),
  manifestDigest: digest('b'),
};
const by = 'ada';

async function rules(drafts: readonly Draft[], publishers?: readonly string[]) {
  const log = new LogBuilder(WORKSPACE);
  for (const draft of drafts) await log.append(draft);
  const bundle = await buildBundle({
    ...{ instance: INSTANCE, workspace: WORKSPACE, asked: {}, entries: log.entries },
    checkpoint: await checkpointAt(log, log.entries.length, key),
    ...{ verifierKeys: [key.verifierKey], artifacts: new Map(), modules: new Map() },
  });
  const report = await verifyBundle(bundle, { pin: key.verifierKey, publishers });
  const found = report.findings.map(({ rule }) => rule);
  return { verdict: report.verdict, found, signed: report.signedVersions };
}

type TestKey = typeof acme;
const trusted = async (one: TestKey): Promise<Draft> => ({
  ...{ type: 'publisher.trusted', subject: {} },
  data: {
    ...{ publisher: one.name, fingerprint: await digestOf(one.publicKey) },
    ...{ verifierKey: one.verifierKey, by },
  },
});
const revoked = async (one: TestKey): Promise<Draft> => ({
  ...{ type: 'publisher.revoked', subject: {} },
  data: {
    ...{ publisher: one.name, fingerprint: await digestOf(one.publicKey) },
    ...{ by, versions: 'keep', rationale: 'lost' },
  },
});
async function admitted(
  one: TestKey | undefined,
  lie: object = {},
  of = PLUGIN,
  version = PLUGIN.version,
): Promise<Draft> {
  const { name, manifestDigest } = PLUGIN;
  const signature = one && {
    ...{ publisher: one.name, fingerprint: await digestOf(one.publicKey) },
    verifierKey: one.verifierKey,
    note: await signPlugin(of, one.name, one.privateKey, one.publicKey),
    ...lie,
  };
  return {
    ...{ type: 'plugin.admitted', subject: { plugin: PLUGIN.digest } },
    data: { name, version, manifestDigest, ...(signature ? { signature } : {}) },
  };
}

test('a signature on record verifies by the key that the log trusted then', async () => {
  const story = [await trusted(acme), await admitted(acme), await revoked(acme)];
  expect(await rules(story)).toEqual({ verdict: 'verified', found: [], signed: 1 });
  expect(await rules(story, [acme.verifierKey])).toMatchObject({ verdict: 'verified', signed: 1 });
  const unsigned = await admitted(undefined, {}, PLUGIN, '1.1.0');
  const strict = await rules([...story, unsigned], [acme.verifierKey]);
  expect(strict).toMatchObject({ verdict: 'incomplete', found: ['signature.publisher'] });
  const other = await rules(story, [mallory.verifierKey]);
  expect(other).toMatchObject({ verdict: 'incomplete', found: ['signature.publisher'] });
});

test('a Control Plane that puts a signature on record which is none is found out', async () => {
  const t = await trusted(acme);
  const cases: [string, Draft[]][] = [
    ['signature.untrusted', [await admitted(acme)]],
    ['signature.untrusted', [t, await revoked(acme), await admitted(acme)]],
    ['signature.untrusted', [await trusted(mallory), await admitted(acme)]],
    ['signature.mismatch', [t, await admitted(acme, {}, { ...PLUGIN, digest: digest('c') })]],
    [
      'signature.mismatch',
      [t, await admitted(acme, {}, { ...PLUGIN, manifestDigest: digest('c') })],
    ],
    ['signature.mismatch', [t, await admitted(acme, {}, { ...PLUGIN, version: '0.9.0' })]],
    ['signature.key', [t, await admitted(acme, { publisher: 'other' })]],
    ['signature.key', [t, await admitted(acme, { verifierKey: mallory.verifierKey })]],
    ['signature.key', [t, await admitted(acme, { verifierKey: 'x' })]],
    ['signature.malformed', [t, await admitted(acme, { note: '' })]],
  ];
  for (const [rule, story] of cases) {
    expect(await rules(story)).toEqual({ verdict: 'falsified', found: [rule], signed: 0 });
  }
});

test('a revoked key that is trusted again, a demand that is passed over, and a version that changes are found out', async () => {
  const t = await trusted(acme);
  const demand = (signature: string): Draft => ({
    ...{ type: 'plugin-rules.changed', subject: {} },
    data: { signature, quarantineAfter: 5, crashWindowMs: 600_000, revision: 1 },
  });
  const none = await admitted(undefined);
  const cases: [string[], Draft[]][] = [
    [['publisher.again'], [t, await revoked(acme), t, await admitted(acme)]],
    [['signature.required'], [demand('required'), none]],
    [[], [demand('required'), t, await admitted(acme)]],
    [[], [demand('required'), demand('optional'), none]],
    [['version.again'], [none, { ...none, subject: { plugin: digest('f') } }]],
  ];
  for (const [found, story] of cases) expect((await rules(story)).found).toEqual(found);
});

/** Somebody gave weights to the versions of `refunds`. */
const chosen = (weights: object): Draft => ({
  ...{ type: 'plugin.current-set', subject: { plugin: PLUGIN.digest } },
  data: {
    ...{ name: 'refunds', version: '1.1.0', before: '1.0.0', weights, revision: 1 },
    ...{ by, rationale: 'a test' },
  },
});

test('an action whose module or weights are not those of its version and its choice is found out', async () => {
  const log = new LogBuilder(WORKSPACE);
  const action = log.id('action');
  const given = { '1.0.0': 1, '1.1.0': 9 };
  const asked = (plugin: Digest, rollout?: object): Draft => ({
    ...{ type: 'action.requested', subject: { action, plugin } },
    data: {
      ...{ operation: 'look', effect: 'read', plugin: 'refunds', version: '1.0.0' },
      ...{ inputDigest: digest('d'), contractDigest: digest('e'), idempotencyKey: 'order-1' },
      ...(rollout === undefined ? {} : { rollout }),
    },
  });
  const denied: Draft = {
    ...{ type: 'policy.decided', subject: { action } },
    data: { decision: 'deny', policyVersion: 1, policies: [], reasons: [] },
  };
  const before = [await admitted(undefined), chosen(given)];
  const found = async (draft: Draft) => (await rules([...before, draft, denied])).found;
  expect(await found(asked(PLUGIN.digest))).toEqual([]);
  expect(await found(asked(digest('f')))).toEqual(['version.digest']);
  // 1.1.0 may be quarantined; other weights nobody gave.
  const drawn = (weights: object) => asked(PLUGIN.digest, { weights, revision: 1 });
  expect(await found(drawn({ '1.0.0': 1 }))).toEqual([]);
  expect(await found(drawn({ '1.0.0': 9 }))).toEqual(['rollout.weights']);
  const unheard = asked(PLUGIN.digest, { weights: { '1.0.0': 1 }, revision: 2 });
  expect(await found(unheard)).toEqual(['rollout.weights']);
});

test('a version that the weights on record do not give is found out', async () => {
  const weights = { '1.0.0': 1, '1.1.0': 1 };
  const log = new LogBuilder(WORKSPACE);
  const action = log.id('action');
  const draw = { workspace: WORKSPACE, plugin: 'refunds', key: 'order-1' };
  const right = await drawVersion(weights, draw);
  const asked = (version: string): Draft => ({
    ...{ type: 'action.requested', subject: { action, plugin: PLUGIN.digest } },
    data: {
      ...{ operation: 'look', effect: 'read', plugin: 'refunds', version },
      ...{ inputDigest: digest('d'), contractDigest: digest('e'), idempotencyKey: 'order-1' },
      rollout: { weights, revision: 1 },
    },
  });
  const denied: Draft = {
    ...{ type: 'policy.decided', subject: { action } },
    data: { decision: 'deny', policyVersion: 1, policies: [], reasons: [] },
  };
  const before = [await admitted(undefined), chosen(weights)];
  expect((await rules([...before, asked(right), denied])).found).toEqual([]);
  const wrong = right === '1.0.0' ? '1.1.0' : '1.0.0';
  expect((await rules([...before, asked(wrong), denied])).found).toEqual(['rollout.draw']);
});
