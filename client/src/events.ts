/** What happens in the workspace, while it happens. */
import * as v from 'valibot';
import { PortariumError } from './portarium-error.ts';
import type { Transport } from './transport.ts';

const EventSchema = v.looseObject({
  id: v.string(),
  /** Such as `io.portarium.action.succeeded.v1`. */
  type: v.string(),
  /** The action, the plugin's digest or the workspace. */
  subject: v.string(),
  time: v.string(),
  actionid: v.optional(v.string()),
  data: v.looseObject({}),
});
/** A CloudEvent 1.0. */
export type PortariumEvent = v.InferOutput<typeof EventSchema>;

export type Followed =
  | { readonly kind: 'event'; readonly id: number; readonly event: PortariumEvent }
  /** Connected, for the first time or again; what was missed follows. */
  | { readonly kind: 'open'; readonly id: number }
  /** Too far behind to catch up: read lists anew, then go on from here. */
  | { readonly kind: 'reset'; readonly id: number };

export interface FollowOptions {
  /** Events of this action only. */
  readonly action?: string;
  /** Go on after this event; -1 begins with the first of all. At the newest when left out. */
  readonly after?: number;
  /** Ends the stream. */
  readonly signal?: AbortSignal;
}

/** Silence of twice the server's sign of life: the connection is lost. */
const SILENCE_MS = 45_000;
const RECONNECT_MS = 1_000;

export class Events {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Follows the workspace until `signal` ends it; connects anew, to whatever replica, and goes on where
   * it was.
   * @throws PortariumError when the Control Plane refuses: the key is gone, or may not
   */
  async *follow(options: FollowOptions = {}): AsyncGenerator<Followed> {
    let { after } = options;
    const ended = () => options.signal?.aborted === true;
    while (!ended()) {
      try {
        for await (const followed of this.#once({
          ...options,
          ...(after === undefined ? {} : { after }),
        })) {
          after = followed.id;
          yield followed;
        }
      } catch (error) {
        if (ended()) return;
        if (error instanceof PortariumError && error.status >= 400 && error.status < 429)
          throw error;
      }
      if (!ended()) await this.#transport.sleep(RECONNECT_MS);
    }
  }

  async *#once({ action, after, signal }: FollowOptions): AsyncGenerator<Followed> {
    const silence = new AbortController();
    const over = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal;
    const response = await this.#transport.send({
      method: 'GET',
      path: this.#transport.inWorkspace('/events'),
      query: { action },
      headers: after === undefined ? {} : { 'last-event-id': String(after) },
      repeatable: false,
      signal: over,
    });
    if (response.body === null) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
    };
    try {
      heard();
      for await (const { id, event, data } of messages(response.body, over, heard)) {
        if (id === undefined) continue;
        if (event === 'open' || event === 'reset') yield { kind: event, id };
        else yield { kind: 'event', id, event: v.parse(EventSchema, JSON.parse(data)) };
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

interface Message {
  /** Absent in signs of life. */
  readonly id: number | undefined;
  readonly event: string;
  readonly data: string;
}

/** Reads `text/event-stream` (HTML, section 9.2.6), as far as this API writes it. */
async function* messages(
  body: ReadableStream<Uint8Array>,
  over: AbortSignal,
  heard: () => void,
): AsyncGenerator<Message> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  const end = () => void reader.cancel().catch(() => undefined);
  over.addEventListener('abort', end);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      const blocks = (rest + decoder.decode(value, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) yield messageOf(block);
    }
  } finally {
    over.removeEventListener('abort', end);
    end();
  }
}

function messageOf(block: string): Message {
  let id: number | undefined;
  let event = 'message';
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    const field = line.slice(0, colon);
    const text = line.slice(colon + 1).replace(/^ /, '');
    if (field === 'id') id = Number(text);
    else if (field === 'event') event = text;
    else if (field === 'data') data.push(text);
  }
  return { id, event, data: data.join('\n') };
}
