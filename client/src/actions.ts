/** Actions: ask, look, wait, cancel, and say what came of one whose outcome is unknown. */
import { isSettled } from '@portarium/contracts/life-cycle';
import {
  type Action,
  type ActionPage,
  ActionPageSchema,
  ActionSchema,
  type ActionSummary,
  type Attempt,
  AttemptsSchema,
  type JournalCall,
  JournalSchema,
} from './answers.ts';
import { everyItem } from './every-item.ts';
import { clientError } from './portarium-error.ts';
import type { Transport } from './transport.ts';

export interface ActionRequest {
  /** `name` or `name@version`. */
  readonly plugin: string;
  readonly operation: string;
  /** JSON; for operations with the encoding `text` a string, with `bytes` a base64 string. */
  readonly input: unknown;
  readonly labels?: Readonly<Record<string, string>>;
  /** The action whose place this one takes; one that still waits for approval is cancelled. */
  readonly replaces?: string;
  /** Runs it without its writes, which are recorded and answered from the plugin’s examples. */
  readonly dryRun?: boolean;
}

export interface ActionResolution {
  /** `dispatched` says that it did not happen, and has it sent again. */
  readonly outcome: 'succeeded' | 'failed' | 'dispatched';
  /** How one knows; it stands in the evidence. */
  readonly rationale: string;
}

export interface ActionFilter {
  readonly limit?: number;
  /** `next` of the page before. */
  readonly cursor?: string;
  readonly state?: string;
  readonly plugin?: string;
}

const POLL_MS = 500;

export class Actions {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Asks for an action. Repeating it with the same `idempotencyKey` gives the same action; without
   * one, a key is made for this call, so that a lost answer can not lead to a second action.
   * @param options.waitSeconds how long the server may hold the answer for the outcome; at most 60
   */
  create(
    request: ActionRequest,
    options: { readonly idempotencyKey?: string; readonly waitSeconds?: number } = {},
  ): Promise<Action> {
    return this.#ask(this.#transport.inWorkspace('/actions'), options, { json: request });
  }

  /**
   * Runs an action that waits for approval without its writes; the answer, once it is over, has them in
   * `writes`. @throws PortariumError `conflict` when it does not wait, `approval.stale` when it would not run
   */
  dryRun(id: string, options: { readonly waitSeconds?: number } = {}): Promise<Action> {
    return this.#ask(`${this.#path(id)}/dry-run`, options);
  }

  #ask(
    path: string,
    options: { readonly idempotencyKey?: string; readonly waitSeconds?: number },
    body: { readonly json?: unknown } = {},
  ): Promise<Action> {
    const { idempotencyKey = crypto.randomUUID(), waitSeconds = 0 } = options;
    const prefer = waitSeconds > 0 ? { prefer: `wait=${Math.ceil(waitSeconds)}` } : {};
    return this.#transport.json(
      {
        ...{ method: 'POST', path, ...body },
        headers: { 'idempotency-key': idempotencyKey, ...prefer },
        repeatable: true,
        waitMs: waitSeconds * 1_000,
      },
      ActionSchema,
    );
  }

  get(id: string): Promise<Action> {
    return this.#transport.json({ method: 'GET', path: this.#path(id) }, ActionSchema);
  }

  /** One page, newest first. */
  list(filter: ActionFilter = {}): Promise<ActionPage> {
    const path = this.#transport.inWorkspace('/actions');
    return this.#transport.json({ method: 'GET', path, query: { ...filter } }, ActionPageSchema);
  }

  /** Every action, page by page. */
  all(filter: Omit<ActionFilter, 'cursor'> = {}): AsyncGenerator<ActionSummary> {
    return everyItem((cursor) => this.list({ ...filter, ...cursor }));
  }

  /** The action's egress calls in order, over all its attempts. */
  async journal(id: string): Promise<readonly JournalCall[]> {
    const call = { method: 'GET', path: `${this.#path(id)}/journal` } as const;
    return (await this.#transport.json(call, JournalSchema)).items;
  }

  /** The action's attempts in order, each with its host, its verdict and what the plugin logged. */
  async attempts(id: string): Promise<readonly Attempt[]> {
    const call = { method: 'GET', path: `${this.#path(id)}/attempts` } as const;
    return (await this.#transport.json(call, AttemptsSchema)).items;
  }

  /**
   * Stops an action that is not over. While a write is open its outcome is unknown then.
   * @throws PortariumError `conflict` when it is over
   */
  cancel(id: string, options: { readonly rationale?: string } = {}): Promise<Action> {
    const { rationale } = options;
    const json = rationale === undefined ? {} : { rationale };
    const call = { method: 'POST', path: `${this.#path(id)}/cancel`, json } as const;
    return this.#transport.json(call, ActionSchema);
  }

  /**
   * Says what came of an action whose outcome is unknown, or that a person carried out. Never sent
   * twice.
   */
  resolve(id: string, resolution: ActionResolution): Promise<Action> {
    const call = { method: 'POST', path: `${this.#path(id)}/resolve`, json: resolution } as const;
    return this.#transport.json(call, ActionSchema);
  }

  /**
   * Waits until the action is final or its outcome is unknown.
   * @throws PortariumError `timeout` after `timeoutMs` (60,000 when left out)
   */
  async waitFor(id: string, options: { readonly timeoutMs?: number } = {}): Promise<Action> {
    const { timeoutMs = 60_000 } = options;
    let leftMs = timeoutMs;
    for (;;) {
      const startedMs = performance.now();
      const action = await this.get(id);
      if (isSettled(action.state)) return action;
      if (leftMs <= 0) {
        throw clientError('timeout', `Action ${id} is still ${action.state}.`, {
          hint: 'Wait longer, or look at its evidence: portarium action tail.',
        });
      }
      await this.#transport.sleep(Math.min(POLL_MS, leftMs));
      leftMs -= Math.max(POLL_MS, performance.now() - startedMs);
    }
  }

  #path(id: string): string {
    return this.#transport.inWorkspace(`/actions/${encodeURIComponent(id)}`);
  }
}
