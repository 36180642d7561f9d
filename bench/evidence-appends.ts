/**
 * Commits (state, entry, outbox row) of one process to PostgreSQL, by 16 writers of one workspace, by 64 of
 * 16 workspaces and by one alone, and entries in calls of 200; beside a plain transaction of the same
 * statements, transactions that only insert the same bytes, and SHA-256 of them. Nothing is random.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServices } from '@portarium/local/start-services';
import { type ChildLines, startChild } from './child-lines.ts';
import { type Case, type Measured, type Ratio, summarise } from './measure.ts';

const ROUNDS = 6;
const PER_CALL = 200;
const AIMS = { commits: 2_500, commitP99Ms: 50, over16: 4_000, entries: 20_000, alone: 1.1 };

interface Block {
  readonly name: string;
  readonly way: 'submit' | 'entries' | 'raw-commits' | 'plain-commits' | 'raw-entries' | 'sha256';
  readonly size: number;
  readonly inFlight: number;
  readonly workspaces: number;
}

const block = (
  name: string,
  way: Block['way'],
  size: number,
  inFlight = 1,
  workspaces = 1,
): Block => ({ name, way, size, inFlight, workspaces });

/** Peers follow what they are compared with. */
const BLOCKS = {
  commits: block('commit, 16 writers of a workspace', 'submit', 2_000, 16),
  over16: block('commit, 64 writers of 16 workspaces', 'submit', 3_000, 64, 16),
  rawCommits: block('raw inserts, 16 connections', 'raw-commits', 2_000, 16),
  alone: block('commit, alone', 'submit', 300),
  plainAlone: block('plain transaction, alone', 'plain-commits', 300),
  rawAlone: block('raw inserts, alone', 'raw-commits', 300),
  entries: block(`${PER_CALL} entries, 4 writers of a workspace`, 'entries', 80, 4),
  rawEntries: block(`raw insert of ${PER_CALL}, 4 connections`, 'raw-entries', 80, 4),
  sha256: block(`SHA-256 of ${PER_CALL}`, 'sha256', 100),
} as const;
type Name = keyof typeof BLOCKS;
const NAMES = Object.keys(BLOCKS) as Name[];

export async function measureAppends(tell: (text: string) => void): Promise<Measured> {
  tell('starting PostgreSQL');
  const dataDir = await mkdtemp(join(tmpdir(), 'portarium-bench-evidence-'));
  const services = await startServices({ dataDir, parts: ['postgres'] });
  const loop = startChild('control/src/testing/commit-loop.ts');
  try {
    const { ownerUrl, url: runtimeUrl } = services.postgres;
    loop.tell(JSON.stringify({ ownerUrl, runtimeUrl }));
    await loop.line();
    const cases = await measure(loop, tell);
    return { cases: NAMES.map((name) => cases[name]), ratios: ratiosOf(cases) };
  } finally {
    loop.stop();
    await services.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function measure(
  loop: ChildLines,
  tell: (text: string) => void,
): Promise<Readonly<Record<Name, Case>>> {
  const run = async ({ name: _, ...wanted }: Block) => {
    loop.tell(JSON.stringify({ ...wanted, perCall: PER_CALL }));
    return JSON.parse(await loop.line()) as { durations: number[]; elapsedMs: number };
  };
  const seen = NAMES.map((name) => ({ name, durations: [] as number[], elapsedMs: 0 }));
  for (const name of NAMES) await run({ ...BLOCKS[name], size: Math.ceil(BLOCKS[name].size / 4) });
  for (let round = 1; round <= ROUNDS; round++) {
    tell(`round ${round} of ${ROUNDS}`);
    for (const sum of seen) {
      const { durations, elapsedMs } = await run(BLOCKS[sum.name]);
      sum.durations.push(...durations);
      sum.elapsedMs += elapsedMs;
    }
  }
  return Object.fromEntries(
    seen.map(({ name, durations, elapsedMs }) => [
      name,
      summarise(BLOCKS[name].name, durations, elapsedMs),
    ]),
  ) as Record<Name, Case>;
}

function ratiosOf(cases: Readonly<Record<Name, Case>>): readonly Ratio[] {
  const { commits, over16, rawCommits, alone, plainAlone, entries, rawEntries, sha256 } = cases;
  return [
    atLeast('commits a second, one workspace', commits.perSecond, AIMS.commits),
    atMost('p99 milliseconds of these', commits.p99Ms, AIMS.commitP99Ms),
    atLeast('commits a second, 16 workspaces', over16.perSecond, AIMS.over16),
    atLeast('entries a second, in calls', entries.perSecond * PER_CALL, AIMS.entries),
    atMost('p50, commit alone / plain transaction', alone.p50Ms / plainAlone.p50Ms, AIMS.alone),
    told('commits / raw inserts, a second', commits.perSecond / rawCommits.perSecond),
    told('entries / raw inserts, a second', entries.perSecond / rawEntries.perSecond),
    told('SHA-256 / entries, a second', sha256.perSecond / entries.perSecond),
  ];
}

const judged = (name: string, value: number, aim: number, ok: boolean): Ratio => ({
  ...{ name, value, aim, ok },
  ...(ok ? {} : { missed: 'see docs/reference/proofs.md' }),
});
const atLeast = (name: string, value: number, aim: number) =>
  judged(name, value, aim, value >= aim);
const atMost = (name: string, value: number, aim: number) => judged(name, value, aim, value <= aim);
/** A comparison that nothing was promised of. */
const told = (name: string, value: number): Ratio => ({ name, value, aim: 0, ok: true });
