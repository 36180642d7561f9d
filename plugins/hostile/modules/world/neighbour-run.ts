/**
 * A host of its own: measures how long the attempts of a well-behaved plugin take, alone and beside another
 * workspace's hostile ones, in turns. Prints one line: {@link NeighbourReport}. `neighbour-run.ts RUNTIME`.
 */
import { CellPool } from '@portarium/sandbox/host/cell-pool';
import { prepareCellProgram } from '@portarium/sandbox/host/cell-program';
import { denoBinary } from '@portarium/sandbox/replay/deno-binary';
import { ATTACKS, type Attack, titleOf } from '../corpus.ts';
import { type Admitted, admitCase, attemptOf } from './in-cell.ts';

export interface NeighbourReport {
  readonly quiet: Times;
  readonly attacked: Times;
  /** Hostile attempts meanwhile. */
  readonly attacks: number;
}

interface Times {
  readonly n: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Turns of each kind, and attempts in a turn. */
const TURNS = 5;
const ATTEMPTS = 400;
const THINK_MS = 5;
/** Families that burn what machines have: processor, memory, pipes, and the host’s own time. */
const FAMILIES: ReadonlySet<string> = new Set(['loop', 'memory', 'depth', 'flood', 'host-call']);

const name = process.argv[2] === 'deno' ? 'deno' : 'bun';
const executable = name === 'deno' ? denoBinary() : process.execPath;
const program = await prepareCellProgram(process.env.PATH ?? '', {
  runtime: { name, executable },
});
const pool = new CellPool(program, { size: 4 });

const neighbour = await admitted(ATTACKS.find((one) => titleOf(one) === 'control: answers'));
const hostile: { one: Attack; module: Admitted }[] = [];
for (const one of ATTACKS) {
  if (!FAMILIES.has(one.family) || one.expect.stage !== 'run') continue;
  hostile.push({ one, module: await admitted(one) });
}

await turn(ATTEMPTS);
const times = { quiet: [] as number[], attacked: [] as number[] };
let attacks = 0;
for (let i = 0; i < TURNS; i++) {
  times.quiet.push(...(await turn(ATTEMPTS)));
  const stop = { now: false };
  const attacking = attack(stop);
  times.attacked.push(...(await turn(ATTEMPTS)));
  stop.now = true;
  await attacking;
}
const report: NeighbourReport = {
  quiet: timesOf(times.quiet),
  attacked: timesOf(times.attacked),
  attacks,
};
console.log(JSON.stringify(report));
await pool.close();
await program.remove();
process.exit(0);

async function admitted(one: Attack | undefined): Promise<Admitted> {
  if (!one) throw new Error('the corpus lacks the neighbour');
  const found = await admitCase(one);
  if ('stage' in found) throw new Error(`${titleOf(one)} is not admitted`);
  return found;
}

/** One hostile attempt after the other. */
async function attack(stop: { now: boolean }): Promise<void> {
  while (!stop.now) {
    const next = hostile[attacks++ % hostile.length];
    if (!next) return;
    await attemptOf(pool, next.module, { workspace: 'south', input: next.one.input ?? '' });
  }
}

async function turn(count: number): Promise<number[]> {
  const durations: number[] = [];
  for (let i = 0; i < count; i++) {
    await Bun.sleep(THINK_MS);
    const started = performance.now();
    const end = await attemptOf(pool, neighbour, { workspace: 'north', input: '' });
    durations.push(performance.now() - started);
    if (end.output !== 'held') throw new Error(`the neighbour failed: ${end.texts.join(' ')}`);
  }
  return durations;
}

function timesOf(durations: number[]): Times {
  const sorted = durations.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0;
  return { n: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99) };
}
