/**
 * Carries cases out as one sandbox host would, without a Control Plane: admission, the pool of cells,
 * and one attempt or several. Requests are judged by the broker's rules, and none leaves.
 */
import { readFileSync } from 'node:fs';
import { admit } from '@portarium/admission/admit';
import { parseStrictJson } from '@portarium/contracts/canonical-json';
import { effectiveLimits } from '@portarium/contracts/limits';
import { configDefaults, type Manifest, ManifestSchema } from '@portarium/contracts/manifest';
import type { CellPool } from '@portarium/sandbox/host/cell-pool';
import { type GuestOutcome, runGuest } from '@portarium/sandbox/host/run-guest';
import { RecordedEgress } from '@portarium/sandbox/trial/recorded-egress';
import * as v from 'valibot';
import { manifestOf, moduleOf } from '../corpus.ts';
import type { ModuleCase } from '../module-case.ts';

/** Of every action of the corpus. */
const SEED = '5e'.repeat(32);
const START_TIME = '2026-11-23T10:00:00.000Z';

export interface CaseEnd {
  readonly stage: 'upload' | 'admission' | 'run';
  /** Rules of the findings, or the attempt's error. */
  readonly codes: readonly string[];
  readonly output?: string;
  /** Every text that a person may be shown. */
  readonly texts: readonly string[];
  readonly usage?: GuestOutcome['outcome']['usage'];
  /** The cell that it ran in: its process, which no other one is ever called. */
  readonly cell?: string;
}

export interface Admitted {
  readonly manifest: Manifest;
  readonly module: Uint8Array;
  readonly moduleDigest: string;
}

/** @returns one end for each attempt of the case */
export async function attemptsOf(
  pool: CellPool,
  admitted: Admitted,
  one: ModuleCase,
  workspace = 'local',
): Promise<readonly CaseEnd[]> {
  const ends: CaseEnd[] = [];
  for (let attempt = 0; attempt < (one.attempts ?? 1); attempt++) {
    ends.push(await attemptOf(pool, admitted, { workspace, input: one.input ?? '' }));
  }
  return ends;
}

export async function admitCase(one: ModuleCase): Promise<Admitted | CaseEnd> {
  const manifest = readManifest(manifestOf(one));
  if (!manifest) return { stage: 'upload', codes: [], texts: [] };
  const admission = await admit(await moduleOf(one), manifest, effectiveLimits(manifest.limits));
  if (admission.ok) return { manifest, ...admission };
  const { findings } = admission;
  return {
    stage: 'admission',
    codes: findings.map(({ rule }) => rule),
    texts: findings.flatMap(({ message, hint, at = '' }) => [message, hint, at]),
  };
}

function readManifest(text: string): Manifest | undefined {
  try {
    const parsed = v.safeParse(ManifestSchema, parseStrictJson(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

export async function attemptOf(
  pool: CellPool,
  { manifest, module, moduleDigest }: Admitted,
  of: { readonly workspace: string; readonly input: string },
): Promise<CaseEnd> {
  const [operation] = manifest.operations;
  if (!operation) throw new Error('a manifest without an operation was read');
  const { workspace, input } = of;
  const limits = effectiveLimits(manifest.limits);
  const acquired = await pool.acquire(
    { workspace, moduleDigest, memoryMiB: limits.memoryMiB },
    module,
  );
  if (!acquired.ok) return { stage: 'run', codes: [acquired.code], texts: [acquired.message] };
  const contract = { plugin: [], operator: [], networks: [], approval: [] };
  const { cell } = acquired;
  const name = processName(cell.process.pid);
  let reusable = false;
  try {
    const run = await runGuest(
      cell.process,
      {
        ...{ operation, limits, seed: SEED, startTime: START_TIME },
        input: Buffer.from(input).toString('base64'),
        config: configDefaults(manifest),
      },
      new RecordedEgress({ contract, effect: operation.effect }, limits, []),
      new AbortController().signal,
    );
    reusable = run.reusable;
    return { stage: 'run', cell: name, ...endOf(run) };
  } finally {
    await cell.release(reusable);
  }
}

/** The id with the time at which it started: ids are used again (`man 5 proc_pid_stat`, field 22). */
function processName(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return `${pid}@${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return String(pid);
  }
}

function endOf({ outcome }: GuestOutcome): Pick<CaseEnd, 'codes' | 'output' | 'texts' | 'usage'> {
  const { error, output, logs = [], usage } = outcome;
  return {
    codes: error ? [error.code] : [],
    ...(output === undefined ? {} : { output: Buffer.from(output, 'base64').toString() }),
    texts: [...(error ? [error.message] : []), ...logs.map(({ message }) => message)],
    usage,
  };
}
