/** Whose signatures over plugins a workspace trusts, and what it asks of plugins. */
import {
  listOf,
  type PluginRules,
  PluginRulesSchema,
  type Publisher,
  PublisherSchema,
} from './answers.ts';
import type { Transport } from './transport.ts';

export interface Revocation {
  /** What becomes of the versions that the key has signed and that may run. */
  readonly versions: 'keep' | 'quarantine';
  readonly rationale: string;
}

export class Publishers {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The revoked ones too. */
  async list(): Promise<readonly Publisher[]> {
    const path = this.#transport.inWorkspace('/publishers');
    return (await this.#transport.json({ method: 'GET', path }, listOf(PublisherSchema))).items;
  }

  /** @param verifierKey `name+hash+base64`, as `portarium plugin keygen` prints it */
  trust(verifierKey: string): Promise<Publisher> {
    const path = this.#transport.inWorkspace('/publishers');
    return this.#transport.json({ method: 'POST', path, json: { verifierKey } }, PublisherSchema);
  }

  /** Takes no more plugins that the key with this fingerprint signed. */
  revoke(fingerprint: string, revocation: Revocation): Promise<Publisher> {
    const name = encodeURIComponent(fingerprint);
    const path = this.#transport.inWorkspace(`/publishers/${name}/revocation`);
    return this.#transport.json({ method: 'POST', path, json: revocation }, PublisherSchema);
  }
}

export class WorkspacePluginRules {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  get(): Promise<PluginRules> {
    const path = this.#transport.inWorkspace('/plugin-rules');
    return this.#transport.json({ method: 'GET', path }, PluginRulesSchema);
  }

  put(json: Omit<PluginRules, 'revision'>): Promise<PluginRules> {
    const path = this.#transport.inWorkspace('/plugin-rules');
    return this.#transport.json({ method: 'PUT', path, json }, PluginRulesSchema);
  }
}
