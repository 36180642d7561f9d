/**
 * The Control Plane of one test: answers the internal API with what the test scripts, keeps journals
 * and bodies as the real one does, and takes no report that breaks what a host has promised.
 */
import { expect } from 'bun:test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import {
  ClaimRequestSchema,
  type EgressCall,
  HeartbeatSchema,
  IntentSchema,
  OutcomeSchema,
} from '@portarium/contracts/internal-api';
import * as v from 'valibot';

export const HOST_KEY = 'ptk_host_secret';

/** Status and body, or an answer that is lost on the way. */
export type Reply = readonly [number, object] | 'hang up';
export type TakenIntent = v.InferOutput<typeof IntentSchema>;

type Report = v.InferOutput<typeof HeartbeatSchema>;

/** Leave to send. */
export function leave(over: object = {}): readonly [number, object] {
  return [200, { status: 'send', sendWithinMs: 5_000, timeoutMs: 5_000, ...over }];
}

export class Counterpart {
  readonly outcomes: v.InferOutput<typeof OutcomeSchema>[] = [];
  readonly heartbeats: EgressCall[][] = [];
  moduleReads = 0;
  claim: readonly [number, object] = [500, {}];
  heartbeat: Reply = [200, { leaseMs: 5_000 }];
  /** Answers 422 to calls that it gives a reason for. */
  dislikes: (calls: readonly EgressCall[]) => boolean = () => false;
  /** Bodies that were answered with 422. */
  readonly refused: v.InferOutput<typeof OutcomeSchema>[] = [];
  claims = 0;
  /** Answers of the outcome route, first to last; the last one stays. */
  outcome: Reply[] = [[200, { state: 'succeeded', again: false }]];
  module: Uint8Array = new Uint8Array();
  readonly intents: TakenIntent[] = [];
  /** `nth` counts the intents for that call from 1. */
  intend: (intent: TakenIntent, nth: number) => Reply | Promise<Reply> = () => leave();
  readonly bodies = new Map<string, Uint8Array>();
  /** Sizes of the bodies that were put, and digests of those that were asked for. */
  readonly puts: number[] = [];
  readonly gets: string[] = [];
  put: () => Reply | Promise<Reply> = () => [204, {}];
  readonly #journals = new Map<string, EgressCall[]>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer(async (request, response) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of request) chunks.push(chunk as Uint8Array);
      expect(request.headers.authorization).toBe(`Bearer ${HOST_KEY}`);
      const [first = '', attempt = '', route = first, digest = ''] = (request.url ?? '')
        .replace('/internal/v1/', '')
        .split('/');
      if (route !== 'claims') expect(request.headers['portarium-ticket']).toBe('the-ticket');
      const bytes = new Uint8Array(Buffer.concat(chunks));
      const answer =
        route === 'module' || route === 'bodies'
          ? await this.#bytes(request.method ?? '', route, digest, bytes)
          : await this.#answer(attempt, route, JSON.parse(new TextDecoder().decode(bytes)));
      if (answer === 'hang up') {
        request.socket.destroy();
      } else if (answer instanceof Uint8Array) {
        response.end(answer);
      } else {
        response.writeHead(answer[0], { 'content-type': 'application/json' });
        response.end(answer[0] === 204 ? undefined : JSON.stringify(answer[1]));
      }
    });
  }

  /** What it knows of the action whose newest attempt this is; a test may fill it. */
  journal(attempt: string): EgressCall[] {
    const journal = this.#journals.get(attempt) ?? [];
    this.#journals.set(attempt, journal);
    return journal;
  }

  async #bytes(
    method: string,
    route: string,
    digest: string,
    body: Uint8Array,
  ): Promise<Reply | Uint8Array> {
    if (route === 'module') {
      this.moduleReads++;
      return this.module;
    }
    if (method === 'GET') {
      this.gets.push(digest);
      return this.bodies.get(digest) ?? [404, { code: 'not-found', detail: 'no such body' }];
    }
    expect(await digestOf(body)).toBe(digest as Digest);
    this.puts.push(body.length);
    const reply = await this.put();
    if (reply[0] === 204) this.bodies.set(digest, body);
    return reply;
  }

  async #answer(attempt: string, route: string, body: unknown): Promise<Reply> {
    if (route === 'claims') {
      v.parse(ClaimRequestSchema, body);
      this.claims++;
      return this.claim;
    }
    if (route === 'heartbeat') {
      const report = v.parse(HeartbeatSchema, body);
      if (this.dislikes(report.calls)) return [422, { code: 'input.invalid' }];
      if (this.heartbeat[0] === 200) await this.#take(attempt, report);
      this.heartbeats.push(report.calls);
      return this.heartbeat;
    }
    if (route === 'intents') {
      const intent = v.parse(IntentSchema, body);
      if (this.dislikes(intent.calls)) return [422, { code: 'input.invalid' }];
      await this.#take(attempt, intent);
      if (intent.bodyDigest !== null) {
        expect([...this.bodies.keys()]).toContain(intent.bodyDigest);
      }
      this.intents.push(intent);
      const nth = this.intents.filter(({ call }) => call === intent.call).length;
      const reply = await this.intend(intent, nth);
      if (reply === 'hang up' || JSON.stringify(reply).includes('"send"')) {
        this.#open(attempt, intent);
      }
      return reply;
    }
    const outcome = v.parse(OutcomeSchema, body);
    if (this.dislikes(outcome.calls)) {
      this.refused.push(outcome);
      return [422, { code: 'input.invalid' }];
    }
    const next = this.outcome.length > 1 ? this.outcome.shift() : this.outcome[0];
    if (next !== 'hang up') this.outcomes.push(outcome);
    if (next?.[0] === 200) await this.#take(attempt, outcome);
    return next ?? 'hang up';
  }

  /** Every report is a prefix of what is still unknown, and brings the bodies that it names. */
  async #take(attempt: string, { calls, bodies }: Report): Promise<void> {
    const journal = this.journal(attempt);
    for (const { digest, bytes } of bodies) {
      const body = new Uint8Array(Buffer.from(bytes, 'base64'));
      expect(await digestOf(body)).toBe(digest);
      this.bodies.set(digest, body);
    }
    for (const call of calls) {
      const known = journal[call.call];
      if (known?.verdict === 'open') {
        expect(call.requestDigest).toBe(known.requestDigest);
        expect(call.requestBodyDigest).toBe(known.requestBodyDigest as Digest);
        expect(['allowed', 'failed']).toContain(call.verdict);
      } else if (known) expect(call).toEqual(known);
      else {
        expect(call.call).toBe(journal.length);
        expect(call.verdict).not.toBe('open');
      }
      if (call.responseDigest) expect([...this.bodies.keys()]).toContain(call.responseDigest);
      journal[call.call] = call;
    }
  }

  /** An intent carries every record before it. */
  #open(attempt: string, intent: TakenIntent): void {
    const journal = this.journal(attempt);
    const url = new URL(intent.url);
    expect(intent.call).toBeLessThanOrEqual(journal.length);
    expect(journal[intent.call]?.verdict ?? 'open').toBe('open');
    journal[intent.call] = {
      call: intent.call,
      method: intent.method,
      scheme: url.protocol.slice(0, -1),
      host: url.hostname,
      port: Number(url.port),
      path: url.pathname,
      verdict: 'open',
      address: intent.address,
      requestDigest: intent.requestDigest,
      ...(intent.bodyDigest === null ? {} : { requestBodyDigest: intent.bodyDigest }),
      bytesOut: intent.bodyBytes,
      bytesIn: 0,
      ms: 0,
    };
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
