import { afterAll, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { runCount } from '@portarium/contracts/testing/run-count';
import fc from 'fast-check';
import { encodeFrame } from '../cell/wire.ts';
import { type Acquired, type CellKey, type CellLease, CellPool } from './cell-pool.ts';
import type { CellProgram } from './cell-program.ts';

/** Speaks as a cell does that starts and binds, in a process that starts in a millisecond. */
const octal = (bytes: Uint8Array) =>
  [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
const READY = octal(encodeFrame(0, { type: 'ready' }));
const BOUND = octal(encodeFrame(1, { type: 'bound' }));
const program: CellProgram = {
  command: '/bin/sh',
  args: ['-c', `printf '${READY}'; head -c 1 >/dev/null; printf '${BOUND}'; exec cat >/dev/null`],
  diesWithHost: false,
  isolation: 'process',
  missing: {},
  remove: async () => undefined,
};

const pools: CellPool[] = [];
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.close()));
});

const MODULE = new Uint8Array(8);
const SIZE = 3;
const MAX_ATTEMPTS = 4;

type Step =
  | { readonly kind: 'arrive'; readonly key: CellKey }
  | { readonly kind: 'end'; readonly which: number; readonly reusable: boolean }
  | { readonly kind: 'die'; readonly which: number };

const key = fc.record({
  workspace: fc.constantFrom('a', 'b', 'c'),
  moduleDigest: fc.constantFrom('one', 'two'),
  memoryMiB: fc.constantFrom(16, 64),
  isolation: fc.constantFrom(undefined, undefined, 'attempt' as const),
});
const which = fc.nat(SIZE - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('arrive' as const), key }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('end' as const), which, reusable: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('die' as const), which }) },
);

/** Watches every promise of the pool while attempts come and go. */
class Watched {
  readonly pool = new CellPool(program, { size: SIZE, spares: 1, maxAttempts: MAX_ATTEMPTS });
  readonly #running: { readonly key: CellKey; readonly lease: CellLease }[] = [];
  readonly #arrived: Promise<unknown>[] = [];
  /** What each process was bound to, and how often it was used. */
  readonly #uses = new Map<number, { readonly name: string; count: number; own: boolean }>();
  served = 0;

  arrive(wanted: CellKey): void {
    const acquired = this.pool.acquire(wanted, MODULE);
    this.#arrived.push(acquired.then((cell) => this.#begin(wanted, cell)));
  }

  async end(place: number, reusable: boolean): Promise<void> {
    const [attempt] = this.#running.splice(place, 1);
    await attempt?.lease.release(reusable);
  }

  die(place: number): void {
    const attempt = this.#running[place];
    try {
      if (attempt) process.kill(attempt.lease.process.pid, 'SIGKILL');
    } catch {
      // It was killed a step before.
    }
  }

  /** Ends attempts until everybody who came was served. */
  async finish(): Promise<void> {
    let open = true;
    const all = Promise.all(this.#arrived).then(() => {
      open = false;
    });
    while (open || this.#running.length > 0) {
      await this.end(0, true);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await all;
  }

  get processes(): readonly number[] {
    return [...this.#uses.keys()];
  }

  #begin(wanted: CellKey, acquired: Acquired): void {
    if (!acquired.ok) throw new Error(acquired.message);
    const { pid } = acquired.cell.process;
    this.served++;
    expect(this.#running.map(({ lease }) => lease.process.pid)).not.toContain(pid);
    this.#running.push({ key: wanted, lease: acquired.cell });
    expect(this.#running.length).toBeLessThanOrEqual(SIZE);
    const name = `${wanted.workspace} ${wanted.moduleDigest} ${wanted.memoryMiB}`;
    const own = wanted.isolation === 'attempt';
    const use = this.#uses.get(pid) ?? { name, count: 0, own };
    expect([use.name, use.own && use.count > 0, own && use.count > 0]).toEqual([
      name,
      false,
      false,
    ]);
    use.count++;
    expect(use.count).toBeLessThanOrEqual(MAX_ATTEMPTS);
    this.#uses.set(pid, use);
    const { idle, busy } = this.pool.counts;
    expect(idle + busy).toBeLessThanOrEqual(SIZE);
  }
}

test('whatever arrives, ends and dies: no cell is shared, everybody is served, nothing is left', async () => {
  const steps = fc.array(step, { minLength: 1, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const watched = new Watched();
      pools.push(watched.pool);
      for (const one of list) {
        if (one.kind === 'arrive') watched.arrive(one.key);
        if (one.kind === 'end') await watched.end(one.which, one.reusable);
        if (one.kind === 'die') watched.die(one.which);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await watched.finish();
      expect(watched.served).toBe(list.filter(({ kind }) => kind === 'arrive').length);
      expect(watched.pool.counts).toMatchObject({ busy: 0, waiting: 0 });
      await watched.pool.close();
      expect(watched.processes.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
    }),
    { numRuns: runCount(15, 500) },
  );
}, 600_000);

test('who waits for a place in vain is told so, and holds none', async () => {
  const pool = new CellPool(program, { size: 1, spares: 1, waitMs: 20 });
  pools.push(pool);
  const wanted = { workspace: 'a', moduleDigest: 'one', memoryMiB: 16 };
  const first = await pool.acquire(wanted, MODULE);
  if (!first.ok) throw new Error(first.message);
  expect(await pool.acquire({ ...wanted, workspace: 'b' }, MODULE)).toEqual({
    ok: false,
    code: 'host.resource',
    message: expect.stringContaining('no cell was free within 0.02 s'),
  });
  await first.cell.release(true);
  const entered = await pool.enter('b');
  if (!entered.ok) throw new Error(entered.message);
  entered.place.leave();
  entered.place.leave();
  expect((await pool.acquire(wanted, MODULE)).ok).toBe(true);
});

test('a pool that drains turns away who waits, and lets those that run finish', async () => {
  const pool = new CellPool(program, { size: 1, spares: 1 });
  pools.push(pool);
  const wanted = { workspace: 'a', moduleDigest: 'one', memoryMiB: 16 };
  const first = await pool.acquire(wanted, MODULE);
  if (!first.ok) throw new Error(first.message);
  const waiting = pool.enter('b');
  pool.drain();
  expect(await waiting).toEqual({ ok: false, message: 'this sandbox host is stopping' });
  expect(first.cell.process.alive).toBe(true);
  await first.cell.release(true);
});

test('an idle cell is given up for the workspace that needs one, by the workspace that has most', async () => {
  const pool = new CellPool(program, { size: 3, spares: 1 });
  pools.push(pool);
  const use = async (workspace: string, moduleDigest: string) => {
    const acquired = await pool.acquire({ workspace, moduleDigest, memoryMiB: 16 }, MODULE);
    if (!acquired.ok) throw new Error(acquired.message);
    await acquired.cell.release(true);
    return acquired.cell.process;
  };
  const lone = await use('a', 'one');
  const many = [await use('b', 'one'), await use('b', 'two')];
  await use('c', 'one');
  expect(lone.alive).toBe(true);
  await many[0]?.ended;
  expect(many.map(({ alive }) => alive)).toEqual([false, true]);
});
