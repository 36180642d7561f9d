import { expect, test } from 'bun:test';
import { buildBundle } from './bundle.ts';
import { canonicalBytes } from './canonical-json.ts';
import { digestOf } from './digest.ts';
import { writeTar } from './tar.ts';
import {
  actionBundle,
  checkpointAt,
  honestLog,
  INSTANCE,
  logKey,
  STORIES,
  type StoryName,
  WORKSPACE,
  wholeBundle,
} from './testing/honest-log.ts';
import { type Draft, LogBuilder } from './testing/log-builder.ts';
import { entriesOf, filesOf, pack, rewritten, withEntries } from './testing/repackage.ts';
import { verifyBundle } from './verify-bundle.ts';
import type { Finding, VerifyReport } from './verify-report.ts';

const key = await logKey();
const pin = key.verifierKey;
const honest = await honestLog();
const size = honest.log.entries.length;
const whole = await wholeBundle(honest);
const encoder = new TextEncoder();

const rules = (findings: readonly Finding[]) => findings.map(({ rule }) => rule);

test('an honest bundle of a whole log verifies under the pinned key', async () => {
  const report = await verifyBundle(whole, { pin });
  expect(report).toEqual({
    verdict: 'verified',
    exitCode: 0,
    entries: size,
    unsigned: 0,
    checkpoint: { origin: 'test/acme', size },
    signedBy: pin.split('+').slice(0, 2).join('+'),
    findings: [],
    actions: STORIES.length,
    openActions: 1,
    partialActions: 0,
    told: expect.objectContaining({ people: 2, attempts: expect.any(Number) }),
    artifacts: { included: honest.artifacts.size, omitted: 1, disposed: 0 },
    modules: 2,
    signedVersions: 0,
  });
});

test('the same log gives the same bundle', async () => {
  expect(await wholeBundle(await honestLog())).toEqual(whole);
});

test('an honest bundle of one action verifies, and holds no neighbour', async () => {
  for (const action of honest.actions) {
    const bundle = await actionBundle(honest, action);
    const verdict = action === honest.actions.at(-1) ? 'incomplete' : 'verified';
    expect(await verifyBundle(bundle, { pin })).toMatchObject({ verdict, actions: 1 });
    const text = new TextDecoder().decode(bundle);
    for (const other of honest.actions) expect(text.includes(other)).toBe(other === action);
  }
});

test('a log of more than one tile verifies, signed within any of them', async () => {
  const names = Array.from({ length: 90 }, (_, i): StoryName => (i % 2 ? 'approved' : 'failed'));
  const large = await honestLog(names);
  expect(large.log.entries.length).toBeGreaterThan(512);
  for (const signed of [0, 1, 255, 256, 257, 511, 512, large.log.entries.length]) {
    const bundle = await wholeBundle(large, signed);
    const report = await verifyBundle(bundle, { pin, allowUnsigned: true });
    expect(report).toMatchObject({ verdict: 'verified', findings: [] });
    expect(report.unsigned).toBe(large.log.entries.length - signed);
  }
  const action = large.actions[60] ?? '';
  const report = await verifyBundle(await actionBundle(large, action, 512), { pin });
  expect(report).toMatchObject({ verdict: 'verified', findings: [] });
});

test('without a pin a consistent bundle is unpinned, never verified', async () => {
  expect(await verifyBundle(whole)).toMatchObject({ verdict: 'unpinned', exitCode: 3 });
});

test('a bundle without a checkpoint is unpinned without a pin and falsified with one', async () => {
  const files = filesOf(whole);
  files.delete('log/checkpoint');
  for (const path of files.keys()) if (/^log\/tile\/\d/.test(path)) files.delete(path);
  const bare = await pack(files);
  expect(await verifyBundle(bare)).toMatchObject({ verdict: 'unpinned', unsigned: size });
  const report = await verifyBundle(bare, { pin });
  expect(report.exitCode).toBe(1);
  expect(rules(report.findings)).toEqual(['checkpoint.missing']);
});

test('a changed entry is named, whatever else the change breaks', async () => {
  for (const seq of [0, 5, size - 1]) {
    const files = filesOf(whole);
    const entries = entriesOf(files);
    const text = new TextDecoder().decode(entries[seq]);
    entries[seq] = encoder.encode(text.replace('2026-01-01', '2026-01-02'));
    const report = await verifyBundle(await withEntries(files, entries, false), { pin });
    expect(report.verdict).toBe('falsified');
    expect(report.findings[0]).toMatchObject({ rule: 'log.leaf', seq });
  }
});

test('entries that are not canonical, not UTF-8 or not entries are named', async () => {
  const cases: [string, (text: string) => Uint8Array][] = [
    ['entry.canonical', (text) => encoder.encode(text.replace('{"', '{ "'))],
    ['entry.canonical', (text) => encoder.encode(text.replace('{', '{"v":1,'))],
    ['entry.canonical', (text) => encoder.encode(`\ufeff${text}`)],
    ['entry.canonical', (text) => encoder.encode(text.slice(1))],
    ['entry.canonical', (text) => encoder.encode(text.replace('"v":1', '"v":1.0'))],
    ['entry.canonical', (text) => encoder.encode(text.replace('"v":1', '"v":9007199254740993'))],
    ['entry.canonical', (text) => encoder.encode(text.replace('"listRefunds"', '"\\ud800"'))],
    ['entry.utf8', (text) => new Uint8Array([...encoder.encode(text), 0xff])],
    ['entry.schema', (text) => encoder.encode(text.replace('"v":1', '"v":2'))],
    ['entry.schema', (text) => encoder.encode(text.replace('"v":1', '"v":1,"w":1'))],
    ['entry.data', (text) => encoder.encode(text.replace('"effect":"read"', '"effect":"reed"'))],
    ['entry.time', (text) => encoder.encode(text.replace('2026-01-01T', '2026-13-01T'))],
  ];
  for (const [rule, change] of cases) {
    const files = filesOf(whole);
    const entries = entriesOf(files);
    entries[2] = change(new TextDecoder().decode(entries[2]));
    const report = await verifyBundle(await withEntries(files, entries, true), { pin });
    expect(report.findings[0]).toMatchObject({ rule, seq: 2 });
  }
});

test('an older checkpoint finds a log that was cut, forked or rewritten', async () => {
  const since = await checkpointAt(honest.log, 10, key);
  expect(await verifyBundle(whole, { pin, since })).toMatchObject({ verdict: 'verified' });
  const cut = await honestLog(['succeeded']);
  const older = await wholeBundle(cut, cut.log.entries.length);
  const report = await verifyBundle(older, { pin, since });
  expect(report).toMatchObject({ verdict: 'incomplete', exitCode: 1 });
  expect(report.findings).toMatchObject([
    { rule: 'since.size', message: expect.stringContaining('older than that, or its end was cut') },
  ]);
  const other = await honestLog(['denied', 'failed', 'succeeded', 'approved']);
  const forked = await verifyBundle(await wholeBundle(other), { pin, since });
  expect(rules(forked.findings)).toEqual(['since.root']);
  const same = await checkpointAt(honest.log, other.log.entries.length, key);
  const fork = await verifyBundle(await wholeBundle(other), { pin, since: same });
  expect(rules(fork.findings)).toEqual(['since.root']);
});

test('an older checkpoint that is none, or is signed by somebody else, is unreadable', async () => {
  for (const since of ['', 'nonsense', 'a\n1\nb\n\n— a AAAAAAE=\n']) {
    const report = await verifyBundle(whole, { pin, since });
    expect(report).toMatchObject({ verdict: 'unreadable', exitCode: 2 });
  }
  const bundle = await actionBundle(honest, honest.actions[0] ?? '');
  const since = await checkpointAt(honest.log, 10, key);
  const report = await verifyBundle(bundle, { pin, since });
  expect(report.findings[0]?.message).toContain('export without --action');
});

test('what is no bundle is unreadable, and nothing throws', async () => {
  const files = filesOf(whole);
  files.delete('manifest.json');
  const withoutManifest = writeTar([...files].map(([path, bytes]) => ({ path, bytes })));
  const odd = writeTar([{ path: 'manifest.json', bytes: encoder.encode('{"v":1}') }]);
  const text = writeTar([{ path: 'manifest.json', bytes: encoder.encode('[') }]);
  for (const tar of [new Uint8Array(), encoder.encode('x'), withoutManifest, odd, text]) {
    expect(await verifyBundle(tar, { pin })).toMatchObject({ verdict: 'unreadable', exitCode: 2 });
  }
  const report = await verifyBundle(whole, { pin: 'nonsense' });
  expect(report.findings[0]?.rule).toBe('pin.malformed');
});

test('a bundle of one action that claims another, or hides one, is falsified', async () => {
  const files = filesOf(await actionBundle(honest, honest.actions[0] ?? ''));
  const manifest = JSON.parse(new TextDecoder().decode(files.get('manifest.json')));
  manifest.asked = { action: honest.actions[1] };
  files.set('manifest.json', canonicalBytes(manifest));
  const report = await verifyBundle(await pack(files), { pin });
  expect(rules(report.findings)).toContain('bundle.asked');
});

test('files that no bundle holds, and artifacts that no entry names, are findings', async () => {
  const files = filesOf(whole);
  files.set('extra.sh', encoder.encode('rm -rf'));
  files.set(`artifacts/sha256/${'0'.repeat(64)}`, encoder.encode('x'));
  const bytes = encoder.encode('stray');
  files.set(`artifacts/sha256/${(await digestOf(bytes)).slice(7)}`, bytes);
  const report = await verifyBundle(await pack(files), { pin });
  expect(rules(report.findings).sort()).toEqual([
    'artifact.digest',
    'artifact.unnamed',
    'bundle.layout',
  ]);
});

/** Verifies a log of one action with this story, properly chained and signed. */
async function reportOn(drafts: Omit<Draft, 'subject'>[]): Promise<VerifyReport> {
  const log = new LogBuilder(WORKSPACE);
  const action = log.id('action');
  for (const draft of drafts) await log.append({ ...draft, subject: { action } });
  return verifyBundle(
    await buildBundle({
      instance: INSTANCE,
      workspace: WORKSPACE,
      asked: {},
      entries: log.entries,
      checkpoint: await checkpointAt(log, log.entries.length, key),
      verifierKeys: [pin],
      artifacts: new Map(),
      modules: new Map(),
    }),
    { pin },
  );
}

async function verdictOn(drafts: Omit<Draft, 'subject'>[]): Promise<string[]> {
  return rules((await reportOn(drafts)).findings);
}

const digest = `sha256:${'a'.repeat(64)}`;
const requested = {
  type: 'action.requested',
  data: {
    operation: 'o',
    effect: 'read',
    plugin: 'p',
    version: '1.0.0',
    inputDigest: digest,
    contractDigest: digest,
  },
} as const;
const decided = (decision: string, tier?: string) =>
  ({
    type: 'policy.decided',
    data: { decision, ...(tier ? { tier } : {}), policyVersion: 1, policies: [], reasons: [] },
  }) as const;
const ATTEMPT = 'att_019b76da80007000800000000000aaaa';
const started = (attempt = ATTEMPT, fence = 1) =>
  ({
    type: 'attempt.started',
    data: { attempt, host: 'h', isolation: 'process', engine: 'e', fence },
  }) as const;
const finished = (attempt = ATTEMPT, verdict = 'succeeded') =>
  ({
    type: 'attempt.finished',
    data: { attempt, verdict, usage: {}, journalDigest: digest, outputDigest: digest },
  }) as const;
const succeeded = { type: 'action.succeeded', data: { outputDigest: digest } } as const;
const failed = { type: 'action.failed', data: {} } as const;
const approval = (type: 'requested' | 'granted' | 'denied', approvalDigest = digest) =>
  ({ type: `approval.${type}`, data: { approvalDigest, quorum: 1 } }) as const;

test('a story that is signed and still impossible is falsified, with the rule that it breaks', async () => {
  const auto = decided('allow', 'auto');
  const human = decided('allow', 'human-approve');
  const cases: [string, Omit<Draft, 'subject'>[]][] = [
    ['action.order', [auto, requested]],
    ['action.order', [requested, requested, auto]],
    ['action.order', [requested, started(), finished(), auto, succeeded]],
    ['action.order', [requested, auto, auto]],
    ['action.order', [requested, auto, started(), finished(), succeeded, failed]],
    ['action.order', [requested, decided('deny'), failed]],
    ['action.order', [requested, decided('allow')]],
    ['action.attempts', [requested, decided('deny'), started()]],
    ['action.attempts', [requested, decided('allow', 'manual-only'), started()]],
    ['action.approval', [requested, human, started()]],
    ['action.approval', [requested, human, approval('requested'), started()]],
    ['action.approval', [requested, human, approval('granted'), started()]],
    ['action.approval', [requested, human, approval('requested'), approval('denied'), started()]],
    [
      'action.approval',
      [requested, human, approval('requested'), approval('granted', `sha256:${'b'.repeat(64)}`)],
    ],
    ['action.attempts', [requested, auto, started(), succeeded]],
    ['action.attempts', [requested, auto, started(), failed]],
    ['action.attempts', [requested, auto, finished()]],
    ['action.attempts', [requested, auto, started(), finished(), finished()]],
    ['action.attempts', [requested, auto, started(), finished(ATTEMPT, 'failed'), succeeded]],
    ['action.attempts', [requested, auto, succeeded]],
    ['action.attempts', [requested, auto, started(), finished(), started(ATTEMPT, 2)]],
    [
      'action.attempts',
      [requested, auto, started(), finished(), started(ATTEMPT.replace('aaaa', 'bbbb'), 1)],
    ],
    [
      'action.attempts',
      [
        requested,
        auto,
        started(),
        finished(),
        { type: 'action.succeeded', data: { outputDigest: `sha256:${'b'.repeat(64)}` } },
      ],
    ],
  ];
  for (const [rule, drafts] of cases) {
    const found = await verdictOn(drafts);
    expect(found, JSON.stringify(drafts.map((draft) => draft.type))).toContain(rule);
  }
});

test('the same story without the fault verifies', async () => {
  const human = decided('allow', 'human-approve');
  const approved = [requested, human, approval('requested'), approval('granted')];
  expect(await verdictOn([...approved, started(), finished(), succeeded])).toEqual([]);
  const auto = decided('allow', 'auto');
  const second = ATTEMPT.replace('aaaa', 'bbbb');
  const takenOver = [started(), started(second, 2), finished(ATTEMPT, 'lost'), finished(second)];
  expect(await verdictOn([requested, auto, ...takenOver, succeeded])).toEqual([]);
  expect(await verdictOn([requested, auto, failed])).toEqual([]);
});

test('chains, counts, times and workspaces are checked even when everything is signed', async () => {
  const check = async (change: (list: Record<string, unknown>[]) => void) => {
    const files = filesOf(whole);
    const decoder = new TextDecoder();
    const list = entriesOf(files).map((bytes) => JSON.parse(decoder.decode(bytes)));
    change(list);
    const log = new LogBuilder(WORKSPACE);
    log.entries.push(...list.map((entry) => canonicalBytes(entry)));
    files.set('log/checkpoint', encoder.encode(await checkpointAt(log, list.length, key)));
    return rules(
      (await verifyBundle(await withEntries(files, log.entries, true), { pin })).findings,
    );
  };
  const set = (seq: number, fields: object) => (list: Record<string, unknown>[]) => {
    Object.assign(list[seq] ?? {}, fields);
  };
  expect(await check(() => undefined)).toEqual([]);
  expect(await check(set(size - 1, { prev: digest }))).toEqual(['log.chain']);
  expect(await check(set(size - 1, { prev: null }))).toContain('log.chain');
  expect(await check(set(0, { prev: digest }))).toContain('log.chain');
  expect(await check(set(size - 1, { seq: 1 }))).toContain('log.sequence');
  expect(await check(set(size - 1, { time: '2020-01-01T00:00:00.000Z' }))).toEqual(['log.time']);
  expect(await check(set(size - 1, { workspace: 'other' }))).toEqual(['log.workspace']);
  expect(await check(set(size - 1, { actionSeq: 0 }))).toEqual(['action.chain']);
  expect(await check(set(size - 1, { actionPrev: digest }))).toEqual(['action.chain']);
  expect(await check(set(1, { actionSeq: 0 }))).toContain('action.chain');
  const final = honest.log.entries.findIndex((bytes) =>
    new TextDecoder().decode(bytes).includes('"type":"action.succeeded"'),
  );
  const miscounted = (list: Record<string, unknown>[]) => {
    Object.assign(list[final]?.data as object, { entries: 99 });
  };
  expect(await check(miscounted)).toContain('action.count');
});

test('a rewritten log under the right key of another workspace is falsified', async () => {
  const files = filesOf(whole);
  const entries = await rewritten(entriesOf(files), (list) => {
    for (const entry of list) entry.workspace = 'other';
  });
  const manifest = JSON.parse(new TextDecoder().decode(files.get('manifest.json')));
  files.set('manifest.json', canonicalBytes({ ...manifest, workspace: 'other' }));
  const log = new LogBuilder(WORKSPACE);
  log.entries.push(...entries);
  files.set('log/checkpoint', encoder.encode(await checkpointAt(log, entries.length, key)));
  const report = await verifyBundle(await withEntries(files, entries, true), { pin });
  // Orders and statements name their workspace, too.
  expect(report.findings[0]).toMatchObject({ rule: 'checkpoint.origin' });
  expect(rules(report.findings)).toContain('order.agrees');
  expect(rules(report.findings)).toContain('approval.agrees');
});

test('what a hostile bundle writes reaches nobody’s terminal as it is', async () => {
  const name = '\u001b[2J\nall is well\u202e';
  const { findings } = await reportOn([requested, decided('allow', 'auto'), finished(name)]);
  const text = findings.map(({ message }) => message).join('');
  expect(text).toContain('all is well finished without having started');
  expect([...text].every((char) => char >= ' ' && char !== '\u202e')).toBe(true);
});

test('an entry larger than a log takes is named', async () => {
  const action = honest.actions[0] ?? '';
  const files = filesOf(await actionBundle(honest, action));
  const path = [...files.keys()].find((name) => name.startsWith('log/entry/')) ?? '';
  files.set(path, new Uint8Array(65_536).fill(0x20));
  const report = await verifyBundle(await pack(files), { pin });
  expect(report.findings[0]).toMatchObject({ rule: 'entry.size', seq: Number(path.slice(10, -5)) });
});
