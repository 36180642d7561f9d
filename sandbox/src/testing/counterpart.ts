/** The Control Plane of one test: answers the internal API with what the test scripts. */
import { expect } from 'bun:test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  ClaimRequestSchema,
  type EgressCall,
  HeartbeatSchema,
  OutcomeSchema,
} from '@portarium/contracts/internal-api';
import * as v from 'valibot';

export const HOST_KEY = 'ptk_host_secret';

/** Speaks the internal API with what each test scripts, and remembers what it was told. */
export class Counterpart {
  readonly outcomes: v.InferOutput<typeof OutcomeSchema>[] = [];
  readonly heartbeats: EgressCall[][] = [];
  moduleReads = 0;
  claim: readonly [number, object] = [500, {}];
  heartbeat: readonly [number, object] = [200, { leaseMs: 5_000 }];
  /** Answers 422 to calls that it gives a reason for. */
  dislikes: (calls: readonly EgressCall[]) => boolean = () => false;
  /** Bodies that were answered with 422. */
  readonly refused: v.InferOutput<typeof OutcomeSchema>[] = [];
  claims = 0;
  /** Answers of the outcome route, first to last; the last one stays. */
  outcome: (readonly [number, object] | 'hang up')[] = [
    [200, { state: 'succeeded', again: false }],
  ];
  module: Uint8Array = new Uint8Array();
  readonly #server: Server;

  constructor() {
    this.#server = createServer(async (request, response) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of request) chunks.push(chunk as Uint8Array);
      expect(request.headers.authorization).toBe(`Bearer ${HOST_KEY}`);
      const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : undefined;
      const route = (request.url ?? '').split('/').at(-1);
      if (route !== 'claims') expect(request.headers['portarium-ticket']).toBe('the-ticket');
      if (route === 'module') {
        this.moduleReads++;
        response.end(this.module);
        return;
      }
      const answer = this.#answer(route ?? '', body);
      if (answer === 'hang up') {
        request.socket.destroy();
        return;
      }
      response.writeHead(answer[0], { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer[1]));
    });
  }

  #answer(route: string, body: unknown): readonly [number, object] | 'hang up' {
    if (route === 'claims') {
      v.parse(ClaimRequestSchema, body);
      this.claims++;
      return this.claim;
    }
    if (route === 'heartbeat') {
      const { calls } = v.parse(HeartbeatSchema, body);
      if (this.dislikes(calls)) return [422, { code: 'input.invalid' }];
      this.heartbeats.push(calls);
      return this.heartbeat;
    }
    const outcome = v.parse(OutcomeSchema, body);
    if (this.dislikes(outcome.calls)) {
      this.refused.push(outcome);
      return [422, { code: 'input.invalid' }];
    }
    const next = this.outcome.length > 1 ? this.outcome.shift() : this.outcome[0];
    if (next !== 'hang up') this.outcomes.push(outcome);
    return next ?? 'hang up';
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
