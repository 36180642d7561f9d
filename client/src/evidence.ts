/** Evidence: entries, the newest checkpoint, the verifier keys, and the bundle that holds it all. */
import {
  type EvidencePage,
  EvidencePageSchema,
  type LogKey,
  LogKeySchema,
  listOf,
  type Recovery,
  RecoverySchema,
  type Verification,
  VerificationSchema,
} from './answers.ts';
import type { Transport } from './transport.ts';

export interface EvidenceFilter {
  /** Entries after this `seq`; from the first when left out. */
  readonly after?: number;
  readonly limit?: number;
  readonly action?: string;
}

/** A bundle is large: time to build and send it, beside the usual limit. */
const EXPORT_MS = 10 * 60_000;

export class Evidence {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  page(filter: EvidenceFilter = {}): Promise<EvidencePage> {
    const path = this.#transport.inWorkspace('/evidence');
    return this.#transport.json({ method: 'GET', path, query: { ...filter } }, EvidencePageSchema);
  }

  /** The signed note of the newest checkpoint. */
  checkpoint(): Promise<string> {
    return this.#text('/evidence/log/checkpoint');
  }

  /** Newest first. Pin one that came by a way of its own, not one that came with the evidence. */
  async verifierKeys(): Promise<readonly string[]> {
    return (await this.#text('/evidence/vkeys')).split('\n').filter((line) => line !== '');
  }

  /** The bundle (tar) of the whole log, or of one action; without `bodies` it can not be replayed. */
  async exportBundle(
    options: { readonly action?: string; readonly bodies?: 'all' | 'none' } = {},
  ): Promise<Uint8Array> {
    const path = this.#transport.inWorkspace('/evidence/export');
    const query = { action: options.action, bodies: options.bodies };
    const response = await this.#transport.send({ method: 'GET', path, query, waitMs: EXPORT_MS });
    return new Uint8Array(await response.arrayBuffer());
  }

  /** The keys that sign the log, or have signed it, newest first. */
  async keys(): Promise<readonly LogKey[]> {
    const path = this.#transport.inWorkspace('/evidence/keys');
    return (await this.#transport.json({ method: 'GET', path }, listOf(LogKeySchema))).items;
  }

  /** Hands over to a new key; the answer is the list of all. */
  async rotateKey(body: { readonly rationale: string }): Promise<readonly LogKey[]> {
    const call = {
      method: 'POST',
      path: '/v1/evidence/keys',
      json: body,
      waitMs: EXPORT_MS,
    } as const;
    return (await this.#transport.json(call, listOf(LogKeySchema))).items;
  }

  /** What recovery would do, or with `dryRun` false, what it did. */
  recover(body: { readonly dryRun: boolean; readonly rationale: string }): Promise<Recovery> {
    const path = this.#transport.inWorkspace('/evidence/recovery');
    const call = { method: 'POST', path, json: body, waitMs: EXPORT_MS } as const;
    return this.#transport.json(call, RecoverySchema);
  }

  /** How far the log is verified in the background, and what does not agree. */
  verification(): Promise<Verification> {
    const path = this.#transport.inWorkspace('/evidence/verification');
    return this.#transport.json({ method: 'GET', path }, VerificationSchema);
  }

  /** Verifies now, as far as one run goes. */
  verifyNow(): Promise<Verification> {
    const path = this.#transport.inWorkspace('/evidence/verification');
    const call = { method: 'POST', path, waitMs: EXPORT_MS } as const;
    return this.#transport.json(call, VerificationSchema);
  }

  async #text(path: string): Promise<string> {
    const call = { method: 'GET', path: this.#transport.inWorkspace(path) } as const;
    return (await this.#transport.send(call)).text();
  }
}
