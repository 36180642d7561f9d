/** An action as the API shows it. */

import { toBase64 } from '@portarium/contracts/base64';
import { parseStrictJson } from '@portarium/contracts/canonical-json';
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import { isSettled } from '@portarium/contracts/life-cycle';
import { plainText } from '@portarium/contracts/plain-text';
import type { Context } from './context.ts';
import type { ActionRecord } from './ports/records.ts';

export interface ActionView {
  readonly id: string;
  readonly state: string;
  readonly tier: string | null;
  readonly plugin: { readonly name: string; readonly version: string; readonly digest: string };
  readonly operation: string;
  readonly effect: string;
  readonly inputDigest: string;
  readonly contractDigest: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly output?: unknown;
  readonly outputDigest?: string;
  readonly error?: { readonly code: string; readonly message: string };
  readonly attempts: number;
  readonly evidence: { readonly from: number; readonly to: number };
  readonly createdAt: string;
  readonly finishedAt?: string;
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
    const plugin = await tx.findPlugin(action.plugin, action.version);
    const encoding =
      plugin?.manifest.operations.find((operation) => operation.name === action.operation)
        ?.encoding ?? 'json';
    return { action, encoding, range: await tx.entryRange(id) };
  });
  if (!found) return undefined;
  const { action, encoding, range } = found;
  const bytes =
    action.outputDigest === null
      ? undefined
      : await context.objects.get(workspace, action.outputDigest);
  return {
    ...summary(action),
    ...(bytes === undefined ? {} : { output: decodeOutput(encoding, bytes) }),
    evidence: range ?? { from: 0, to: 0 },
  };
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
export function summary(action: ActionRecord): Omit<ActionView, 'output' | 'evidence'> {
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
    createdAt: action.createdAt,
    ...(action.finishedAt === null ? {} : { finishedAt: action.finishedAt }),
  };
}

function decodeOutput(encoding: 'json' | 'text' | 'bytes', bytes: Uint8Array): unknown {
  if (encoding === 'bytes') return toBase64(bytes);
  const text = new TextDecoder().decode(bytes);
  return encoding === 'text' ? text : parseStrictJson(text);
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
    if (leftMs <= 0) return viewAction(context, workspace, id);
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
