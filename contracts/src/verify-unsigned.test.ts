import { expect, test } from 'bun:test';
import { canonicalBytes, type JsonValue } from './canonical-json.ts';
import { entryHash } from './evidence-entry.ts';
import {
  actionBundle,
  checkpointAt,
  honestLog,
  logKey,
  type StoryName,
  wholeBundle,
} from './testing/honest-log.ts';
import { type EntryObject, entriesOf, filesOf, pack, withEntries } from './testing/repackage.ts';
import { verifyBundle } from './verify-bundle.ts';

const key = await logKey();
const pin = key.verifierKey;
const decoder = new TextDecoder();
const digest = `sha256:${'a'.repeat(64)}`;

const parse = (bytes: Uint8Array | undefined) => JSON.parse(decoder.decode(bytes)) as EntryObject;

/** Forged ends of the action that `kept` begins: chained, counted, timed and signed by nobody. */
async function forgedEnd(kept: readonly Uint8Array[], from: number, prev: string) {
  const last = parse(kept.at(-1));
  const started = kept.map(parse).find((entry) => entry.type === 'attempt.started');
  const { attempt = null } = (started?.data ?? {}) as { attempt?: JsonValue };
  const data: EntryObject[] = [
    { attempt, verdict: 'succeeded', usage: {}, journalDigest: digest, outputDigest: digest },
    { outputDigest: digest, entries: kept.length + 2 },
  ];
  const forged: Uint8Array[] = [];
  let before = prev;
  let own: string = await entryHash(kept.at(-1) ?? new Uint8Array());
  for (const [i, type] of ['attempt.finished', 'action.succeeded'].entries()) {
    const chain = { actionSeq: kept.length + i, actionPrev: own, prev: before };
    const time = '2026-01-02T00:00:00.000Z';
    const entry = { ...last, ...chain, seq: from + i, time, type, artifacts: [], data: data[i] };
    forged.push(canonicalBytes(entry));
    own = await entryHash(canonicalBytes(entry));
    before = own;
  }
  return forged;
}

const failed = await honestLog(['failed', 'denied']);
const failedAction = failed.actions[0] ?? '';

/** The failed action's bundle without its last `cut` entries. */
async function cutAction(cut: number) {
  const files = filesOf(await actionBundle(failed, failedAction));
  const paths = [...files.keys()].filter((path) => path.startsWith('log/entry/'));
  const kept = paths.slice(0, paths.length - cut);
  for (const path of paths.slice(kept.length)) {
    files.delete(path);
    files.delete(path.replace('entry', 'proof').replace('.json', '.tlog-proof'));
  }
  return { files, kept: kept.map((path) => files.get(path) ?? new Uint8Array()) };
}

test('a failed action whose end was replaced by an unsigned success is falsified', async () => {
  const { files, kept } = await cutAction(2);
  const size = failed.log.entries.length;
  for (const [i, bytes] of (await forgedEnd(kept, size + 5, digest)).entries()) {
    files.set(`log/entry/${size + 5 + i}.json`, bytes);
  }
  const tar = await pack(files, kept.length + 2);
  const report = await verifyBundle(tar, { pin });
  expect(report).toMatchObject({ verdict: 'falsified', exitCode: 1, openActions: 1, unsigned: 2 });
  expect(report.findings[0]).toMatchObject({ rule: 'entry.unsigned', seq: size + 5 });
  expect((await verifyBundle(tar, { pin, allowUnsigned: true })).verdict).toBe('falsified');
  expect((await verifyBundle(tar)).verdict).toBe('falsified');
});

test('a whole log that was cut back to an older checkpoint and given another end never verifies', async () => {
  const files = filesOf(await wholeBundle(failed));
  const last = failed.log.entries.findIndex((bytes) => parse(bytes).type === 'attempt.finished');
  const kept = entriesOf(files).slice(0, last);
  const own = kept.filter((bytes) => (parse(bytes).subject as EntryObject).action === failedAction);
  const prev = await entryHash(kept.at(-1) ?? new Uint8Array());
  const all = [...kept, ...(await forgedEnd(own, last, prev))];
  const honest = filesOf(await wholeBundle({ ...failed, log: failed.log }, last));
  for (const path of files.keys()) if (path.startsWith('log/tile/')) files.delete(path);
  for (const [path, bytes] of honest)
    if (/^log\/(checkpoint|tile\/\d)/.test(path)) files.set(path, bytes);
  const tar = await withEntries(files, all, false);
  const report = await verifyBundle(tar, { pin });
  expect(report).toMatchObject({ verdict: 'incomplete', exitCode: 1, openActions: 1, unsigned: 2 });
  expect(report.findings).toHaveLength(1);
  expect(report.findings[0]).toMatchObject({ rule: 'entry.unsigned', seq: last });
  const allowed = await verifyBundle(tar, { pin, allowUnsigned: true });
  expect(allowed).toMatchObject({ verdict: 'verified', openActions: 1, unsigned: 2 });
});

test('what only unsigned entries name counts neither as artifact nor as module', async () => {
  const { artifacts: all } = await verifyBundle(await wholeBundle(failed), { pin });
  expect(all.included).toBe(1);
  const bundle = await wholeBundle(failed, 1);
  const report = await verifyBundle(bundle, { pin, allowUnsigned: true });
  expect(report).toMatchObject({ verdict: 'verified', actions: 0, modules: 0 });
  expect(report.artifacts.included).toBe(0);
});

test('a bundle of one action that holds no entry of it is falsified', async () => {
  const { files } = await cutAction(5);
  const report = await verifyBundle(await pack(files, 0), { pin });
  expect(report).toMatchObject({ verdict: 'falsified', exitCode: 1, entries: 0, actions: 0 });
  expect(report.findings.map(({ rule }) => rule)).toContain('bundle.empty');
});

test('a bundle of one action without its end is incomplete, honest or cut off', async () => {
  for (const cut of [1, 2, 3]) {
    const { files, kept } = await cutAction(cut);
    const report = await verifyBundle(await pack(files, kept.length), { pin });
    expect(report).toMatchObject({ verdict: 'incomplete', exitCode: 1, openActions: 1 });
    expect(report.findings).toEqual([
      { rule: 'story.open', message: expect.stringContaining('export again once it has ended') },
    ]);
  }
  const open = await honestLog(['open']);
  const report = await verifyBundle(await actionBundle(open, open.actions[0] ?? ''), { pin });
  expect(report.findings.map(({ rule }) => rule)).toEqual(['story.open']);
  expect((await verifyBundle(await wholeBundle(open), { pin })).verdict).toBe('verified');
});

test('a checkpoint that is not believed lets no entry count as signed', async () => {
  const names: StoryName[] = ['succeeded'];
  const log = await honestLog(names);
  const files = filesOf(await wholeBundle(log));
  const note = await checkpointAt(log.log, log.log.entries.length, key);
  files.set(
    'log/checkpoint',
    new TextEncoder().encode(note.replace('— test/acme', '— test/other')),
  );
  const report = await verifyBundle(await pack(files), { pin });
  expect(report).toMatchObject({ verdict: 'falsified', actions: 0 });
  expect(report.unsigned).toBe(log.log.entries.length);
});
