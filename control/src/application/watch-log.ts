/**
 * Background verification of a workspace's log: its end whenever it grows, all of it in rounds, a sample of its
 * artifacts each day. Everything in bounded steps; where it has got to is kept, and so is what it finds.
 */
import { checkpointOfNote } from '@portarium/contracts/checkpoint';
import { toHex } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { WATCH_LIMITS } from '@portarium/contracts/limits';
import { openCheckpoint } from '@portarium/contracts/verify-log';
import { Findings } from '@portarium/contracts/verify-report';
import * as v from 'valibot';
import { catchUp, checkArtifacts, drawArtifacts } from './check-artifacts.ts';
import { checkWindow, type LogWindow, StoredTree } from './check-window.ts';
import type { Context } from './context.ts';
import { logTree } from './log-tree.ts';
import { timeText } from './ports/clock.ts';
import type { CheckpointRecord } from './ports/log-store.ts';
import type { KeptFinding, NamedArtifact, WatchFinding } from './ports/watch-store.ts';
import { settleFindings } from './settle-findings.ts';
import { newestStored } from './stored-log.ts';

export type WatchContext = Pick<
  Context,
  | 'store'
  | 'sealerStore'
  | 'objects'
  | 'signer'
  | 'clock'
  | 'catalogue'
  | 'verificationLock'
  | 'watchMetrics'
>;

const position = v.pipe(v.number(), v.integer(), v.minValue(0));

export const VerificationStateSchema = v.object({
  /** Entries, from the first, that were checked against a stored checkpoint. */
  verified: v.optional(position, 0),
  /** Of the largest checkpoint that was seen in the evidence store. */
  storedSize: v.optional(position, 0),
  /** When the end was checked last; RFC 3339. */
  checkedAt: v.optional(v.string()),
  /** Where the round over the whole log stands; absent between two rounds. */
  roundAt: v.optional(position),
  roundStartedAt: v.optional(v.string()),
  roundFinishedAt: v.optional(v.string()),
  /** Artifacts of the newest sample. */
  sampled: v.optional(position, 0),
  sampledAt: v.optional(v.string()),
});
export type VerificationState = v.InferOutput<typeof VerificationStateSchema>;

export interface WatchOptions {
  /** Begins a round and a sample at once, and goes on with the round as far as one run may. */
  readonly now?: boolean;
}

/**
 * @returns whether there is more to do soon: entries or a round to go on with, or findings to look at again
 * @throws InfraError when database or store are away: then nothing is found, and nothing is cleared
 */
export function watchLog(
  context: WatchContext,
  workspace: WorkspaceId,
  options: WatchOptions = {},
): Promise<boolean> {
  return context.verificationLock.hold(workspace, () => watchHeld(context, workspace, options));
}

async function watchHeld(
  context: WatchContext,
  workspace: WorkspaceId,
  { now = false }: WatchOptions,
): Promise<boolean> {
  // The store first: what it signs has been committed before.
  const stored = await newestStored(context, workspace);
  const { before, open, size, record } = await context.sealerStore.read(workspace, async (tx) => ({
    before: v.parse(VerificationStateSchema, (await tx.watchState('verification')) ?? {}),
    open: await tx.watchFindings('verification'),
    record: await tx.checkpoint(),
    size: await tx.logSize(),
  }));
  const tree = stored && new StoredTree(context, workspace, stored);
  const run = new Run(context, workspace, tree);
  const found = await checkCheckpoints(context, workspace, { before, size, record, tree });
  const state = await run.walk(before, size, now);
  await run.lookAgain(open, size);
  const artifacts = await sampleDue(context, workspace, { before, open, now });
  const at = timeText(context.clock.nowMs());
  const kept = await settleFindings(context, workspace, 'verification', {
    found: [...found, ...run.findings, ...artifacts.findings],
    looked: ({ rule, subject, seq }) => {
      if (rule.startsWith('checkpoint.')) return true;
      if (rule.startsWith('artifact.')) return artifacts.looked.has(subject);
      return seq !== undefined && run.covers(seq);
    },
    state: {
      ...state,
      storedSize: Math.max(before.storedSize, tree?.size ?? 0),
      checkedAt: at,
      ...(artifacts.sampled === undefined ? {} : { sampled: artifacts.sampled, sampledAt: at }),
    },
  });
  context.watchMetrics.verified(workspace, run.entries);
  context.watchMetrics.verifiedNow(workspace);
  return kept.length > 0 || state.roundAt !== undefined || state.verified < (tree?.size ?? 0);
}

/** What the signed notes say of each other and of the log's size. */
async function checkCheckpoints(
  context: WatchContext,
  workspace: WorkspaceId,
  log: {
    readonly before: VerificationState;
    readonly size: number;
    readonly record: CheckpointRecord | undefined;
    readonly tree: StoredTree | undefined;
  },
): Promise<readonly WatchFinding[]> {
  const { before, size, record, tree } = log;
  const findings = new Findings();
  const storedSize = tree?.size ?? 0;
  if (storedSize < before.storedSize) {
    const message = `a checkpoint over ${before.storedSize} entries was in the evidence store, and the newest there now is over ${storedSize}`;
    findings.add('checkpoint.missing', message);
  }
  const signed = Math.max(storedSize, record?.size ?? 0);
  if (signed > size) {
    const message = `${signed} entries are signed, the log has ${size}: the end was cut off`;
    findings.add('checkpoint.size', message, size);
  }
  if (record) {
    const keys = context.signer.verifierKeys(workspace);
    const opened = await openCheckpoint(record.note, keys, 'checkpoint', findings);
    const origin = context.signer.origin(workspace);
    if (opened && opened.checkpoint.origin !== origin) {
      const message = `signed for ${opened.checkpoint.origin}, expected ${origin}`;
      findings.add('checkpoint.origin', message);
    }
  }
  if (record && record.size <= size) {
    const note = checkpointOfNote(record.note);
    const mine = await rootOf(context, workspace, record.size);
    if (note && mine !== toHex(note.root)) {
      findings.add(
        'checkpoint.root',
        `the entries do not give the root signed at size ${record.size}`,
      );
    }
  }
  return findings.list.map((one) => ({ ...one, subject: '' }));
}

/** By the hashes on record, which windows hold against the bytes; undefined when some are not there. */
function rootOf(
  { sealerStore }: WatchContext,
  workspace: WorkspaceId,
  size: number,
): Promise<string | undefined> {
  return sealerStore.read(workspace, async (tx) => {
    try {
      return toHex(await logTree(tx, size).root());
    } catch (error) {
      if (error instanceof Error && /is not in its tile/.test(error.message)) return undefined;
      throw error;
    }
  });
}

/** Windows of one run, and what they came to. */
class Run {
  readonly findings: WatchFinding[] = [];
  entries = 0;
  readonly #context: WatchContext;
  readonly #workspace: WorkspaceId;
  readonly #tree: StoredTree | undefined;
  readonly #windows: LogWindow[] = [];

  constructor(context: WatchContext, workspace: WorkspaceId, tree: StoredTree | undefined) {
    this.#context = context;
    this.#workspace = workspace;
    this.#tree = tree;
  }

  covers(seq: number): boolean {
    return this.#windows.some(({ from, to }) => seq >= from && seq < to);
  }

  /** The end of the log, then the round. @returns where they have got to */
  async walk(before: VerificationState, size: number, now: boolean): Promise<VerificationState> {
    const signed = Math.min(this.#tree?.size ?? 0, size);
    let steps: number = WATCH_LIMITS.stepsPerRun;
    let { verified } = before;
    // What no stored checkpoint signs yet is looked at again until one does.
    for (let from = Math.min(verified, size); from < size && steps > 0; steps--) {
      const to = Math.min(size, from + WATCH_LIMITS.entriesPerStep);
      await this.#check({ from, to, bundles: false });
      verified = Math.max(verified, Math.min(to, signed));
      from = to;
    }
    return this.#round({ ...before, verified }, { signed, steps, now });
  }

  async #round(
    state: VerificationState,
    {
      signed,
      steps,
      now,
    }: { readonly signed: number; readonly steps: number; readonly now: boolean },
  ): Promise<VerificationState> {
    const nowMs = this.#context.clock.nowMs();
    const { roundAt, roundStartedAt, ...rest } = state;
    const last = Date.parse(roundStartedAt ?? '');
    const due = now || !(nowMs - last < WATCH_LIMITS.roundHours * 60 * 60_000);
    if (roundAt === undefined && !due) return state;
    const startedAt = roundAt === undefined ? timeText(nowMs) : (roundStartedAt ?? timeText(nowMs));
    let at = roundAt ?? 0;
    // In the background one step a run: a round has the whole day.
    for (let left = now ? Math.max(1, steps) : 1; at < signed && left > 0; left--) {
      const to = Math.min(signed, at + WATCH_LIMITS.entriesPerStep);
      await this.#check({ from: at, to, bundles: true });
      at = to;
    }
    if (at < signed) return { ...rest, roundAt: at, roundStartedAt: startedAt };
    const finishedAt = timeText(this.#context.clock.nowMs());
    return { ...rest, roundStartedAt: startedAt, roundFinishedAt: finishedAt };
  }

  /** Entries that findings are about, until they are as they should be. */
  async lookAgain(open: readonly KeptFinding[], size: number): Promise<void> {
    const entries = new Set(open.flatMap(({ seq }) => seq ?? []));
    const due = [...entries].filter((seq) => seq < size && !this.covers(seq));
    for (const seq of due.slice(0, WATCH_LIMITS.recheckedFindings)) {
      await this.#check({ from: seq, to: seq + 1, bundles: true });
    }
  }

  async #check(window: LogWindow): Promise<void> {
    const findings = await checkWindow(this.#context, this.#workspace, window, this.#tree);
    this.#windows.push(window);
    this.findings.push(
      ...findings.map((one) => ({ ...one, subject: one.seq === undefined ? '' : `${one.seq}` })),
    );
    const blamed = new Set(findings.map(({ seq }) => seq));
    this.entries += window.to - window.from - blamed.size;
  }
}

interface Sample {
  readonly findings: readonly WatchFinding[];
  readonly looked: ReadonlySet<string>;
  /** Undefined when no sample was due. */
  readonly sampled?: number;
}

/** The day's sample when it is due, and always what was missing or changed. */
async function sampleDue(
  context: WatchContext,
  workspace: WorkspaceId,
  state: {
    readonly before: VerificationState;
    readonly open: readonly KeptFinding[];
    readonly now: boolean;
  },
): Promise<Sample> {
  const { before, open, now } = state;
  const since = context.clock.nowMs() - Date.parse(before.sampledAt ?? '');
  const due = now || !(since < 24 * 60 * 60_000);
  if (due) await catchUp(context, workspace);
  const drawn = due ? await context.sealerStore.read(workspace, (tx) => drawArtifacts(tx)) : [];
  const again = open
    .filter(({ rule }) => rule.startsWith('artifact.'))
    .slice(0, WATCH_LIMITS.recheckedFindings)
    .map(({ subject, seq = 0 }) => ({ digest: subject as NamedArtifact['digest'], seq }));
  const artifacts = [...new Map([...drawn, ...again].map((one) => [one.digest, one])).values()];
  return {
    findings: await checkArtifacts(context, workspace, artifacts),
    looked: new Set(artifacts.map(({ digest }) => digest)),
    ...(due ? { sampled: drawn.length } : {}),
  };
}
