/** What a check of the reconciler works with: whom it is about, what it may do, and where it says what it found. */
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import { type Context, SYSTEM_ACTOR } from './context.ts';
import type { WatchFinding } from './ports/watch-store.ts';

export type ReconcileContext = Pick<
  Context,
  | 'store'
  | 'sealerStore'
  | 'catalogue'
  | 'directory'
  | 'dispatcher'
  | 'objects'
  | 'clock'
  | 'reconciliationLock'
  | 'watchMetrics'
>;

export interface Repair {
  readonly subject: string;
  /** What was done, or with `dryRun` would be. */
  readonly repair: string;
}

/** Where the checks go on the next time. */
export interface Cursors {
  readonly openAfter: ActionId | null;
  readonly actionAfter: ActionId | null;
  readonly artifactAfter: string;
}

/** Why a check could not be made, or not to its end, in words for everybody who may read the report. */
export class CheckFailed extends Error {
  override readonly name = 'CheckFailed';
}

/** One check of one run. */
export class CheckRun {
  readonly context: ReconcileContext;
  readonly workspace: WorkspaceId;
  readonly dryRun: boolean;
  readonly check: string;
  looked = 0;
  readonly repaired: Repair[] = [];
  readonly findings: WatchFinding[] = [];

  constructor(
    context: ReconcileContext,
    of: { readonly workspace: WorkspaceId; readonly check: string; readonly dryRun: boolean },
  ) {
    this.context = context;
    this.workspace = of.workspace;
    this.check = of.check;
    this.dryRun = of.dryRun;
  }

  /** Does what can be done twice without harm, and leaves an entry that says so. */
  async repair(subject: string, repair: string, work: () => Promise<void>): Promise<void> {
    if (!this.dryRun) {
      await work();
      await this.context.store.submit(this.workspace, async (tx) => {
        tx.append({
          type: 'reconciliation.repaired',
          actor: SYSTEM_ACTOR,
          // Not in the action's own chain: it may have ended.
          subject: {},
          data: { check: this.check, subject, repair },
          trace: null,
        });
      });
      this.context.watchMetrics.repaired(this.check);
    }
    this.repaired.push({ subject, repair });
  }

  /** What only people can put right. */
  leave(rule: string, subject: string, message: string, seq?: number): void {
    this.findings.push({ rule, subject, message, ...(seq === undefined ? {} : { seq }) });
  }
}
