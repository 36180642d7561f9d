/** Evidence: entries, the newest checkpoint, the verifier keys, and the bundle that holds it all. */
import type { VerifyReport } from '@portarium/contracts/verify-report';
import { parseReport } from '@portarium/contracts/verify-report-schema';
import {
  type EvidencePage,
  EvidencePageSchema,
  type LogKey,
  LogKeySchema,
  listOf,
  type Recovery,
  RecoverySchema,
  type StoreProbe,
  StoreProbeSchema,
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

/** The whole log, a range of it (it is widened to whole entry bundles), or one action. */
export interface BundleRequest {
  readonly action?: string | undefined;
  /** First and last entry. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** `none` leaves out what guests sent and read; then nothing can be replayed. */
  readonly bodies?: 'all' | 'none' | undefined;
}

/** A bundle is large: time to build and send it, beside the usual limit. */
const EXPORT_MS = 10 * 60_000;
const PROBE_MS = 2 * 60_000;

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

  /** The bundle (tar) of what was asked for, whole. */
  async exportBundle(request: BundleRequest = {}): Promise<Uint8Array> {
    return new Uint8Array(await (await this.#export(request)).arrayBuffer());
  }

  /** The same, piece by piece: a bundle may be larger than memory. */
  async *exportPieces(request: BundleRequest = {}): AsyncGenerator<Uint8Array> {
    const { body } = await this.#export(request);
    if (body) yield* body as unknown as AsyncIterable<Uint8Array>;
  }

  #export(request: BundleRequest): Promise<Response> {
    const path = this.#transport.inWorkspace('/evidence/export');
    return this.#transport.send({ method: 'GET', path, query: { ...request }, waitMs: EXPORT_MS });
  }

  /**
   * What the Control Plane finds of a bundle. It takes 64 MiB at most, keeps nothing, and proves nothing to
   * who does not trust it: then verify where you are (`@portarium/contracts/verify-bundle`).
   */
  async verify(
    bundle: Uint8Array,
    options: {
      readonly pin?: string | undefined;
      readonly since?: string | undefined;
      readonly publishers?: readonly string[] | undefined;
    } = {},
  ): Promise<VerifyReport> {
    const body = bundle as Uint8Array<ArrayBuffer>;
    const { pin, since, publishers } = options;
    const call = {
      ...({ method: 'POST', repeatable: true, waitMs: EXPORT_MS } as const),
      path: this.#transport.inWorkspace('/evidence/verify'),
      query: { pin, since, publishers: publishers?.join(' ') },
      bytes: { mediaType: 'application/x-tar', body },
    };
    return parseReport(await (await this.#transport.send(call)).json());
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

  /** Tries to break the locks of the store in use, which takes seconds; the result is evidence. */
  probeStore(): Promise<StoreProbe> {
    const call = { method: 'POST', path: '/v1/evidence/probes', waitMs: PROBE_MS } as const;
    return this.#transport.json(call, StoreProbeSchema);
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
