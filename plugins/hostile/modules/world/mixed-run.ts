/**
 * A host of its own: runs good and hostile attempts mixed, at full concurrency, and prints one line about
 * them and about itself before and after: {@link MixedReport}. `mixed-run.ts ATTEMPTS RUNTIME`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { CellPool } from '@portarium/sandbox/host/cell-pool';
import { prepareCellProgram } from '@portarium/sandbox/host/cell-program';
import { startHealthServer } from '@portarium/sandbox/host/health-server';
import { denoBinary } from '@portarium/sandbox/replay/deno-binary';
import fc from 'fast-check';
import { ATTACKS, type Attack, titleOf } from '../corpus.ts';
import { CANARY, ENDINGS, type Ending, inputOf, MARKER, markerOf } from './canary.ts';
import { type HealthReport, watchHealth } from './health-watch.ts';
import { type Admitted, admitCase, attemptOf, type CaseEnd } from './in-cell.ts';
import { problemsOf } from './judge.ts';

export interface MixedReport {
  readonly attempts: number;
  readonly hostile: number;
  /** Verdicts that are not as expected, and markers where they may not be. */
  readonly problems: readonly string[];
  /** Cells that ran attempts, and the most attempts of one. */
  readonly cells: number;
  readonly mostOfOneCell: number;
  /** Cells that served two workspaces or two modules. */
  readonly shared: readonly string[];
  readonly before: Footprint;
  readonly after: Footprint;
  readonly mostProcesses: number;
  readonly seconds: number;
  readonly health: HealthReport;
}

interface Footprint {
  readonly processes: number;
  readonly descriptors: number;
  readonly residentMiB: number;
}

/** Places of the pool: more than the machine has processors, so that cells always wait for each other. */
const PLACES = 8;
const SPARES = 2;
const WORKSPACES = ['north', 'east', 'south', 'west'];
/** Every so many attempts one is hostile. */
const HOSTILE_EVERY = 5;
/** Attempts before the first measurement: what a host needs anyhow is then there. */
const WARM_UP = 40;
const SEED = 20_261_129;

const total = Number(process.argv[2] ?? '100');
const runtime =
  process.argv[3] === 'deno'
    ? ({ name: 'deno', executable: denoBinary() } as const)
    : ({ name: 'bun', executable: process.execPath } as const);

const program = await prepareCellProgram(process.env.PATH ?? '', { runtime });
const health = await startHealthServer(0, () => ({ ready: true, reasons: [], details: {} }));
const { canary, attacks } = await admitAll();
const pool = { current: newPool() };
const workspacesOf = new Map<string, Set<string>>();
const attemptsIn = new Map<string, number>();
const problems: string[] = [];
let mostProcesses = 0;

await runMixed(0, WARM_UP);
const before = await restingFootprint();
const watch = watchHealth(`http://127.0.0.1:${health.port}/livez`);
const started = performance.now();
const hostile = await runMixed(WARM_UP, WARM_UP + total);
const seconds = (performance.now() - started) / 1_000;
const healthReport = await watch.report();
const after = await restingFootprint();

const report: MixedReport = {
  ...{ attempts: total, hostile, problems: problems.slice(0, 50), before, after, mostProcesses },
  cells: attemptsIn.size,
  mostOfOneCell: Math.max(...attemptsIn.values()),
  shared: [...workspacesOf].filter(([, users]) => users.size > 1).map(([cell]) => cell),
  seconds: Math.round(seconds * 10) / 10,
  health: healthReport,
};
console.log(JSON.stringify(report));
await pool.current.close();
await health.close();
await program.remove();
process.exit(0);

function newPool(): CellPool {
  return new CellPool(program, { size: PLACES, spares: SPARES });
}

/** Modules are assembled and admitted before anything is measured. */
async function admitAll() {
  const admit = async (one: Pick<Attack, 'module' | 'limits'>) => {
    const admitted = await admitCase({
      ...one,
      name: '',
      danger: '',
      expect: { stage: 'run', output: '' },
    });
    if ('stage' in admitted) throw new Error(`not admitted: ${admitted.texts.join(' ')}`);
    return admitted;
  };
  const runnable = ATTACKS.filter((one) => one.expect.stage === 'run' && one.family !== 'control');
  const chosen = fc.sample(fc.shuffledSubarray(runnable, { minLength: runnable.length }), {
    ...{ seed: SEED, numRuns: 1 },
  })[0];
  const attacks: { one: Attack; admitted: Admitted }[] = [];
  for (const one of chosen?.slice(0, total) ?? []) {
    const admitted = await admitCase(one);
    if (!('stage' in admitted)) attacks.push({ one, admitted });
  }
  return { canary: await admit(CANARY), attacks };
}

/** @returns how many of them were hostile */
async function runMixed(from: number, to: number): Promise<number> {
  let next = from;
  let hostileCount = 0;
  // Each asks for one workspace, so that a cell has the next attempt of its own to serve.
  const work = async (workspace: string) => {
    while (next < to) {
      const attempt = next++;
      if (attempt % HOSTILE_EVERY === 0) {
        hostileCount++;
        await attackOnce(attempt / HOSTILE_EVERY, workspace);
      } else await canaryOnce(attempt, workspace);
      if (attempt % 50 === 0) countProcesses();
    }
  };
  await Promise.all(
    Array.from({ length: PLACES }, (_, i) => work(WORKSPACES[i % WORKSPACES.length] ?? '')),
  );
  return hostileCount;
}

async function attackOnce(index: number, workspace: string): Promise<void> {
  const attack = attacks[index % attacks.length];
  if (!attack) return;
  const { one, admitted } = attack;
  const end = await attemptOf(pool.current, admitted, { workspace, input: one.input ?? '' });
  note(end, `${workspace} ${admitted.moduleDigest}`);
  const wrong = [...problemsOf(one, [end]), ...strangers(end, undefined)];
  problems.push(...wrong.map((what) => `${titleOf(one)}: ${what}`));
}

async function canaryOnce(attempt: number, workspace: string): Promise<void> {
  const ending = endingOf(attempt);
  const marker = markerOf(attempt);
  const input = inputOf(attempt, ending);
  const end = await attemptOf(pool.current, canary, { workspace, input });
  note(end, `${workspace} ${canary.moduleDigest}`);
  const expected = {
    codes: ENDINGS[ending] === undefined ? [] : [ENDINGS[ending]],
    output: ending === 'o' ? marker : undefined,
    // A cell that is killed may have told its log before.
    marks: ending === 'e' ? 2 : 1,
  };
  const marks = end.texts.filter((text) => text === marker).length;
  const right =
    end.codes.join() === expected.codes.join() &&
    end.output === expected.output &&
    marks === expected.marks;
  if (!right) {
    const told = JSON.stringify([end.codes, end.output, end.texts]).slice(0, 300);
    problems.push(`canary ${attempt} (${ending}): ${told}`);
  }
  problems.push(...strangers(end, marker).map((what) => `canary ${attempt}: ${what}`));
}

/** Most say their marker; one in ten fails, one in fifty traps, one in two hundred is killed. */
function endingOf(attempt: number): Ending {
  if (attempt % 200 === 7) return 'l';
  if (attempt % 50 === 13) return 't';
  return attempt % 10 === 1 ? 'e' : 'o';
}

/** Markers of other attempts in what is known of this one. */
function strangers(end: CaseEnd, own: string | undefined): string[] {
  return [...end.texts, end.output ?? '']
    .flatMap((text) => text.match(MARKER) ?? [])
    .filter((marker) => marker !== own)
    .map((marker) => `sees ${marker}`);
}

function note({ cell }: CaseEnd, user: string): void {
  if (cell === undefined) return;
  const users = workspacesOf.get(cell) ?? new Set();
  workspacesOf.set(cell, users.add(user));
  attemptsIn.set(cell, (attemptsIn.get(cell) ?? 0) + 1);
}

/** Processes below this one, at any depth; without starting another one to look. */
function countDescendants(): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent === process.pid || (parent !== undefined && parent > 1 && isBelow(parent));
  };
  return [...parents.keys()].filter(isBelow).length;
}

function countProcesses(): void {
  mostProcesses = Math.max(mostProcesses, countDescendants());
}

/** Of the host alone: its pool is closed, and a new one stands ready for what follows. */
async function restingFootprint(): Promise<Footprint> {
  await pool.current.close();
  Bun.gc(true);
  await Bun.sleep(300);
  const footprint = {
    processes: countDescendants(),
    descriptors: readdirSync('/proc/self/fd').length,
    residentMiB: residentMiB(),
  };
  pool.current = newPool();
  return footprint;
}

function residentMiB(): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
  return Math.round(Number(kibibytes) / 1024);
}
