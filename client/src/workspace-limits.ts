/** What the workspace allows each attempt at most. */
import type { LimitsRequest } from '@portarium/contracts/limits';
import { type WorkspaceLimits, WorkspaceLimitsSchema } from './answers.ts';
import type { Transport } from './transport.ts';

export class Limits {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  get(): Promise<WorkspaceLimits> {
    const path = this.#transport.inWorkspace('/limits');
    return this.#transport.json({ method: 'GET', path }, WorkspaceLimitsSchema);
  }

  /** Puts these in the place of those before, for actions that are requested from then on. */
  put(limits: LimitsRequest): Promise<WorkspaceLimits> {
    const path = this.#transport.inWorkspace('/limits');
    return this.#transport.json({ method: 'PUT', path, json: limits }, WorkspaceLimitsSchema);
  }
}
