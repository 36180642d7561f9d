import { expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  actionBundle,
  checkpointAt,
  honestLog,
  logKey,
  ORIGIN,
  STORIES,
  type StoryName,
  wholeBundle,
} from './testing/honest-log.ts';
import { entriesOf, filesOf, pack, rewritten, withEntries } from './testing/repackage.ts';
import { runCount } from './testing/run-count.ts';
import { testKey } from './testing/test-key.ts';
import { verifyBundle } from './verify-bundle.ts';

/** Enough kinds of entries and artifacts; every story together would take its time. */
const NAMES: readonly StoryName[] = [
  'succeeded',
  'takenOver',
  'approved',
  'approvedWrite',
  'sentAgain',
  'refused',
  'changesRequested',
  'denied',
  'open',
];
const honest = await honestLog(NAMES);
const size = honest.log.entries.length;
const key = await logKey();
const foreign = await testKey(ORIGIN.replace('acme', 'else'));
const whole = await wholeBundle(honest);
const ofAction = await actionBundle(honest, honest.actions[NAMES.indexOf('approvedWrite')] ?? '');
const encoder = new TextEncoder();

type Mutation = (pick: number, other: number) => Promise<Uint8Array>;

const flipped = (bytes: Uint8Array, at: number, bit: number) => {
  const copy = bytes.slice();
  copy[at % copy.length] = (copy[at % copy.length] ?? 0) ^ (1 << (bit % 8));
  return copy;
};

/** The entries of the whole log, changed as bytes; the manifest is made to fit. */
const reshaped =
  (change: (entries: Uint8Array[], pick: number, other: number) => void): Mutation =>
  async (pick, other) => {
    const files = filesOf(whole);
    const entries = entriesOf(files);
    change(entries, pick, other);
    return withEntries(files, entries, other % 2 === 0);
  };

const swap = <T>(list: T[], i: number, j: number) => {
  const [a, b] = [list[i], list[j]];
  if (a !== undefined && b !== undefined) [list[i], list[j]] = [b, a];
};

/** An honest-looking log with another past; every hash is computed anew. */
const forged = (entries: readonly Uint8Array[], pick: number) =>
  rewritten(entries, (list) => {
    const entry = list[pick % list.length];
    if (entry) entry.trace = 'f'.repeat(32);
  });

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'a bit of the archive flips': async (pick, other) => flipped(whole, pick, other),
  'a bit of an action’s archive flips': async (pick, other) => flipped(ofAction, pick, other),
  'the archive is cut off': async (pick) => whole.subarray(0, pick % whole.length),
  'a file is deleted': async (pick) => {
    const files = filesOf(whole);
    // A module may be left out of an export; then it can not be replayed, which is no falsehood.
    const paths = [...files.keys()].filter((path) => !/^(manifest|plugins)/.test(path));
    files.delete(paths[pick % paths.length] ?? '');
    return pack(files);
  },
  'a bit of an entry flips': reshaped((entries, pick, other) => {
    const at = pick % entries.length;
    entries[at] = flipped(entries[at] ?? new Uint8Array(1), other, pick);
  }),
  'an entry is deleted': reshaped((entries, pick) => entries.splice(pick % entries.length, 1)),
  'an entry is repeated': reshaped((entries, pick, other) => {
    const copy = entries[pick % entries.length];
    if (copy) entries.splice(other % entries.length, 0, copy);
  }),
  'two entries change places': reshaped((entries, pick, other) => {
    const i = pick % entries.length;
    swap(entries, i, (i + 1 + (other % (entries.length - 1))) % entries.length);
  }),
  'the tail is cut off': reshaped((entries, pick) => entries.splice(-1 - (pick % (size - 1)))),
  'history is rewritten with new hashes': async (pick, other) => {
    const files = filesOf(whole);
    return withEntries(files, await forged(entriesOf(files), pick), other % 2 === 0);
  },
  'an action is removed with new hashes': async (pick) => {
    const files = filesOf(whole);
    const gone = honest.actions[pick % honest.actions.length];
    const entries = await rewritten(entriesOf(files), (list) => {
      const kept = list.filter((entry) => (entry.subject as { action?: string }).action !== gone);
      list.splice(0, list.length, ...kept);
    });
    return withEntries(files, entries, true);
  },
  'history is rewritten and signed with a foreign key': async (pick) => {
    const files = filesOf(whole);
    const log = { ...honest.log, entries: await forged(entriesOf(files), pick) };
    const leaves = honest.log.leaves.bind(log);
    const note = await checkpointAt(Object.assign(log, { leaves }) as never, size, foreign);
    files.set('log/checkpoint', encoder.encode(note));
    files.set('log/vkeys', encoder.encode(`${foreign.verifierKey}\n`));
    return withEntries(files, log.entries, true);
  },
  'the signature is stripped': async (pick) => {
    const files = filesOf(whole);
    const note = new TextDecoder().decode(files.get('log/checkpoint'));
    const text = note.slice(0, note.lastIndexOf('— ') - (pick % 2));
    if (pick % 3 === 0) files.delete('log/checkpoint');
    else files.set('log/checkpoint', encoder.encode(text));
    return pack(files);
  },
  'the checkpoint is of a smaller log': async (pick) => {
    const files = filesOf(whole);
    const older = await checkpointAt(honest.log, 1 + (pick % (size - 1)), key);
    files.set('log/checkpoint', encoder.encode(older));
    return pack(files);
  },
  'an entry of an action is deleted': async (pick) => {
    const files = filesOf(ofAction);
    const paths = [...files.keys()].filter((path) => path.startsWith('log/entry/'));
    const path = paths[pick % paths.length] ?? '';
    files.delete(path);
    files.delete(path.replace('entry', 'proof').replace('.json', '.tlog-proof'));
    return pack(files, paths.length - 1);
  },
  'a proof is deleted or exchanged': async (pick, other) => {
    const files = filesOf(ofAction);
    const paths = [...files.keys()].filter((path) => path.startsWith('log/proof/'));
    const [a, b] = [paths[pick % paths.length] ?? '', paths[(pick + 1) % paths.length] ?? ''];
    if (other % 2 === 0) files.delete(a);
    else files.set(a, files.get(b) ?? new Uint8Array());
    return pack(files);
  },
  'an artifact or module has other bytes': async (pick, other) => {
    const files = filesOf(whole);
    const paths = [...files.keys()].filter((path) => /^(artifacts|plugins)\//.test(path));
    const path = paths[pick % paths.length] ?? '';
    files.set(path, flipped(files.get(path) ?? new Uint8Array(1), other, pick));
    return pack(files);
  },
};

for (const [name, mutate] of Object.entries(MUTATIONS)) {
  test(`verification fails when ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), async (pick, other) => {
        const report = await verifyBundle(await mutate(pick, other), { pin: key.verifierKey });
        expect(['falsified', 'incomplete', 'unreadable']).toContain(report.verdict);
        expect(report.findings.length).toBeGreaterThan(0);
        expect(report.findings.every(({ rule }) => rule !== 'bundle.unreadable')).toBe(true);
      }),
      { seed: 20_261_122, numRuns: runCount(20, 60) },
    );
  });
}

test('a log of any stories verifies, signed up to any size', async () => {
  const names = fc.array(fc.constantFrom(...STORIES), {
    maxLength: 12,
  });
  await fc.assert(
    fc.asyncProperty(names, fc.nat(), async (stories, pick) => {
      const log = await honestLog(stories);
      const signed = pick % (log.log.entries.length + 1);
      const options = { pin: key.verifierKey, allowUnsigned: true };
      const report = await verifyBundle(await wholeBundle(log, signed), options);
      expect(report.findings).toEqual([]);
      expect(report.unsigned).toBe(log.log.entries.length - signed);
    }),
    { seed: 20_261_122, numRuns: runCount(25, 250) },
  );
}, 120_000);
