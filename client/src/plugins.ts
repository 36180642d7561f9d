/** Plugins: upload, look, and what an operator lets them reach. */
import type { OperatorEgressSchema } from '@portarium/contracts/grantable-rules';
import type { InferInput } from 'valibot';
import {
  type Egress,
  EgressSchema,
  listOf,
  type Plugin,
  PluginSchema,
  type PluginVersion,
  PluginVersionSchema,
  type PluginVersions,
  PluginVersionsSchema,
} from './answers.ts';
import type { Transport } from './transport.ts';

export type OperatorEgress = InferInput<typeof OperatorEgressSchema>;

export interface VersionDecision {
  readonly decision: 'approve' | 'deny';
  /** Why; it stands in the evidence. */
  readonly rationale: string;
  /** Of what the decision is about: `growthDigest` of the statement that was looked at. */
  readonly digest: string;
}

/** Admission reads the whole module; beside the usual limit. */
const UPLOAD_MS = 60_000;

export class Plugins {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Uploads a module with its manifest.
   * @param manifest the text of plugin.json, or its value
   * @param signature a publisher's, as `portarium plugin sign` writes it
   * @throws PortariumError `plugin.not-admitted` with `problem.admission.findings`
   */
  push(manifest: string | object, module: Uint8Array, signature?: string): Promise<Plugin> {
    const form = new FormData();
    const text = typeof manifest === 'string' ? manifest : JSON.stringify(manifest);
    form.append('manifest', new Blob([text], { type: 'application/json' }), 'plugin.json');
    const wasm = new Blob([new Uint8Array(module)], { type: 'application/wasm' });
    form.append('module', wasm, 'plugin.wasm');
    // As a file: the line ends of a field would be changed on the way.
    if (signature !== undefined) form.append('signature', new Blob([signature]), 'plugin.sig');
    const path = this.#transport.inWorkspace('/plugins');
    return this.#transport.json({ method: 'POST', path, form, waitMs: UPLOAD_MS }, PluginSchema);
  }

  async list(): Promise<readonly Plugin[]> {
    const path = this.#transport.inWorkspace('/plugins');
    return (await this.#transport.json({ method: 'GET', path }, listOf(PluginSchema))).items;
  }

  get(name: string): Promise<Plugin> {
    return this.#transport.json({ method: 'GET', path: this.#path(name) }, PluginSchema);
  }

  /** The newest first. */
  versions(name: string): Promise<PluginVersions> {
    const path = `${this.#path(name)}/versions`;
    return this.#transport.json({ method: 'GET', path }, PluginVersionsSchema);
  }

  /** With `approval` when it could do more than the version that ran. */
  version(name: string, version: string): Promise<PluginVersion> {
    return this.#transport.json(
      { method: 'GET', path: this.#versionPath(name, version) },
      PluginVersionSchema,
    );
  }

  /**
   * Decides about a version that grew, as the person behind the key. Never sent twice.
   * @throws PortariumError `approval.stale` when it is compared with another version by now than
   *   `digest` names, `approval.closed` when it is decided, `approval.excluded` when this person may not
   */
  decide(name: string, version: string, decision: VersionDecision): Promise<PluginVersion> {
    const path = `${this.#versionPath(name, version)}/decisions`;
    return this.#transport.json({ method: 'POST', path, json: decision }, PluginVersionSchema);
  }

  /** Chooses the version that runs when an action names none, until a newer one is uploaded. */
  setCurrent(name: string, version: string, rationale: string): Promise<PluginVersions> {
    return this.#choose(name, { version, rationale });
  }

  /** Has several versions share the actions that name none, whatever is uploaded. */
  setWeights(
    name: string,
    weights: Readonly<Record<string, number>>,
    rationale: string,
  ): Promise<PluginVersions> {
    return this.#choose(name, { weights, rationale });
  }

  #choose(name: string, json: object): Promise<PluginVersions> {
    const path = `${this.#path(name)}/current`;
    return this.#transport.json({ method: 'PUT', path, json }, PluginVersionsSchema);
  }

  /** Quarantines a version, so that nothing runs it, or lifts that. */
  setQuarantine(
    name: string,
    version: string,
    wanted: { readonly quarantined: boolean; readonly rationale: string },
  ): Promise<PluginVersion> {
    const path = `${this.#versionPath(name, version)}/quarantine`;
    return this.#transport.json({ method: 'PUT', path, json: wanted }, PluginVersionSchema);
  }

  #path(name: string): string {
    return this.#transport.inWorkspace(`/plugins/${encodeURIComponent(name)}`);
  }

  #versionPath(name: string, version: string): string {
    return `${this.#path(name)}/versions/${encodeURIComponent(version)}`;
  }

  /** What the plugin asks for and what the operator grants. */
  getEgress(name: string): Promise<Egress> {
    const path = `${this.#path(name)}/egress`;
    return this.#transport.json({ method: 'GET', path }, EgressSchema);
  }

  /** Grants exactly these rules and networks, in place of those before. */
  putEgress(name: string, egress: OperatorEgress): Promise<Egress> {
    const path = `${this.#path(name)}/egress`;
    return this.#transport.json({ method: 'PUT', path, json: egress }, EgressSchema);
  }
}
