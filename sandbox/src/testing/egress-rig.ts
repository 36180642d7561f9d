/** A broker for one test with all that an attempt has behind it, up to the Control Plane's answers. */
import { type AttemptId, makeId } from '@portarium/contracts/ids';
import type { EgressCall, WorkOrder } from '@portarium/contracts/internal-api';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { ActionJournal } from '../egress/action-journal.ts';
import type { CallOrigin } from '../egress/call-span.ts';
import { type BrokerOptions, EgressSession } from '../egress/egress-session.ts';
import { ControlClient } from '../host/control-client.ts';
import { ControlEgress } from '../host/control-egress.ts';
import { LeaseKeeper } from '../host/lease-keeper.ts';
import { Reports } from '../host/reports.ts';
import { Counterpart, HOST_KEY } from './counterpart.ts';

export interface EgressRig {
  readonly session: EgressSession;
  readonly lease: LeaseKeeper;
  readonly reports: Reports;
  readonly attempt: AttemptId;
  /** What the Control Plane has of the action after everything was reported. */
  settle(): Promise<readonly EgressCall[]>;
}

export interface RigOrder extends Pick<WorkOrder, 'contract'> {
  readonly workspace?: string;
  readonly effect?: WorkOrder['operation']['effect'];
  readonly limits?: Partial<WorkOrder['limits']>;
  readonly journal?: readonly EgressCall[];
  readonly dryRun?: WorkOrder['dryRun'];
  readonly leaseMs?: number;
  readonly heartbeatMs?: number;
  /** What spans name, beside the attempt. */
  readonly origin?: Omit<CallOrigin, 'attempt'>;
}

/** Rigs that share one Control Plane, as attempts of different actions do. */
export class EgressRigs {
  readonly counterpart = new Counterpart();
  readonly #leases: LeaseKeeper[] = [];
  #url = '';
  #attempts = 0;

  async start(): Promise<void> {
    this.#url = await this.counterpart.listen();
  }

  async stop(): Promise<void> {
    this.counterpart.close();
    await Promise.all(this.#leases.map((lease) => lease.stop()));
  }

  attempt(order: RigOrder, options: Partial<BrokerOptions> = {}): EgressRig {
    const attempt = makeId('attempt', ++this.#attempts, new Uint8Array(10));
    const limits = { ...DEFAULT_LIMITS, ...order.limits };
    const { workspace = 'local' } = order;
    const known = [...(order.journal ?? [])];
    this.counterpart.journal(attempt).push(...known);
    const work = workOrder({ ...order, attempt, limits, journal: known });
    const control = new ControlClient({
      url: this.#url,
      hostKey: HOST_KEY,
      requestTimeoutMs: 500,
    });
    const journal = new ActionJournal(known, options.inFlight);
    const reports = new Reports(control, work, journal);
    const lease = new LeaseKeeper(reports, work);
    this.#leases.push(lease);
    const session = new EgressSession(
      {
        workspace,
        contract: work.contract,
        effect: work.operation.effect,
        limits,
        dryRun: work.dryRun,
        ...(order.origin === undefined ? {} : { origin: { ...order.origin, attempt } }),
      },
      { resolve: async () => ['127.0.0.1'], ownAddresses: new Set(), ...options },
      journal,
      new ControlEgress(control, work, reports, lease),
    );
    const settle = async () => {
      await session.close();
      await lease.stop();
      await reports.makeRoom();
      const answer = await reports.bring((report) => control.heartbeat(work, report));
      if (!answer.ok) throw new Error(answer.message);
      return this.counterpart.journal(attempt);
    };
    return { session, lease, reports, attempt, settle };
  }
}

export function workOrder(
  over: Partial<WorkOrder> &
    Pick<WorkOrder, 'contract' | 'attempt'> & {
      readonly effect?: WorkOrder['operation']['effect'];
    },
): WorkOrder {
  const { effect = 'write', ...rest } = over;
  const digest = `sha256:${'0'.repeat(64)}` as const;
  return {
    ticket: 'the-ticket',
    fence: 1,
    leaseMs: 5_000,
    heartbeatMs: 60_000,
    plugin: { name: 'guest', version: '1.0.0', digest },
    moduleDigest: digest,
    operation: { name: 'run', export: 'run', effect, encoding: 'text' },
    input: '',
    config: {},
    seed: '00'.repeat(32),
    startTime: '2026-11-23T10:00:00.000Z',
    journal: [],
    limits: DEFAULT_LIMITS,
    ...rest,
  };
}
