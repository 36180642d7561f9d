/** Credentials: secrets that the broker sets into requests. Their values go in and never come out. */
import type { CredentialPlacement } from '@portarium/contracts/credential-placement';
import { type Credential, CredentialSchema, listOf } from './answers.ts';
import type { Transport } from './transport.ts';

export type CredentialRequest = CredentialPlacement & {
  /** What plugins call the slot and operators name in a rule. */
  readonly name: string;
  /** The exact host that it may be sent to. */
  readonly host: string;
  /** 16 to 16,384 visible ASCII characters. */
  readonly value: string;
};

export class Credentials {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** @throws PortariumError `credential.exists` when a live one has that name */
  create(request: CredentialRequest): Promise<Credential> {
    const path = this.#transport.inWorkspace('/credentials');
    return this.#transport.json({ method: 'POST', path, json: request }, CredentialSchema);
  }

  async list(): Promise<readonly Credential[]> {
    const path = this.#transport.inWorkspace('/credentials');
    return (await this.#transport.json({ method: 'GET', path }, listOf(CredentialSchema))).items;
  }

  /** Puts another value in the place of the one before; approvals that name the old one are void. */
  rotate(id: string, value: string): Promise<Credential> {
    const path = `${this.#path(id)}/rotate`;
    return this.#transport.json({ method: 'POST', path, json: { value } }, CredentialSchema);
  }

  /** Destroys the secret. */
  async revoke(id: string): Promise<void> {
    await this.#transport.send({ method: 'DELETE', path: this.#path(id) });
  }

  #path(id: string): string {
    return this.#transport.inWorkspace(`/credentials/${encodeURIComponent(id)}`);
  }
}
