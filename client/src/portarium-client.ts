/**
 * The TypeScript client: one object for one Control Plane, key and workspace. Runs wherever `fetch`
 * does; holds no state but its options.
 */
import { Actions } from './actions.ts';
import {
  type Caller,
  CallerSchema,
  type Health,
  HealthSchema,
  type Readiness,
  ReadinessSchema,
  type Reconciliation,
  ReconciliationSchema,
  type Usage,
  UsageSchema,
} from './answers.ts';
import { Approvals, WorkspaceApprovalRules } from './approvals.ts';
import { Credentials } from './credentials.ts';
import { Events } from './events.ts';
import { Evidence } from './evidence.ts';
import { Disposals, Holds, WorkspaceRetention } from './keep.ts';
import { Plugins } from './plugins.ts';
import { PortariumError } from './portarium-error.ts';
import { Publishers, WorkspacePluginRules } from './publishers.ts';
import { WorkspaceRegulation } from './regulation.ts';
import { type ClientOptions, Transport } from './transport.ts';
import { Limits } from './workspace-limits.ts';
import { Keys, Workspaces } from './workspaces.ts';

/** Every check of one workspace, beside the usual limit. */
const RECONCILE_MS = 5 * 60_000;

export class PortariumClient {
  /** The workspace that calls are about. */
  readonly workspace: string;
  readonly workspaces: Workspaces;
  readonly keys: Keys;
  readonly plugins: Plugins;
  readonly pluginRules: WorkspacePluginRules;
  readonly publishers: Publishers;
  readonly credentials: Credentials;
  readonly actions: Actions;
  readonly approvals: Approvals;
  readonly approvalRules: WorkspaceApprovalRules;
  readonly limits: Limits;
  readonly regulation: WorkspaceRegulation;
  readonly retention: WorkspaceRetention;
  readonly holds: Holds;
  readonly disposals: Disposals;
  readonly evidence: Evidence;
  readonly events: Events;
  readonly #transport: Transport;

  /** @throws RangeError when `url` is not an http or https address */
  constructor(options: ClientOptions) {
    this.#transport = new Transport(options);
    this.workspace = options.workspace;
    this.workspaces = new Workspaces(this.#transport);
    this.keys = new Keys(this.#transport);
    this.plugins = new Plugins(this.#transport);
    this.pluginRules = new WorkspacePluginRules(this.#transport);
    this.publishers = new Publishers(this.#transport);
    this.credentials = new Credentials(this.#transport);
    this.actions = new Actions(this.#transport);
    this.approvals = new Approvals(this.#transport);
    this.approvalRules = new WorkspaceApprovalRules(this.#transport);
    this.limits = new Limits(this.#transport);
    this.regulation = new WorkspaceRegulation(this.#transport);
    this.retention = new WorkspaceRetention(this.#transport);
    this.holds = new Holds(this.#transport);
    this.disposals = new Disposals(this.#transport);
    this.evidence = new Evidence(this.#transport);
    this.events = new Events(this.#transport);
  }

  /** Whether the Control Plane takes work, and if not, why. Asks once. */
  async readiness(): Promise<Readiness> {
    try {
      const call = { method: 'GET', path: '/readyz', repeatable: false, answeredBy: 503 } as const;
      return await this.#transport.json(call, ReadinessSchema);
    } catch (error) {
      if (error instanceof PortariumError) return { ready: false, reasons: [error.message] };
      throw error;
    }
  }

  /** Whose key this is, and what it may do. */
  caller(): Promise<Caller> {
    const path = this.#transport.inWorkspace('/caller');
    return this.#transport.json({ method: 'GET', path }, CallerSchema);
  }

  /** What the reconciler did last, and what it could not repair. */
  reconciliation(): Promise<Reconciliation> {
    const path = this.#transport.inWorkspace('/reconciliation');
    return this.#transport.json({ method: 'GET', path }, ReconciliationSchema);
  }

  /** Compares now and repairs what is safe; with `dryRun` only says what would be done. */
  reconcile(body: { readonly dryRun: boolean }): Promise<Reconciliation> {
    const path = this.#transport.inWorkspace('/reconciliation');
    const call = { method: 'POST', path, json: body, waitMs: RECONCILE_MS } as const;
    return this.#transport.json(call, ReconciliationSchema);
  }

  /** What was used, by day and by operation; the last 30 days when nothing is named. */
  usage(days: { readonly from?: string; readonly to?: string } = {}): Promise<Usage> {
    const path = this.#transport.inWorkspace('/usage');
    return this.#transport.json({ method: 'GET', path, query: { ...days } }, UsageSchema);
  }

  /** Versions and the state of each part. */
  health(): Promise<Health> {
    return this.#transport.json({ method: 'GET', path: '/healthz' }, HealthSchema);
  }
}
