/**
 * The reconciler: holds PostgreSQL, Temporal, evidence store and log of a workspace against each other. It
 * repairs what can be done twice without harm, each repair with an entry, and reports the rest.
 */
import { getLogger } from '@logtape/logtape';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { ActionIdSchema } from '@portarium/contracts/ids';
import * as v from 'valibot';
import type { Context } from './context.ts';
import { timeText } from './ports/clock.ts';
import type { KeptFinding, WatchFinding } from './ports/watch-store.ts';
import { checkEvents, checkObjects, checkStates } from './reconcile-records.ts';
import {
  checkDispatches,
  checkLapsed,
  checkLeftOver,
  checkMissing,
} from './reconcile-workflows.ts';
import {
  CheckFailed,
  CheckRun,
  type Cursors,
  type ReconcileContext,
} from './reconciliation-run.ts';
import { settleFindings } from './settle-findings.ts';

export const ReconcileSchema = v.strictObject({
  /** Only says what would be done. */
  dryRun: v.optional(v.boolean(), false),
});

const log = getLogger(['portarium', 'reconciler']);

const FAILED = 'a part that it asks is away; the log of the Control Plane says which';

type Check = (
  run: CheckRun,
  cursors: Cursors,
  open: readonly string[],
  // biome-ignore lint/suspicious/noConfusingVoidType: most checks begin anew each time
) => Promise<Partial<Cursors> | void>;

/** By name, with the rules of what each may leave. In this order: a delivery may start what would be missing. */
const CHECKS: readonly {
  readonly check: string;
  readonly rules: readonly string[];
  readonly work: Check;
}[] = [
  { check: 'dispatch.undelivered', rules: [], work: checkDispatches },
  { check: 'workflow.missing', rules: [], work: checkMissing },
  { check: 'workflow.left-over', rules: [], work: checkLeftOver },
  { check: 'attempt.lapsed', rules: ['attempt.lapsed'], work: checkLapsed },
  { check: 'action.state', rules: ['action.state'], work: checkStates },
  { check: 'objects', rules: ['artifact.missing', 'object.unnamed'], work: checkObjects },
  { check: 'event.unpublished', rules: ['event.unpublished'], work: checkEvents },
];

const CheckReportSchema = v.object({
  check: v.string(),
  /** Rows, workflows or objects. */
  looked: v.number(),
  repaired: v.array(v.object({ subject: v.string(), repair: v.string() })),
  /** Why the check could not be made. */
  failed: v.optional(v.string()),
});
export type CheckReport = v.InferOutput<typeof CheckReportSchema>;

const actionCursor = v.optional(v.nullable(ActionIdSchema), null);
const StateSchema = v.object({
  ranAt: v.optional(v.string()),
  cursors: v.optional(
    v.object({
      openAfter: actionCursor,
      actionAfter: actionCursor,
      artifactAfter: v.optional(v.string(), ''),
    }),
    { openAfter: null, actionAfter: null, artifactAfter: '' },
  ),
  checks: v.optional(v.array(CheckReportSchema), []),
});

export interface Reconciliation {
  readonly ranAt?: string;
  readonly dryRun: boolean;
  readonly checks: readonly CheckReport[];
  /** What is left over. */
  readonly findings: readonly KeptFinding[];
}

export function reconcile(
  context: ReconcileContext,
  workspace: WorkspaceId,
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<Reconciliation> {
  return context.reconciliationLock.hold(workspace, () => run(context, workspace, dryRun));
}

/** What the last run did, and what is left over. */
export function viewReconciliation(
  { store }: Pick<Context, 'store'>,
  workspace: WorkspaceId,
): Promise<Reconciliation> {
  return store.read(workspace, async (tx) => {
    const { ranAt, checks } = v.parse(StateSchema, (await tx.watchState('reconciliation')) ?? {});
    const findings = await tx.watchFindings('reconciliation');
    return { ...(ranAt === undefined ? {} : { ranAt }), dryRun: false, checks, findings };
  });
}

async function run(
  context: ReconcileContext,
  workspace: WorkspaceId,
  dryRun: boolean,
): Promise<Reconciliation> {
  const { before, open } = await context.store.read(workspace, async (tx) => ({
    before: v.parse(StateSchema, (await tx.watchState('reconciliation')) ?? {}),
    open: await tx.watchFindings('reconciliation'),
  }));
  let cursors: Cursors = before.cursors;
  const checks: CheckReport[] = [];
  const found: WatchFinding[] = [];
  const looked = new Set<string>();
  for (const { check, rules, work } of CHECKS) {
    const one = new CheckRun(context, { workspace, check, dryRun });
    const subjects = open.filter(({ rule }) => rules.includes(rule)).map((each) => each.subject);
    try {
      cursors = { ...cursors, ...(await work(one, cursors, subjects)) };
      for (const rule of rules) looked.add(rule);
      found.push(...one.findings);
      checks.push({ check, looked: one.looked, repaired: one.repaired });
    } catch (error) {
      // A part that is away says nothing about the others.
      // Causes name addresses, which are the operator's of the instance to see.
      log.warn('{check} of {workspace} failed: {reason}', {
        ...{ check, workspace, reason: String(error) },
      });
      const failed = error instanceof CheckFailed ? error.message : FAILED;
      // What it came to before is true all the same, and clears nothing.
      found.push(...one.findings);
      checks.push({ check, looked: one.looked, repaired: one.repaired, failed });
    }
  }
  const ranAt = timeText(context.clock.nowMs());
  if (dryRun) {
    const findings = found.map((one) => ({ ...one, foundAt: ranAt, told: false }));
    return { ranAt, dryRun, checks, findings };
  }
  const findings = await settleFindings(context, workspace, 'reconciliation', {
    found,
    looked: ({ rule }) => looked.has(rule),
    state: { ranAt, cursors, checks },
  });
  return { ranAt, dryRun, checks, findings };
}
