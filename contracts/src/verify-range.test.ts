import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { buildBundle } from './bundle.ts';
import { canonicalBytes } from './canonical-json.ts';
import { hashesAt, tilesOfRange, widened } from './range-tiles.ts';
import { writeTar } from './tar.ts';
import {
  checkpointAt,
  honestLog,
  INSTANCE,
  logKey,
  type StoryName,
  WORKSPACE,
} from './testing/honest-log.ts';
import { entriesOf, filesOf, pack, withEntries } from './testing/repackage.ts';
import { runCount } from './testing/run-count.ts';
import { verifyBundle } from './verify-bundle.ts';

const key = await logKey();
const pin = key.verifierKey;
const names = Array.from({ length: 130 }, (_, i): StoryName => (i % 2 ? 'approved' : 'failed'));
const honest = await honestLog(names);
const { log, artifacts, modules } = honest;
const size = log.entries.length;
const checkpoint = await checkpointAt(log, size, key);

const rangeBundle = (from: number, to: number, note = checkpoint) =>
  buildBundle({
    ...{ instance: INSTANCE, workspace: WORKSPACE, asked: { from, to } },
    ...{ entries: log.entries, checkpoint: note, verifierKeys: [pin], artifacts, modules },
  });
const rules = ({ findings }: { readonly findings: readonly { readonly rule: string }[] }) =>
  findings.map(({ rule }) => rule);

test('a range is widened to whole entry bundles, and each entry is proved in its place', async () => {
  expect(size).toBeGreaterThan(768);
  for (const [from, to, first, last] of [
    [0, 0, 0, 255],
    [300, 310, 256, 511],
    [255, 256, 0, 511],
    [700, size - 1, 512, size - 1],
    [0, size - 1, 0, size - 1],
  ] as const) {
    const report = await verifyBundle(await rangeBundle(from, to), { pin });
    expect(report).toMatchObject({ verdict: 'verified', findings: [], unsigned: 0 });
    expect(report.range).toEqual({ from: first, to: last });
    expect(report.entries).toBe(last - first + 1);
    expect(report.partialActions > 0).toBe(first > 0);
  }
});

test('a range holds no entry of another entry bundle, and no more tiles than it needs', async () => {
  const paths = [...filesOf(await rangeBundle(300, 310)).keys()].filter((path) =>
    path.startsWith('log/tile/'),
  );
  expect(paths.sort()).toEqual([
    'log/tile/0/001',
    `log/tile/0/003.p/${size % 256}`,
    'log/tile/1/000.p/3',
    'log/tile/entries/001',
  ]);
});

test('an action that begins before a range, or ends behind it, is told in part and not falsified', async () => {
  const report = await verifyBundle(await rangeBundle(256, 511), { pin, stories: 1 });
  expect(report.stories?.[0]).not.toHaveProperty('asked');
  expect(report).toMatchObject({ verdict: 'verified', partialActions: 1 });
  const cut = await verifyBundle(await rangeBundle(0, 255), { pin });
  expect(cut).toMatchObject({ verdict: 'verified', openActions: 1 });
});

test('entries of a range that were changed, taken out or moved are found', async () => {
  const bundle = await rangeBundle(256, 767);
  const decoder = new TextDecoder();
  const changed = async (change: (entries: Uint8Array[]) => void) => {
    const files = filesOf(bundle);
    const list = entriesOf(files);
    change(list);
    const tiles = [...files].filter(([path]) => /^log\/tile\/\d/.test(path));
    const packed = filesOf(await withEntries(files, list, false));
    // The forger leaves the entry bundles where they lay.
    for (const [path, bytes] of [...packed].toReversed()) {
      const moved = /^log\/tile\/entries\/00([01])(.*)$/.exec(path);
      if (!moved) continue;
      packed.delete(path);
      packed.set(`log/tile/entries/00${Number(moved[1]) + 1}${moved[2]}`, bytes);
    }
    for (const [path, bytes] of tiles) packed.set(path, bytes);
    return verifyBundle(await pack(packed, list.length), { pin });
  };
  expect((await changed(() => undefined)).verdict).toBe('verified');
  const edited = await changed((list) => {
    const text = decoder.decode(list[7]).replace('"kind":"system"', '"kind":"service"');
    list[7] = new TextEncoder().encode(text);
  });
  expect(edited.findings[0]).toMatchObject({ rule: 'log.leaf', seq: 263 });
  const swapped = await changed((list) => list.splice(3, 2, ...list.slice(3, 5).toReversed()));
  expect(rules(swapped)).toContain('log.leaf');
  expect((await changed((list) => list.splice(9, 1))).verdict).toBe('falsified');
  expect((await changed((list) => list.splice(-1))).verdict).toBe('falsified');
});

test('tiles that lead nowhere, are missing, or prove nothing of the range are found', async () => {
  const files = filesOf(await rangeBundle(300, 310));
  const verify = async (change: (copy: typeof files) => void) => {
    const copy = new Map([...files].map(([path, bytes]) => [path, bytes.slice()]));
    change(copy);
    return rules(await verifyBundle(await pack(copy), { pin }));
  };
  const flip = (path: string, at: number) => (copy: typeof files) => {
    const tile = copy.get(path);
    if (tile) tile[at] = (tile[at] ?? 0) ^ 1;
  };
  expect(await verify(flip('log/tile/0/001', 0))).toContain('tile.hash');
  expect(await verify(flip('log/tile/1/000.p/3', 0))).toContain('checkpoint.root');
  expect(await verify(flip('log/tile/1/000.p/3', 32))).toContain('tile.hash');
  expect(await verify(flip(`log/tile/0/003.p/${size % 256}`, 0))).toEqual(['checkpoint.root']);
  expect(await verify((copy) => copy.delete('log/tile/1/000.p/3'))).toContain('tile.missing');
  const stray = (copy: typeof files) => copy.set('log/tile/0/002', new Uint8Array(256 * 32));
  expect(await verify(stray)).toEqual(['tile.hash']);
});

test('a range that was asked for otherwise than it is there is found', async () => {
  const files = filesOf(await rangeBundle(300, 310));
  const ask = async (asked: object) => {
    const manifest = JSON.parse(new TextDecoder().decode(files.get('manifest.json')));
    const copy = new Map(files);
    copy.set('manifest.json', canonicalBytes({ ...manifest, asked }));
    const tar = writeTar([...copy].map(([path, bytes]) => ({ path, bytes })));
    return rules(await verifyBundle(tar, { pin }));
  };
  expect(await ask({ from: 300, to: 600 })).toContain('checkpoint.size');
  expect(await ask({ from: 10, to: 310 })).toContain('log.bundle');
  expect(await ask({})).toContain('log.bundle');
  for (const odd of [{ from: 300 }, { from: 310, to: 300 }, { from: -1, to: 2 }]) {
    expect(await ask(odd)).toEqual(['bundle.manifest']);
  }
});

test('an older checkpoint is compared with a whole log, and a range says so', async () => {
  const since = await checkpointAt(log, 10, key);
  const report = await verifyBundle(await rangeBundle(300, 310), { pin, since });
  expect(report.findings[0]?.message).toContain('export without --action, --from and --to');
  const same = await verifyBundle(await rangeBundle(300, 310), { pin, since: checkpoint });
  expect(same.verdict).toBe('verified');
});

test('the tiles of any range hold its entries and the right edge, each once', () => {
  const sizes = fc.oneof(
    fc.integer({ min: 1, max: 2_000 }),
    fc.integer({ min: 1, max: 100_000_000 }),
  );
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat(5_000), (logSize, a, length) => {
      const from = a % logSize;
      const to = Math.min(logSize - 1, from + length);
      const range = widened({ from, to }, logSize);
      expect(range.first <= from && to < range.end && range.end <= logSize).toBe(true);
      const tiles = tilesOfRange(range, logSize);
      const paths = tiles.map(({ level, index }) => `${level}/${index}`);
      const known = new Set(paths);
      expect(known.size).toBe(paths.length);
      for (const { level, index, width } of tiles) {
        expect(index * 256 + width).toBeLessThanOrEqual(hashesAt(level, logSize));
        const edge = hashesAt(level, logSize) % 256;
        if (width < 256) expect(width).toBe(edge);
        // A full tile is named by one that is there as well.
        else expect(known.has(`${level + 1}/${Math.floor(index / 256)}`)).toBe(true);
      }
      const leaves = tiles.filter(({ level }) => level === 0).map(({ index }) => index);
      expect(leaves).toContain(Math.floor(range.first / 256));
      expect(leaves).toContain(Math.floor((range.end - 1) / 256));
    }),
    { seed: 20_261_128, numRuns: runCount(200, 5_000) },
  );
});
