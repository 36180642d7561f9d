/** The contract of the port `ObjectStore`, as one suite for every adapter: what it keeps, and its locks. */
import { expect, test } from 'bun:test';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { LOCK_CHECKS } from '../application/lock-battery.ts';
import type { ObjectStore, RetentionOf } from '../application/ports/object-store.ts';

export interface StoreUnderTest {
  /** Another opening of the same store, with that retention. */
  open(retentionOf?: RetentionOf): Promise<ObjectStore>;
  /** Changes what lies under an artifact, as somebody with the operating system's rights could. */
  corrupt(workspace: WorkspaceId, hex: string): Promise<void>;
}

const WORKSPACE = 'acme' as WorkspaceId;
const OTHER = 'other' as WorkspaceId;
const DAY_MS = 24 * 60 * 60 * 1000;
const SHORT_MS = 2_000;
const TIMEOUT_MS = 30_000;
const utf8 = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const short: RetentionOf = async () => SHORT_MS;

/**
 * @param goesAround whether an administrator of the machine can delete: then, and only then, the battery's
 *   last check must say so
 */
export function objectStoreContract(
  what: string,
  under: () => Promise<StoreUnderTest>,
  goesAround: boolean,
): void {
  for (const [name, check] of Object.entries(LOCK_CHECKS)) {
    const around = name === 'no way around the store' && goesAround;
    test(
      `lock battery, ${what}: ${name}${around ? ', and there is one' : ''}`,
      async () => {
        const store = await (await under()).open();
        await using probe = await store.openProbe();
        expect(await check(probe)).toEqual(around ? 'it is gone' : undefined);
      },
      TIMEOUT_MS,
    );
  }

  test(`${what} gives back by digest what was put, to its workspace alone`, async () => {
    const store = await (await under()).open();
    const bytes = utf8('an artifact');
    const digest = await store.put(WORKSPACE, bytes, 'compliance');
    expect(digest).toBe(await digestOf(bytes));
    expect(await store.get(WORKSPACE, digest)).toEqual(bytes);
    expect(await store.get(OTHER, digest)).toBeUndefined();
    expect(await store.lockOf(OTHER, digest)).toBeUndefined();
    expect(await store.remove(OTHER, digest)).toEqual({ outcome: 'absent' });
    await store.ping();
  });

  test(`${what} keeps an empty artifact, and one of 8 MiB`, async () => {
    const store = await (await under()).open();
    for (const bytes of [new Uint8Array(), new Uint8Array(8 * 1024 * 1024).fill(5)]) {
      const digest = await store.put(WORKSPACE, bytes, 'operational');
      expect((await store.get(WORKSPACE, digest))?.length).toBe(bytes.length);
    }
  });

  test(`${what} locks an artifact for as long as its class says`, async () => {
    const store = await (await under()).open();
    for (const [retention, days] of [
      ['operational', 30],
      ['compliance', 365],
      ['forensic', 2_555],
    ] as const) {
      const digest = await store.put(WORKSPACE, utf8(`of ${retention}`), retention);
      const lock = await store.lockOf(WORKSPACE, digest);
      const left = ((lock?.retainUntilMs ?? 0) - Date.now()) / DAY_MS;
      expect(left).toBeGreaterThan(days - 0.1);
      expect(left).toBeLessThan(days + 0.1);
      expect(await store.remove(WORKSPACE, digest)).toEqual({ outcome: 'kept', why: 'retention' });
    }
  });

  test(`${what} locks what a workspace keeps for longer until then, from the write on`, async () => {
    const longer: RetentionOf = async (workspace) => (workspace === WORKSPACE ? 400 : 365) * DAY_MS;
    const store = await (await under()).open(longer);
    for (const [workspace, days] of [
      [WORKSPACE, 400],
      [OTHER, 365],
    ] as const) {
      const digest = await store.put(workspace, utf8('kept for longer'), 'compliance');
      const lock = await store.lockOf(workspace, digest);
      const left = ((lock?.retainUntilMs ?? 0) - Date.now()) / DAY_MS;
      expect(left).toBeGreaterThan(days - 0.1);
      expect(left).toBeLessThan(days + 0.1);
      expect(await store.remove(workspace, digest)).toEqual({ outcome: 'kept', why: 'retention' });
    }
  });

  test(`${what} extends the retention of what is used again, and never shortens it`, async () => {
    const { open } = await under();
    const bytes = utf8('used again');
    const digest = await (await open(short)).put(WORKSPACE, bytes, 'compliance');
    const until = async () => (await (await open()).lockOf(WORKSPACE, digest))?.retainUntilMs ?? 0;
    expect(await until()).toBeLessThan(Date.now() + DAY_MS);
    await (await open()).put(WORKSPACE, bytes, 'compliance');
    const later = await until();
    expect(later).toBeGreaterThan(Date.now() + 364 * DAY_MS);
    await (await open(short)).put(WORKSPACE, bytes, 'compliance');
    await (await open()).put(WORKSPACE, bytes, 'operational');
    expect(await until()).toBe(later);
    expect(await (await open()).remove(WORKSPACE, digest)).toMatchObject({ outcome: 'kept' });
  });

  test(`${what} stores the same bytes once, however many put them at once`, async () => {
    const store = await (await under()).open();
    const bytes = utf8('at once');
    const digests = await Promise.all(
      Array.from({ length: 12 }, () => store.put(WORKSPACE, bytes, 'compliance')),
    );
    expect(new Set(digests).size).toBe(1);
    expect(await store.get(WORKSPACE, digests[0] ?? ('' as never))).toEqual(bytes);
  });

  test(`${what} never hands out bytes that are not what their digest says`, async () => {
    const { open, corrupt } = await under();
    const store = await open(short);
    const digest = await store.put(WORKSPACE, utf8('to be changed'), 'operational');
    await corrupt(WORKSPACE, digest.slice('sha256:'.length));
    const read = await store.get(WORKSPACE, digest).catch((error: Error) => error);
    expect(read).toBeInstanceOf(Error);
  });

  test(
    `${what} removes after retention and hold, and not before`,
    async () => {
      const { open } = await under();
      const store = await open(short);
      const [due, held] = [utf8('due'), utf8('held')];
      const one = await store.put(WORKSPACE, due, 'operational');
      const other = await store.put(WORKSPACE, held, 'operational');
      await store.setHold(WORKSPACE, other, true);
      await store.setHold(WORKSPACE, await digestOf(utf8('never there')), true);
      expect(await store.remove(WORKSPACE, one)).toEqual({ outcome: 'kept', why: 'retention' });
      await sleep(SHORT_MS + 1_200);
      expect((await store.lockOf(WORKSPACE, other))?.held).toBe(true);
      expect(await store.remove(WORKSPACE, other)).toEqual({ outcome: 'kept', why: 'hold' });
      expect(await store.remove(WORKSPACE, one)).toEqual({ outcome: 'removed' });
      expect(await store.get(WORKSPACE, one)).toBeUndefined();
      expect(await store.remove(WORKSPACE, one)).toEqual({ outcome: 'absent' });
      await store.setHold(WORKSPACE, other, false);
      expect(await store.remove(WORKSPACE, other)).toEqual({ outcome: 'removed' });
      // What is used again after that is there again.
      expect(await store.put(WORKSPACE, due, 'operational')).toBe(one);
      expect(await store.get(WORKSPACE, one)).toEqual(due);
    },
    TIMEOUT_MS,
  );

  test(
    `${what}: what is used again while it is removed stays whole, or was gone before`,
    async () => {
      const { open } = await under();
      const [before, now] = [await open(short), await open()];
      const all = Array.from({ length: 12 }, (_, i) => utf8(`used again ${i}`));
      const digests: Digest[] = [];
      for (const bytes of all) digests.push(await before.put(WORKSPACE, bytes, 'compliance'));
      await sleep(SHORT_MS + 1_200);
      await Promise.all(
        all.map(async (bytes, i) => {
          const digest = digests[i] ?? ('' as Digest);
          await Promise.all([
            now.remove(WORKSPACE, digest),
            sleep(i).then(() => now.put(WORKSPACE, bytes, 'compliance')),
          ]);
          expect(await now.get(WORKSPACE, digest)).toEqual(bytes);
          const until = (await now.lockOf(WORKSPACE, digest))?.retainUntilMs;
          expect(until).toBeGreaterThan(Date.now() + 300 * DAY_MS);
        }),
      );
    },
    TIMEOUT_MS,
  );

  test(`${what} writes an object of the log once, and refuses other bytes`, async () => {
    const store = await (await under()).open();
    await store.putLog(WORKSPACE, 'tile/0/000', utf8('a'));
    await store.putLog(WORKSPACE, 'tile/0/000', utf8('a'));
    await expect(store.putLog(WORKSPACE, 'tile/0/000', utf8('b'))).rejects.toThrow(/other bytes/);
    expect(text(await store.getLog(WORKSPACE, 'tile/0/000'))).toBe('a');
    expect(await store.getLog(WORKSPACE, 'tile/0/001')).toBeUndefined();
    expect(await store.getLog(OTHER, 'tile/0/000')).toBeUndefined();
  });

  test(`${what} lists artifacts by digest, in pages, with the time that they were written`, async () => {
    const store = await (await under()).open();
    const mine = `listing-${crypto.randomUUID().slice(0, 8)}` as WorkspaceId;
    expect(await store.listArtifacts(mine, '', 10)).toEqual([]);
    const beforeMs = Date.now();
    const digests: Digest[] = [];
    for (const retention of ['operational', 'compliance', 'forensic', 'compliance'] as const) {
      digests.push(await store.put(mine, utf8(`listed ${digests.length}`), retention));
    }
    digests.sort();
    const all = await store.listArtifacts(mine, '', 10);
    expect(all.map(({ digest }) => digest)).toEqual(digests);
    for (const { writtenMs } of all) expect(Math.abs(writtenMs - beforeMs)).toBeLessThan(20_000);
    const second = await store.listArtifacts(mine, digests[1] ?? '', 1);
    expect(second.map(({ digest }) => digest)).toEqual(digests.slice(2, 3));
    expect(await store.listArtifacts(mine, digests[3] ?? '', 10)).toEqual([]);
    expect(await store.listArtifacts(OTHER, '', 10)).not.toContainEqual(
      expect.objectContaining({ digest: digests[0] }),
    );
  });

  test(`${what} lists the names of a folder in order, and nothing that it keeps beside`, async () => {
    const store = await (await under()).open();
    for (const name of ['003', '001', '002']) {
      await store.putLog(WORKSPACE, `checkpoint/${name}`, utf8(name));
    }
    await store.putLog(WORKSPACE, 'checkpoint/x004/000', utf8('deeper'));
    expect(await store.listLog(WORKSPACE, 'checkpoint', 2)).toEqual(['001', '002']);
    expect(await store.listLog(WORKSPACE, 'checkpoint', 9)).toEqual(['001', '002', '003', 'x004']);
    expect(await store.listLog(WORKSPACE, 'nothing', 2)).toEqual([]);
  });

  test(`${what} refuses a path that could lead elsewhere`, async () => {
    const store = await (await under()).open();
    for (const path of ['..', '../x', 'a/../b', '/a', 'a//b', 'A', 'a.part', 'a.lock', '']) {
      await expect(store.putLog(WORKSPACE, path, utf8('x'))).rejects.toThrow(RangeError);
    }
  });
}
