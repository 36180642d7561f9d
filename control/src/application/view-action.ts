/** An action as the API shows it. */

import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import { isSettled } from '@portarium/contracts/life-cycle';
import type { AttemptLimits } from '@portarium/contracts/limits';
import type { Operation } from '@portarium/contracts/manifest';
import { decodeValue } from '@portarium/contracts/operation-value';
import { plainText } from '@portarium/contracts/plain-text';
import { agreedTo } from '../domain/approval-rules.ts';
import { type Context, SYSTEM_ACTOR } from './context.ts';
import { dryMark } from './dry-mark.ts';
import type { ActionRecord } from './ports/records.ts';
import type { ReadTransaction, Word } from './ports/workspace-store.ts';
import { viewWrites, type WriteView } from './view-writes.ts';

export interface ActionView {
  readonly id: string;
  readonly state: string;
  readonly tier: string | null;
  readonly plugin: { readonly name: string; readonly version: string; readonly digest: string };
  readonly operation: string;
  readonly effect: string;
  readonly inputDigest: string;
  readonly contractDigest: string;
  /** What each of its attempts may use, fixed when it was requested. */
  readonly limits?: AttemptLimits;
  readonly labels: Readonly<Record<string, string>>;
  readonly output?: unknown;
  readonly outputDigest?: string;
  readonly error?: { readonly code: string; readonly message: string };
  readonly attempts: number;
  /** The action that it takes the place of. */
  readonly replaces?: string;
  /** Nothing of it left that changes anything. */
  readonly dryRun?: true;
  /** The action that waits for people, and that it is a dry run of. */
  readonly dryRunOf?: string;
  /** What it would have sent. */
  readonly writes?: readonly WriteView[];
  /** What was asked of people, and how far it got. */
  readonly approval?: ActionApproval;
  /** The person whose word ended it, or let it go on, and why. */
  readonly decision?: Word;
  readonly evidence: { readonly from: number; readonly to: number };
  readonly createdAt: string;
  readonly finishedAt?: string;
}

export interface ActionApproval {
  readonly id: string;
  readonly state: string;
  readonly digest: string;
  readonly quorum: number;
  /** People who have agreed. */
  readonly given: number;
  readonly decideBefore: string;
  readonly executeBefore: string;
}

/** @returns undefined when the workspace has no such action */
export async function viewAction(
  context: Context,
  workspace: WorkspaceId,
  id: ActionId,
): Promise<ActionView | undefined> {
  const found = await context.store.read(workspace, async (tx) => {
    const action = await tx.findAction(id);
    if (!action) return undefined;
    // None of these waits for another: they travel together.
    const [encoding, approval, range, word] = await Promise.all([
      encodingOf(tx, action),
      approvalOf(tx, id),
      tx.entryRange(id),
      tx.lastWord(id),
    ]);
    return { action, encoding, approval, range, word };
  });
  if (!found) return undefined;
  const { action, encoding, approval, range, word } = found;
  const bytes =
    action.outputDigest === null
      ? undefined
      : await context.objects.get(workspace, action.outputDigest);
  return {
    ...summary(action),
    limits: action.limits,
    ...(bytes === undefined ? {} : { output: decodeValue(encoding, bytes) }),
    ...(action.dryRun ? { writes: await viewWrites(context, workspace, action) } : {}),
    ...(approval === undefined ? {} : { approval }),
    // The platform itself ends what is void: nobody's word.
    ...(word === undefined || word.by === SYSTEM_ACTOR.id ? {} : { decision: cleanWord(word) }),
    evidence: range ?? { from: 0, to: 0 },
  };
}

/** How the output is read; nobody has to know before there is one. */
async function encodingOf(
  tx: ReadTransaction,
  { outputDigest, plugin, version, operation }: ActionRecord,
): Promise<Operation['encoding']> {
  if (outputDigest === null) return 'json';
  const found = await tx.findPlugin(plugin, version);
  return found?.manifest.operations.find(({ name }) => name === operation)?.encoding ?? 'json';
}

function cleanWord({ rationale, ...word }: Word): Word {
  return {
    ...word,
    ...(rationale === undefined ? {} : { rationale: plainText(rationale, 2_000) }),
  };
}

async function approvalOf(
  tx: ReadTransaction,
  action: ActionId,
): Promise<ActionApproval | undefined> {
  const approval = await tx.approvalOf(action);
  if (!approval) return undefined;
  const { id, state, digest, quorum, decideBefore, executeBefore } = approval;
  const given = agreedTo(approval, await tx.listDecisions(id));
  return { id, state, digest, quorum, given, decideBefore, executeBefore };
}

/** The action's attempts with their log lines, oldest first; undefined when there is no such action. */
export async function viewAttempts(
  context: Context,
  workspace: WorkspaceId,
  id: ActionId,
): Promise<readonly Readonly<Record<string, unknown>>[] | undefined> {
  return context.store.read(workspace, async (tx) => {
    if (!(await tx.findAction(id))) return undefined;
    const views: Record<string, unknown>[] = [];
    for (const attempt of await tx.listAttempts(id)) {
      const { action: _action, leaseUntil: _lease, ...shown } = attempt;
      const known = Object.entries(shown).filter(([, value]) => value !== null);
      views.push({ ...Object.fromEntries(known), logs: await tx.attemptLogs(attempt.id) });
    }
    return views;
  });
}

/** What a list shows: everything but the output and the evidence range. */
export function summary(
  action: ActionRecord,
): Omit<ActionView, 'output' | 'limits' | 'writes' | 'approval' | 'decision' | 'evidence'> {
  return {
    id: action.id,
    state: action.state,
    tier: action.tier,
    plugin: { name: action.plugin, version: action.version, digest: action.pluginDigest },
    operation: action.operation,
    effect: action.effect,
    inputDigest: action.inputDigest,
    contractDigest: action.contractDigest,
    labels: action.labels,
    ...(action.outputDigest === null ? {} : { outputDigest: action.outputDigest }),
    ...(action.error === null
      ? {}
      : { error: { code: action.error.code, message: plainText(action.error.message) } }),
    attempts: action.fence,
    ...(action.replaces === null ? {} : { replaces: action.replaces }),
    ...dryMark(action),
    ...(action.dryRunOf === null ? {} : { dryRunOf: action.dryRunOf }),
    createdAt: action.createdAt,
    ...(action.finishedAt === null ? {} : { finishedAt: action.finishedAt }),
  };
}

/** Waits at most `seconds` for the action to settle. @returns the action as it is then */
export async function waitForAction(
  context: Context,
  workspace: WorkspaceId,
  id: ActionId,
  seconds: number,
): Promise<ActionView | undefined> {
  const deadlineMs = context.clock.nowMs() + seconds * 1000;
  for (;;) {
    // Subscribe before reading, so that a commit between the two is not missed.
    const leftMs = deadlineMs - context.clock.nowMs();
    if (leftMs <= 0 || context.stopping.aborted) return viewAction(context, workspace, id);
    const changed = context.signals.changed(workspace, id, Math.min(leftMs, 1_000));
    const state = await context.store.read(
      workspace,
      async (tx) => (await tx.findAction(id))?.state,
    );
    if (state === undefined || isSettled(state) || state.startsWith('waiting-')) {
      return viewAction(context, workspace, id);
    }
    await changed;
  }
}
