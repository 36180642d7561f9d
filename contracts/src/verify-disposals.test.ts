import { expect, test } from 'bun:test';
import type { Digest } from './digest.ts';
import type { Entry } from './evidence-entry.ts';
import { cpuMs } from './testing/cpu-ms.ts';
import {
  actionBundle,
  bundleOf,
  type HonestLog,
  honestLog,
  logKey,
  wholeBundle,
} from './testing/honest-log.ts';
import { type Files, filesOf, pack } from './testing/repackage.ts';
import { verifyBundle } from './verify-bundle.ts';
import { disposedInBundle } from './verify-disposals.ts';
import { OpenHolds } from './verify-holds.ts';
import { checkLawful } from './verify-lawful.ts';
import { Findings, type ReadEntry } from './verify-report.ts';
import { parseReport } from './verify-report-schema.ts';

const key = await logKey();
const WHY = { reason: 'the end of the year', by: 'ada' };

/** Artifacts of the first action, its output left aside, which no bundle of these tests has. */
function digestsOf({ log, artifacts }: HonestLog): Digest[] {
  const entries = log.entries.map((one) => JSON.parse(new TextDecoder().decode(one)) as Entry);
  const named = entries.flatMap((entry) => entry.artifacts.map(({ digest }) => digest));
  return [...new Set(named)].filter((digest) => artifacts.has(digest));
}

const without = (honest: HonestLog, gone: readonly Digest[]): HonestLog => ({
  ...honest,
  artifacts: new Map([...honest.artifacts].filter(([digest]) => !gone.includes(digest))),
});

async function told(then: (honest: HonestLog, digests: readonly Digest[]) => Promise<void>) {
  const honest = await honestLog(['approvedWrite']);
  const digests = digestsOf(honest);
  await then(honest, digests);
  return { honest, digests };
}

/** Days after the log began, which is after every retention. */
const LATE = 3_000;
const day = (days: number) => new Date(Date.UTC(2026, 0, 1 + days, 12)).toISOString();

const order = ({ log }: HonestLog, digests: readonly Digest[], days = LATE) =>
  log.append({
    ...{ type: 'disposal.ordered', subject: {}, time: day(days) },
    data: { digests, ...WHY },
  });

const finish = ({ log }: HonestLog, data: Record<string, unknown>, days = LATE) =>
  log.append({ type: 'disposal.finished', subject: {}, time: day(days), data });

async function verify(honest: HonestLog, action?: string, size?: number) {
  const bundle = await (action === undefined
    ? wholeBundle(honest, size)
    : actionBundle(honest, action, size));
  const report = await verifyBundle(bundle, { pin: key.verifierKey });
  return { ...report, rules: report.findings.map(({ rule }) => rule) };
}

test('what is missing after a disposal is no finding, in the whole log and in one action, and is counted', async () => {
  const { honest, digests } = await told(async (log, all) => {
    await order(log, all);
    const seq = log.log.entries.length - 1;
    await finish(log, { order: seq, removed: all, kept: [] });
  });
  for (const action of [undefined, honest.actions[0]]) {
    const { verdict, rules, artifacts } = await verify(without(honest, digests), action);
    expect([verdict, rules]).toEqual(['verified', []]);
    expect(artifacts).toMatchObject({ disposed: digests.length, included: 0 });
  }
  const report = JSON.parse(JSON.stringify(await verify(honest)));
  expect(parseReport(report).artifacts).toEqual(report.artifacts);
  delete report.artifacts.disposed;
  expect(() => parseReport(report)).toThrow('disposed');
});

test('what is missing without a disposal stays a finding', async () => {
  const { honest, digests } = await told(async () => {});
  for (const action of [undefined, honest.actions[0]]) {
    const { verdict, rules, artifacts } = await verify(without(honest, digests), action);
    expect(verdict).toBe('incomplete');
    expect(rules).toContain('order.omitted');
    expect(artifacts.disposed).toBe(0);
  }
});

test('an order of which nobody has told the end disposes in a whole log, and in no part of it', async () => {
  const { honest, digests } = await told((log, all) => order(log, all).then(() => undefined));
  const gone = without(honest, digests);
  expect(await verify(gone)).toMatchObject({ verdict: 'verified' });
  for (const bundle of [
    await actionBundle(gone, gone.actions[0] ?? ''),
    await bundleOf(gone, { from: 0, to: 0 }, {}),
  ]) {
    expect(await verifyBundle(bundle, { pin: key.verifierKey })).toMatchObject({
      verdict: 'incomplete',
      artifacts: { disposed: 0 },
    });
  }
});

test('whoever exports one action can not pass off what was kept as disposed of by leaving out the end', async () => {
  const { honest, digests } = await told(async (log, all) => {
    await order(log, all);
    const kept = all.map((digest) => ({ digest, why: 'hold' }));
    await finish(log, { order: log.log.entries.length - 1, removed: [], kept });
  });
  const [action = ''] = honest.actions;
  const files = filesOf(await actionBundle(without(honest, digests), action));
  const end = honest.log.entries.length - 1;
  expect(files.delete(`log/entry/${end}.json`)).toBe(true);
  files.delete(`log/proof/${end}.tlog-proof`);
  const manifest = JSON.parse(new TextDecoder().decode(files.get('manifest.json')));
  const report = await verifyBundle(await pack(files, manifest.entries - 1), {
    pin: key.verifierKey,
  });
  expect(report).toMatchObject({ verdict: 'incomplete', artifacts: { disposed: 0 } });
});

test('what the end of a disposal does not list as removed has to be there', async () => {
  const { honest, digests } = await told(async (log, all) => {
    await order(log, all);
    await finish(log, { order: log.log.entries.length - 1, removed: [], kept: [] });
  });
  for (const action of [undefined, honest.actions[0]]) {
    expect(await verify(without(honest, digests), action)).toMatchObject({
      verdict: 'incomplete',
      artifacts: { disposed: 0 },
    });
  }
});

test('what a disposal kept has to be there', async () => {
  const { honest, digests } = await told(async (log, all) => {
    await order(log, all);
    const kept = all.map((digest) => ({ digest, why: 'hold' }));
    await finish(log, { order: log.log.entries.length - 1, removed: [], kept });
  });
  expect(await verify(without(honest, digests))).toMatchObject({
    verdict: 'incomplete',
    artifacts: { disposed: 0 },
  });
  expect(await verify(honest)).toMatchObject({ verdict: 'verified' });
});

test('what an entry names again after its disposal has to be there', async () => {
  const { honest, digests } = await told(async (log, all) => {
    await order(log, all);
    await finish(log, { order: log.log.entries.length - 1, removed: all, kept: [] });
    const again = all.map((digest) => ({
      ...{ digest, mediaType: 'application/json', retention: 'compliance' as const },
      bytes: log.artifacts.get(digest)?.length ?? 0,
    }));
    await log.log.append({
      type: 'key.created',
      subject: {},
      data: {},
      artifacts: again,
      time: day(LATE),
    });
  });
  expect(await verify(without(honest, digests))).toMatchObject({
    verdict: 'incomplete',
    artifacts: { disposed: 0 },
  });
});

test('an order before the entry that names it, and one that is not signed, dispose of nothing', async () => {
  const { honest, digests } = await told((log, all) => order(log, all).then(() => undefined));
  const unsigned = await verify(without(honest, digests), undefined, honest.log.entries.length - 1);
  expect(unsigned.verdict).toBe('incomplete');
  expect(unsigned.artifacts.disposed).toBe(0);
});

test('a million ends of one large order are read with pauses, and each costs no more than it holds', async () => {
  const digests = Array.from({ length: 880 }, (_, i) => `sha256:${String(i).padStart(64, '0')}`);
  const entry = (seq: number, type: string, data: object) =>
    ({ entry: { seq, type, data, artifacts: [] } }) as unknown as ReadEntry;
  const end = entry(1, 'disposal.finished', { order: 0, removed: digests, kept: [] });
  const entries = [
    entry(0, 'disposal.ordered', { digests }),
    ...Array.from({ length: 1_000_000 }, () => end),
  ];
  let pauses = 0;
  const started = process.cpuUsage();
  const disposed = await disposedInBundle(entries, true, async () => {
    pauses++;
  });
  expect(disposed.size).toBe(880);
  expect(pauses).toBeGreaterThanOrEqual(entries.length / 256);
  expect(cpuMs(started)).toBeLessThan(10_000);
});

/** The first artifacts are removed by an order that stands in the log as of `days`, after what `before` appends. */
async function disposedOn(
  days: number,
  before: (honest: HonestLog) => Promise<unknown> = async () => {},
  end: 'removed' | 'kept' | 'open' = 'removed',
) {
  return told(async (log, all) => {
    await before(log);
    await order(log, all, days);
    const seq = log.log.entries.length - 1;
    const kept = all.map((digest) => ({ digest, why: 'hold' }));
    if (end === 'removed') await finish(log, { order: seq, removed: all, kept: [] }, days);
    if (end === 'kept') await finish(log, { order: seq, removed: [], kept }, days);
  });
}

const hold = (scope: Record<string, unknown>, id: string, type = 'hold.placed') => ({
  ...{ subject: {}, time: day(1), type: type as 'hold.placed' | 'hold.lifted' },
  data: { hold: id, scope, reason: 'case 4711', by: 'ada' },
});

const unlawful = (honest: HonestLog, seq = honest.log.entries.length - 2) =>
  expect.objectContaining({ rule: 'disposal.unlawful', seq });

test('an order within retention is unlawful, in the whole log, in one action and in a range', async () => {
  const { honest, digests } = await disposedOn(20);
  const gone = without(honest, digests);
  for (const bundle of [
    await wholeBundle(gone),
    await actionBundle(gone, gone.actions[0] ?? ''),
    await bundleOf(gone, { from: 0, to: 0 }, {}),
  ]) {
    const report = await verifyBundle(bundle, { pin: key.verifierKey });
    expect(report.verdict).toBe('falsified');
    expect(report.findings).toEqual([unlawful(honest)]);
    const retentionDays = { operational: 0, compliance: 0, forensic: 0 };
    const short = await verifyBundle(bundle, { pin: key.verifierKey, retentionDays });
    expect([short.verdict, short.findings]).toEqual(['verified', []]);
  }
});

test('a retention that was lengthened before the order counts, and one after it does not', async () => {
  const before = { operational: 30, compliance: 365, forensic: 2_555 };
  const longer = { operational: 5_000, compliance: 5_000, forensic: 5_000 };
  const lengthened = (days: number) => ({
    ...{ type: 'retention.lengthened' as const, subject: {}, time: day(days) },
    data: { days: longer, before, revision: 1 },
  });
  const early = await disposedOn(LATE, ({ log }) => log.append(lengthened(1)));
  expect((await verify(without(early.honest, early.digests))).findings).toEqual([
    unlawful(early.honest),
  ]);
  const late = await disposedOn(LATE);
  await late.honest.log.append(lengthened(LATE));
  expect(await verify(without(late.honest, late.digests))).toMatchObject({ verdict: 'verified' });
});

test('an order of what an open hold covers is unlawful, whatever its scope, and lawful once it is lifted', async () => {
  const [first = '', last = ''] = await told(async () => {}).then(({ honest: { log } }) =>
    [log.entries[0], log.entries.at(-1)].map(
      (bytes) => (JSON.parse(new TextDecoder().decode(bytes)) as Entry).time,
    ),
  );
  const action = (await told(async () => {})).honest.actions[0];
  const id = `hld_${'0'.repeat(12)}7${'0'.repeat(3)}8${'0'.repeat(15)}`;
  const scopes: readonly [Record<string, unknown>, boolean][] = [
    [{ kind: 'action', action }, true],
    [{ kind: 'action', action: `act_${id.slice(4)}` }, false],
    [{ kind: 'plugin', plugin: 'stripe-refunds' }, true],
    [{ kind: 'plugin', plugin: 'ledger' }, false],
    [{ kind: 'person', person: 'control' }, true],
    [{ kind: 'person', person: 'grace' }, false],
    [{ kind: 'time', from: first }, true],
    [{ kind: 'time', from: first, until: day(0) }, true],
    [{ kind: 'time', from: '2020-01-01T00:00:00Z', until: first }, false],
    [{ kind: 'time', from: new Date(Date.parse(last) + 1).toISOString() }, false],
  ];
  for (const [scope, covers] of scopes) {
    const about = JSON.stringify(scope);
    const held = await disposedOn(LATE, ({ log }) => log.append(hold(scope, id)));
    const { findings, verdict } = await verify(without(held.honest, held.digests));
    const expected = covers ? ['falsified', [unlawful(held.honest)]] : ['verified', []];
    expect([about, verdict, findings]).toEqual([about, ...expected] as never);
    const lifted = await disposedOn(LATE, async ({ log }) => {
      await log.append(hold(scope, id));
      await log.append(hold(scope, id, 'hold.lifted'));
    });
    const after = await verify(without(lifted.honest, lifted.digests));
    expect([about, after.verdict, after.findings]).toEqual([about, 'verified', []]);
  }
});

test('a hold by a person covers what the keys of that owner had a hand in', () => {
  const id = `hld_${'0'.repeat(12)}7${'0'.repeat(3)}8${'0'.repeat(15)}`;
  const holds = new OpenHolds();
  const entry = (type: string, about: object) =>
    ({ type, subject: {}, data: {}, actor: { kind: 'key', id: 'key_1' }, ...about }) as never;
  holds.next(entry('key.created', { subject: { key: 'key_2' }, data: { owner: 'ada' } }));
  holds.next(entry('hold.placed', hold({ kind: 'person', person: 'ada' }, id)));
  const attempt = entry('attempt.finished', {
    ...{ subject: { action: 'act_1' }, actor: { kind: 'sandbox', id: 'host' } },
  });
  expect(holds.covering(attempt, 0)).toBeUndefined();
  const cancelled = { subject: { action: 'act_1' }, actor: { kind: 'key', id: 'key_2' } };
  holds.next(entry('action.cancelled', cancelled));
  expect(holds.covering(attempt, 0)).toBe(id);
});

test('an unlawful order that removed nothing is no finding; one without an end is, when its artifact is missing', async () => {
  const kept = await disposedOn(20, undefined, 'kept');
  expect(await verify(kept.honest)).toMatchObject({ verdict: 'verified' });
  const open = await disposedOn(20, undefined, 'open');
  expect(await verify(open.honest)).toMatchObject({ verdict: 'verified' });
  expect((await verify(without(open.honest, open.digests))).findings).toEqual([
    unlawful(open.honest, open.honest.log.entries.length - 1),
  ]);
});

test('what is named again after a disposal is under retention again', async () => {
  for (const [days, verdict] of [
    [LATE + 20, 'falsified'],
    [LATE + 31, 'verified'],
  ] as const) {
    const { honest, digests } = await disposedOn(LATE);
    const [digest = '' as Digest] = digests;
    const bytes = honest.artifacts.get(digest)?.length ?? 0;
    const again = {
      digest,
      bytes,
      mediaType: 'application/json',
      retention: 'operational',
    } as const;
    await honest.log.append({
      ...{ type: 'key.created', subject: {}, data: {}, time: day(LATE), artifacts: [again] },
    });
    await order(honest, [digest], days);
    const seq = honest.log.entries.length - 1;
    await finish(honest, { order: seq, removed: [digest], kept: [] }, days);
    expect(await verify(without(honest, digests))).toMatchObject({ verdict });
  }
});

test('a range shows the disposals of its artifacts that stand after it, with proofs', async () => {
  const { honest, digests } = await told(async (log, all) => {
    for (let i = 0; i < 300; i++) {
      await log.log.append({ type: 'key.created', subject: {}, data: {} });
    }
    await order(log, all);
    const seq = log.log.entries.length - 1;
    await finish(log, { order: seq, removed: all, kept: [] });
  });
  const end = honest.log.entries.length - 1;
  const gone = without(honest, digests);
  const bundle = await bundleOf(gone, { from: 0, to: 9 }, {});
  const check = (tar: Uint8Array) => verifyBundle(tar, { pin: key.verifierKey });
  expect(await check(bundle)).toMatchObject({
    ...{ verdict: 'verified', findings: [], entries: 256, unsigned: 0 },
    ...{ range: { from: 0, to: 255 }, artifacts: { disposed: digests.length } },
  });
  // Behind the range of the order itself stands no disposal any more.
  const late = filesOf(await bundleOf(gone, { from: 256, to: end }, {}));
  expect([...late.keys()].filter((path) => path.startsWith('log/entry/'))).toEqual([]);

  const changed = async (change: (files: Files) => void) => {
    const files = filesOf(bundle);
    change(files);
    const { verdict, findings } = await check(await pack(files));
    return [verdict, ...new Set(findings.map(({ rule }) => rule))];
  };
  const leaveOut = (files: Files, seq: number) => {
    files.delete(`log/entry/${seq}.json`);
    files.delete(`log/proof/${seq}.tlog-proof`);
  };
  const [verdict, ...rules] = await changed((files) => leaveOut(files, end));
  expect([verdict, rules.includes('order.omitted')]).toEqual(['incomplete', true]);
  expect(await changed((files) => files.delete(`log/proof/${end}.tlog-proof`))).toEqual([
    'falsified',
    'proof.missing',
  ]);
  const other = honest.log.entries[280] ?? new Uint8Array();
  expect(await changed((files) => files.set('log/entry/280.json', other))).toEqual([
    'falsified',
    ...['bundle.asked', 'proof.missing'],
  ]);
  const bytes = new TextDecoder().decode(honest.log.entries[end - 1]);
  const forged = new TextEncoder().encode(bytes.replace(WHY.reason, 'the end of the law'));
  expect(await changed((files) => files.set(`log/entry/${end - 1}.json`, forged))).toEqual([
    'falsified',
    ...['proof.inclusion', 'log.chain'],
  ]);
  const beyond = bytes.replace(`"seq":${end - 1}`, `"seq":${end + 1}`);
  expect(
    await changed((files) =>
      files.set(`log/entry/${end + 1}.json`, new TextEncoder().encode(beyond)),
    ),
  ).toEqual(expect.arrayContaining(['falsified', 'entry.unsigned']));
});

test('names and holds without number come to an end', async () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  const entry = (seq: number, type: string, about: object) =>
    ({
      entry: {
        ...{ seq, type, data: {}, artifacts: [], subject: {}, time: day(0) },
        ...{ actor: { kind: 'system', id: 'control' }, ...about },
      },
    }) as unknown as ReadEntry;
  const many = <T>(make: (i: number) => T) => Array.from({ length: 20_000 }, (_, i) => make(i));
  const from = '2030-01-01T00:00:00Z';
  const artifacts = [{ digest, retention: 'operational' }];
  const findings = new Findings();
  const entries = [
    ...many((i) =>
      entry(i, 'hold.placed', { data: { hold: `h${i}`, scope: { kind: 'time', from } } }),
    ),
    ...many((i) => entry(i, 'key.created', { artifacts })),
    ...many((i) => entry(i, 'disposal.ordered', { time: day(LATE), data: { digests: [digest] } })),
  ];
  let pauses = 0;
  const pause = async () => {
    pauses++;
  };
  const bundle = { whole: true, omitted: new Set<string>(), retentionDays: undefined, pause };
  const started = process.cpuUsage();
  await checkLawful(entries, bundle, findings);
  expect(findings.list.map(({ rule }) => rule)).toEqual(['disposal.unchecked']);
  expect(findings.verdict).toBe('incomplete');
  expect(pauses).toBeGreaterThan(400);
  expect(cpuMs(started)).toBeLessThan(10_000);
});
