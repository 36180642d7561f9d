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
import { filesOf, pack } from './testing/repackage.ts';
import { verifyBundle } from './verify-bundle.ts';
import { disposedInBundle } from './verify-disposals.ts';
import type { ReadEntry } from './verify-report.ts';
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

const order = (honest: HonestLog, digests: readonly Digest[]) =>
  honest.log.append({ type: 'disposal.ordered', subject: {}, data: { digests, ...WHY } });

const finish = (honest: HonestLog, data: Record<string, unknown>) =>
  honest.log.append({ type: 'disposal.finished', subject: {}, data });

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
    await log.log.append({ type: 'key.created', subject: {}, data: {}, artifacts: again });
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
