/** Verifies a bundle and replays its attempts, one after the other, on each engine that is asked for. */
import { readTar } from '@portarium/contracts/tar';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import type { Verdict } from '@portarium/contracts/verify-report';
import { type ReadAttempt, readAttempts } from './read-attempts.ts';
import { type ReplayOptions, replayAttempt } from './replay-attempt.ts';
import type { EngineName, ReplayEngine } from './replay-engine.ts';
import type { ReplayResult } from './replay-finding.ts';
import { signedStories } from './signed-stories.ts';

/** One line of the output: an attempt, and what each engine makes of it. */
export interface AttemptReport {
  readonly action: string;
  readonly attempt: string;
  readonly number: number;
  /** On record. */
  readonly verdict: string;
  readonly results: readonly (ReplayResult & {
    readonly engine: EngineName;
    readonly ms: number;
  })[];
  /** Why no engine could try. */
  readonly reason?: string;
}

/** The last line. `ok` only when everything was replayed and agrees. */
export interface ReplaySummary {
  readonly ok: boolean;
  readonly attempts: number;
  /** Attempts that differ on some engine, and those that some engine could not replay. */
  readonly findings: number;
  readonly notReplayable: number;
  /** What verification says of the bundle. */
  readonly bundle: Verdict;
  /** Why nothing was replayed. */
  readonly reason?: string;
}

/** 0 all agree, 1 a difference or a falsified bundle, 2 unreadable, 3 not replayable. */
export type ReplayExitCode = 0 | 1 | 2 | 3;

export interface BundleReplay extends ReplayOptions {
  readonly engines: readonly ReplayEngine[];
  /** Only this action's attempts. */
  readonly action?: string | undefined;
  /** Verifier key to believe; without one the bundle is only checked against itself. */
  readonly pin?: string | undefined;
  onAttempt(report: AttemptReport): void;
}

export async function replayBundle(
  tar: Uint8Array,
  replay: BundleReplay,
): Promise<{ readonly summary: ReplaySummary; readonly exitCode: ReplayExitCode }> {
  const verified = await verifyBundle(tar, { pin: replay.pin });
  const { verdict } = verified;
  const archive = readTar(tar);
  if (verdict === 'unreadable' || verdict === 'falsified' || !archive.ok) {
    const why = verified.findings[0];
    const summary = nothing(verdict, why ? `${why.rule}: ${why.message}` : verdict);
    return { summary, exitCode: verdict === 'falsified' ? 1 : 2 };
  }
  const stories = await signedStories(archive.files, verified.checkpoint?.size ?? 0);
  const counts = { attempts: 0, findings: 0, notReplayable: 0 };
  for (const [action, story] of stories) {
    if (replay.action !== undefined && replay.action !== action) continue;
    for (const read of await readAttempts(archive.files, action, story)) {
      const report = await replayOn(read, replay);
      counts.attempts++;
      if (report.results.some(({ status }) => status === 'differs')) counts.findings++;
      else if (!report.results.every(({ status }) => status === 'agrees') || report.reason) {
        counts.notReplayable++;
      }
      replay.onAttempt(report);
    }
  }
  if (counts.attempts === 0) {
    const of = replay.action === undefined ? '' : ` of ${replay.action}`;
    return { summary: nothing(verdict, `no signed attempt${of} is in the bundle`), exitCode: 3 };
  }
  const exitCode = counts.findings > 0 ? 1 : counts.notReplayable > 0 ? 3 : 0;
  return { summary: { ok: exitCode === 0, ...counts, bundle: verdict }, exitCode };
}

function nothing(bundle: Verdict, reason: string): ReplaySummary {
  return { ok: false, attempts: 0, findings: 0, notReplayable: 0, bundle, reason };
}

async function replayOn(read: ReadAttempt, replay: BundleReplay): Promise<AttemptReport> {
  const { action, attempt, number, verdict } = read;
  const about = { action, attempt, number, verdict };
  if (!read.ok) return { ...about, results: [], reason: read.reason };
  const results: AttemptReport['results'][number][] = [];
  for (const { name, cell } of replay.engines) {
    const started = performance.now();
    const result = await replayAttempt(read.recorded, cell, replay);
    results.push({ engine: name, ms: Math.round(performance.now() - started), ...result });
  }
  return { ...about, results };
}
