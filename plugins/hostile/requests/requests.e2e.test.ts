import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCount } from '@portarium/contracts/testing/run-count';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { readCorpus } from './corpus.ts';
import { namespaceProblem } from './world/namespace.ts';
import type { CaseResult } from './world/run.ts';
import { spawnRun } from './world/spawn-run.ts';

const problem = namespaceProblem();
if (problem !== undefined) console.warn(`skipped: hostile requests: ${problem}`);

const SEED = 20_261_127;
/** Which cases, as an expression over `family: name`; all of those instead of a sample. */
const ONLY = process.env.PORTARIUM_REQUESTS;
const ALL = readCorpus().flatMap(({ cases }) => cases);
const SAMPLE = runCount(50, ALL.length);

let folder = '';
let results: CaseResult[] = [];
let bundle = new Uint8Array();
let pin = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portarium-requests-'));
  if (problem !== undefined) return;
  const run = await spawnRun(folder, [
    '--stack',
    ...(ONLY === undefined ? [`--sample=${SAMPLE}`, `--seed=${SEED}`] : [`--only=${ONLY}`]),
  ]);
  results = run.results;
  bundle = new Uint8Array(readFileSync(join(run.scratch, 'bundle.tar')));
  pin = readFileSync(join(run.scratch, 'pin'), 'utf8');
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.skipIf(problem !== undefined)(
  `hostile requests of a guest end as the corpus says in the whole product, and each denial is evidence (seed ${SEED})`,
  () => {
    expect(results.length).toBeGreaterThanOrEqual(ONLY === undefined ? SAMPLE : 1);
    expect(results.filter(({ problems }) => problems.length > 0)).toEqual([]);
  },
);

test.skipIf(problem !== undefined)(
  'the evidence of all hostile requests verifies offline',
  async () => {
    const report = await verifyBundle(bundle, { pin });
    expect([report.verdict, report.findings]).toEqual(['verified', []]);
    expect(report.actions).toBe(results.length);
  },
);
