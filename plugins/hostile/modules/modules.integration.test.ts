import { afterAll, beforeAll, expect, test } from 'bun:test';
import { availableParallelism } from 'node:os';
import { CellPool } from '@portarium/sandbox/host/cell-pool';
import { type CellProgram, prepareCellProgram } from '@portarium/sandbox/host/cell-program';
import type { Runtime } from '@portarium/sandbox/isolation/runtime';
import { denoBinary } from '@portarium/sandbox/replay/deno-binary';
import { ATTACKS, type Attack, FAMILIES, titleOf } from './corpus.ts';
import { admitCase, attemptsOf } from './world/in-cell.ts';
import { problemsOf } from './world/judge.ts';

/** At once in each pool. */
const CELLS = Math.max(2, Math.min(4, availableParallelism()));
const TIMEOUT_MS = 180_000;

const RUNTIMES: readonly Runtime[] = [
  { name: 'bun', executable: process.execPath },
  { name: 'deno', executable: denoBinary() },
];
const programs: CellProgram[] = [];
const pools = new Map<Runtime['name'], CellPool>();
beforeAll(async () => {
  for (const runtime of RUNTIMES) {
    const program = await prepareCellProgram(process.env.PATH ?? '', { runtime });
    programs.push(program);
    pools.set(runtime.name, new CellPool(program, { size: CELLS }));
  }
});
afterAll(async () => {
  await Promise.all([...pools.values()].map((pool) => pool.close()));
  await Promise.all(programs.map((program) => program.remove()));
});

test('the corpus has no two cases of a name', () => {
  const titles = ATTACKS.map(titleOf);
  expect(new Set(titles).size).toBe(titles.length);
  expect(titles.length).toBeGreaterThanOrEqual(150);
});

for (const { name } of FAMILIES) {
  test(
    `every module of the family ${name} gets its verdict, in cells of Bun and of Deno`,
    async () => {
      const left = ATTACKS.filter((one) => one.family === name);
      const wrong: string[] = [];
      const work = async () => {
        for (let one = left.shift(); one; one = left.shift()) wrong.push(...(await tryCase(one)));
      };
      await Promise.all(Array.from({ length: CELLS }, work));
      expect(wrong).toEqual([]);
    },
    TIMEOUT_MS,
  );
}

/** Admitted once, as the rules know no runtime; run in cells of each. */
async function tryCase(one: Attack): Promise<string[]> {
  const admitted = await admitCase(one);
  if ('stage' in admitted) return problemsOf(one, [admitted]).map((what) => told(one, what));
  const wrong: string[] = [];
  for (const [runtime, pool] of pools) {
    const ends = await attemptsOf(pool, admitted, one);
    wrong.push(...problemsOf(one, ends).map((what) => told(one, `on ${runtime} ${what}`)));
  }
  return wrong;
}

const told = (one: Attack, what: string) => `${titleOf(one)}: ${what}`;
