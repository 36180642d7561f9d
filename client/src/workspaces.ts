/** Workspaces, the API keys of one, and those of the instance. */
import {
  type CreatedKey,
  CreatedKeySchema,
  type Key,
  KeySchema,
  listOf,
  type Workspace,
  type WorkspacePage,
  WorkspacePageSchema,
  WorkspaceSchema,
} from './answers.ts';
import { everyItem } from './every-item.ts';
import type { Transport } from './transport.ts';

export class Workspaces {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  create(workspace: {
    readonly id: string;
    readonly name: string;
    readonly tenancyTier: 'A' | 'B' | 'C';
    /** Tier C: the login to its database. */
    readonly databaseUrl?: string;
  }): Promise<Workspace> {
    const call = { method: 'POST', path: '/v1/workspaces', json: workspace } as const;
    return this.#transport.json(call, WorkspaceSchema);
  }

  /** One page, by id. */
  list(page: { readonly limit?: number; readonly cursor?: string } = {}): Promise<WorkspacePage> {
    const call = { method: 'GET', path: '/v1/workspaces', query: { ...page } } as const;
    return this.#transport.json(call, WorkspacePageSchema);
  }

  /** Every workspace, page by page. */
  all(): AsyncGenerator<Workspace> {
    return everyItem((cursor) => this.list(cursor));
  }

  /** The client's own when `id` is left out. */
  get(id: string = this.#transport.workspace): Promise<Workspace> {
    const path = `/v1/workspaces/${encodeURIComponent(id)}`;
    return this.#transport.json({ method: 'GET', path }, WorkspaceSchema);
  }
}

export interface KeyRequest {
  readonly name: string;
  /** The person who answers for what the key does. */
  readonly owner: string;
  readonly role: string;
  /** RFC 3339; never when left out. */
  readonly expiresAt?: string;
}

export interface KeyScope {
  /** Keys that are bound to no workspace; only an admin's key of the instance may. */
  readonly instance?: boolean;
}

export class Keys {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The secret is in this answer and nowhere else. */
  create(request: KeyRequest): Promise<CreatedKey> {
    const path = this.#transport.inWorkspace('/keys');
    return this.#transport.json({ method: 'POST', path, json: request }, CreatedKeySchema);
  }

  async list(scope: KeyScope = {}): Promise<readonly Key[]> {
    const path = this.#path(scope);
    return (await this.#transport.json({ method: 'GET', path }, listOf(KeySchema))).items;
  }

  /** From the next request on, the key is refused. */
  async revoke(id: string, scope: KeyScope = {}): Promise<void> {
    const path = `${this.#path(scope)}/${encodeURIComponent(id)}`;
    await this.#transport.send({ method: 'DELETE', path });
  }

  #path({ instance = false }: KeyScope): string {
    return instance ? '/v1/keys' : this.#transport.inWorkspace('/keys');
  }
}
