/** How long a workspace keeps artifacts, its legal holds, and the disposal of what is over. */
import type { HoldScope, Lengthen } from '@portarium/contracts/legal-hold';
import {
  type Disposal,
  DisposalSchema,
  type Hold,
  HoldSchema,
  listOf,
  type PlacedHold,
  PlacedHoldSchema,
  type Retention,
  RetentionSchema,
} from './answers.ts';
import type { Transport } from './transport.ts';

export interface DisposalRequest {
  /** Only says what would go. */
  readonly dryRun?: boolean;
  readonly reason: string;
  /** Artifacts that one call looks at; 100 without it, at most 400. */
  readonly limit?: number;
  /** `next` of the answer before. */
  readonly after?: string;
}

export class WorkspaceRetention {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  get(): Promise<Retention> {
    const path = this.#transport.inWorkspace('/retention');
    return this.#transport.json({ method: 'GET', path }, RetentionSchema);
  }

  /** Days of the classes that are named; what is written from then on is kept for as long. */
  lengthen(days: Lengthen): Promise<Retention> {
    const path = this.#transport.inWorkspace('/retention');
    return this.#transport.json({ method: 'PUT', path, json: days }, RetentionSchema);
  }
}

export class Holds {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The newest first; the lifted ones too. */
  async list(): Promise<readonly Hold[]> {
    const path = this.#transport.inWorkspace('/holds');
    return (await this.#transport.json({ method: 'GET', path }, listOf(HoldSchema))).items;
  }

  place(scope: HoldScope, reason: string): Promise<PlacedHold> {
    const path = this.#transport.inWorkspace('/holds');
    const json = { scope, reason };
    return this.#transport.json({ method: 'POST', path, json }, PlacedHoldSchema);
  }

  lift(id: string, reason: string): Promise<PlacedHold> {
    const path = this.#transport.inWorkspace(`/holds/${encodeURIComponent(id)}/lift`);
    return this.#transport.json({ method: 'POST', path, json: { reason } }, PlacedHoldSchema);
  }
}

export class Disposals {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** One page of artifacts past retention; without `dryRun` those under no hold are removed. */
  run(json: DisposalRequest): Promise<Disposal> {
    const path = this.#transport.inWorkspace('/disposals');
    return this.#transport.json({ method: 'POST', path, json }, DisposalSchema);
  }
}
