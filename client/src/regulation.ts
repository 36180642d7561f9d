/** Whether a workspace is under regulated retention. */
import { type Regulation, RegulationSchema } from './answers.ts';
import type { Transport } from './transport.ts';

export class WorkspaceRegulation {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  get(): Promise<Regulation> {
    const path = this.#transport.inWorkspace('/regulation');
    return this.#transport.json({ method: 'GET', path }, RegulationSchema);
  }

  /** @throws PortariumError `store.not-regulated` when the store in use fails a check */
  put(body: { readonly regulated: boolean; readonly rationale: string }): Promise<Regulation> {
    const path = this.#transport.inWorkspace('/regulation');
    return this.#transport.json({ method: 'PUT', path, json: body }, RegulationSchema);
  }
}
