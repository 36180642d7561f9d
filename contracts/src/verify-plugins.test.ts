import { expect, test } from 'bun:test';
import { parse } from 'valibot';
import { buildBundle } from './bundle.ts';
import { canonicalBytes } from './canonical-json.ts';
import {
  type GrowthStatement,
  GrowthStatementSchema,
  growthDigest,
  growthOf,
} from './contract-growth.ts';
import { type Digest, digestOf } from './digest.ts';
import { type Manifest, ManifestSchema } from './manifest.ts';
import { checkpointAt, INSTANCE, logKey, WORKSPACE } from './testing/honest-log.ts';
import { type Draft, LogBuilder } from './testing/log-builder.ts';
import { verifyBundle } from './verify-bundle.ts';

/** Each log here is chained, counted and signed as if it were true: only its entries and manifests contradict. */
const key = await logKey();
const rule = {
  ...{ id: 'read', methods: ['GET'], scheme: 'https', host: 'api.example.com', port: 443 },
  path: '/v1/things',
};

const manifestOf = (version: string, hosts: readonly string[]): Manifest =>
  parse(ManifestSchema, {
    ...{ schema: 1, name: 'things', version, description: 'd', licence: 'Apache-2.0' },
    operations: [
      {
        ...{ name: 'look', export: 'look', effect: 'read', encoding: 'json' },
        ...{ input: { type: 'object' }, output: { type: 'object' }, examples: [] },
      },
    ],
    egress: hosts.map((host, i) => ({ ...rule, id: i === 0 ? 'read' : `read-${i}`, host })),
  });

interface Version {
  readonly version: string;
  readonly digest: Digest;
  readonly manifestDigest: Digest;
  readonly manifest: Manifest;
}

const artifacts = new Map<Digest, Uint8Array>();
async function versionOf(version: string, hosts: readonly string[]): Promise<Version> {
  const manifest = manifestOf(version, hosts);
  const bytes = canonicalBytes(manifest);
  const manifestDigest = await digestOf(bytes);
  artifacts.set(manifestDigest, bytes);
  const digest = await digestOf(new TextEncoder().encode(`module ${version}`));
  return { version, digest, manifestDigest, manifest };
}

const one = await versionOf('1.0.0', ['api.example.com']);
const same = await versionOf('1.1.0', ['api.example.com']);
const wider = await versionOf('2.0.0', ['api.example.com', 'other.example.com']);
const wide = await versionOf('2.1.0', ['api.example.com', 'other.example.com']);

const admitted = ({ version, digest, manifestDigest }: Version): Draft => ({
  ...{ type: 'plugin.admitted', subject: { plugin: digest } },
  data: { name: 'things', version, manifestDigest },
  artifacts: [
    {
      ...{ digest: manifestDigest, bytes: artifacts.get(manifestDigest)?.length ?? 0 },
      ...({ mediaType: 'application/json', retention: 'compliance' } as const),
    },
  ],
});

const namesOf = ({ version, digest, manifestDigest }: Version) => ({
  ...{ version, digest, manifestDigest },
});

async function told(
  type: 'approval-requested' | 'endorsed' | 'approved' | 'denied',
  version: Version,
  more: {
    readonly from?: Version;
    readonly by?: string;
    readonly lie?: object;
    quorum?: number;
  } = {},
): Promise<Draft> {
  const { from = one, by = 'ada', lie = {}, quorum = 1 } = more;
  const growth = growthOf(from.manifest, version.manifest);
  const statement: GrowthStatement = parse(GrowthStatementSchema, {
    ...{ v: 1, workspace: WORKSPACE, plugin: 'things', ...namesOf(version) },
    ...{ from: namesOf(from), growth },
  });
  const data = {
    ...{ name: 'things', version: version.version, from: namesOf(from), quorum },
    growthDigest: await growthDigest(statement),
  };
  const asked = {
    growth: growth.map(({ kind, name }) => `${kind} ${name}`),
    roles: ['approver'],
  };
  return {
    ...{ type: `plugin.${type}`, subject: { plugin: version.digest } },
    data: {
      ...data,
      ...(type === 'approval-requested' ? asked : { by, rationale: 'seen' }),
      ...lie,
    },
  };
}

const quarantined = (type: 'quarantined' | 'quarantine-lifted', version: Version): Draft => ({
  ...{ type: `plugin.${type}`, subject: { plugin: version.digest } },
  data: {
    ...{ name: 'things', version: version.version, by: 'ada', rationale: 'odd' },
    ...(type === 'quarantined' ? { cause: 'hand' } : {}),
  },
});

/** Time passes: what stands behind it is surely later. */
/** Longer than any request is under way. */
const PAUSE_MS = 11 * 60_000;
const pause: Draft = { type: 'policy.activated', subject: {}, data: {} };

function run(log: LogBuilder, version: Version): readonly Draft[] {
  const action = log.id('action');
  return [
    {
      ...{ type: 'action.requested', subject: { action, plugin: version.digest } },
      data: {
        ...{ operation: 'look', effect: 'read', plugin: 'things', version: version.version },
        ...{ inputDigest: one.digest, contractDigest: one.digest },
      },
    },
    {
      ...{ type: 'policy.decided', subject: { action } },
      data: { decision: 'deny', policyVersion: 1, policies: [], reasons: [] },
    },
  ];
}

async function verify(
  story: (log: LogBuilder) => readonly (Draft | Promise<Draft>)[],
  options: { readonly kept?: ReadonlyMap<Digest, Uint8Array> } = {},
) {
  const log = new LogBuilder(WORKSPACE);
  let later = 0;
  for (const draft of story(log)) {
    const given = await draft;
    if (given === pause) later += PAUSE_MS;
    const at = Date.parse('2027-01-01T00:00:00.000Z') + log.entries.length + later;
    await log.append({ ...given, time: new Date(at).toISOString() });
  }
  const bundle = await buildBundle({
    ...{ instance: INSTANCE, workspace: WORKSPACE, asked: {}, entries: log.entries },
    checkpoint: await checkpointAt(log, log.entries.length, key),
    ...{ verifierKeys: [key.verifierKey], artifacts: options.kept ?? artifacts },
    modules: new Map(),
  });
  const report = await verifyBundle(bundle, { pin: key.verifierKey });
  return { verdict: report.verdict, rules: report.findings.map(({ rule: name }) => name) };
}

const honest = { verdict: 'verified' as const, rules: [] as string[] };

test('versions that were admitted, and agreed to where they grew, may run', async () => {
  const story = async (log: LogBuilder) => [
    ...[admitted(one), ...run(log, one), admitted(same), ...run(log, same)],
    ...[admitted(wider), await told('approval-requested', wider, { from: same, quorum: 2 })],
    await told('endorsed', wider, { from: same, quorum: 2, by: 'eve' }),
    await told('approved', wider, { from: same, quorum: 2 }),
    ...[...run(log, wider), admitted(wide), ...run(log, wide)],
    ...[
      quarantined('quarantined', wide),
      ...run(log, same),
      quarantined('quarantine-lifted', wide),
    ],
    ...[pause, ...run(log, wide)],
  ];
  const log = new LogBuilder(WORKSPACE);
  const drafts = await story(log);
  expect(await verify(() => drafts)).toEqual(honest);
});

test('a version that nobody admitted is found', async () => {
  expect((await verify((log) => run(log, one))).rules).toEqual(['version.admitted']);
  const other = { ...one, digest: same.digest };
  const found = await verify((log) => [admitted(one), admitted(same), ...run(log, other)]);
  expect(found.rules).toEqual(['version.digest']);
  const twice = await verify(() => [admitted(one), admitted({ ...one, digest: same.digest })]);
  expect(twice.rules).toEqual(['version.again']);
});

test('a version that grew and was not asked about, not decided, or denied, is found when it runs', async () => {
  const unasked = await verify((log) => [admitted(one), admitted(wider), ...run(log, wider)]);
  expect(unasked).toEqual({ verdict: 'falsified', rules: ['version.approved'] });
  const asked = [admitted(one), admitted(wider), told('approval-requested', wider)];
  expect((await verify(() => asked)).verdict).toBe('verified');
  expect((await verify((log) => [...asked, ...run(log, wider)])).rules).toEqual([
    'version.approved',
  ]);
  const denied = [...asked, told('denied', wider)];
  expect((await verify(() => denied)).verdict).toBe('verified');
  expect((await verify((log) => [...denied, ...run(log, wider)])).rules).toEqual([
    'version.approved',
  ]);
  const late = await verify(() => [...denied, told('approved', wider, { by: 'eve' })]);
  expect(late.rules).toEqual(['version.approved']);
});

test('growth that is told otherwise than the manifests give it is found', async () => {
  const asked = told('approval-requested', wider);
  const start = [admitted(one), admitted(wider)];
  const growth = { growth: ['rule-added read'] };
  const lied = await verify(() => [...start, told('approval-requested', wider, { lie: growth })]);
  expect(lied.rules).toEqual(['version.growth']);
  const lie = { growthDigest: one.digest };
  const other = await verify(() => [...start, asked, told('approved', wider, { lie })]);
  expect(other.rules).toEqual(['version.growth']);
  const from = { from: { ...namesOf(one), digest: same.digest } };
  const compared = await verify(() => [...start, asked, told('approved', wider, { lie: from })]);
  expect(compared.rules).toContain('version.agrees');
  const module = { ...wider, digest: same.digest };
  const moved = await verify(() => [...start, asked, told('approved', module)]);
  expect(moved.rules).toContain('version.agrees');
});

test('fewer people than had to agree, or one who agreed twice, are found', async () => {
  const start = [admitted(one), admitted(wider), told('approval-requested', wider, { quorum: 2 })];
  const few = await verify(() => [...start, told('approved', wider, { quorum: 2 })]);
  expect(few.rules).toEqual(['version.quorum']);
  const twice = await verify(() => [
    ...[...start, told('endorsed', wider, { quorum: 2 })],
    told('approved', wider, { quorum: 2 }),
  ]);
  expect(twice.rules).toEqual(['version.quorum', 'version.quorum']);
});

test('a version that is quarantined for a while and runs is found', async () => {
  const start = [admitted(one), quarantined('quarantined', one)];
  expect((await verify((log) => [...start, ...run(log, one)])).verdict).toBe('verified');
  const found = await verify((log) => [...start, pause, ...run(log, one)]);
  expect(found.rules).toEqual(['version.quarantined']);
});

test('without the manifests nothing is said of growth, and nothing is verified', async () => {
  const story = [admitted(one), admitted(wider), told('approval-requested', wider)];
  const kept = new Map<Digest, Uint8Array>();
  expect(await verify(() => story, { kept })).toEqual({
    ...{ verdict: 'incomplete', rules: ['version.omitted'] },
  });
});
