/**
 * `/v1/workspaces/{ws}/events`: server-sent events from any replica. A stream subscribes first and then
 * reads by sequence number, so that nothing falls between; it asks every minute whether its key still may.
 */
import { getLogger } from '@logtape/logtape';
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import { authenticate } from '../application/authenticate.ts';
import type { Context } from '../application/context.ts';
import type { KeyRecord } from '../application/ports/directory.ts';
import { beginEvents, readEvents } from '../application/read-events.ts';
import { permits } from '../domain/permissions.ts';
import type { Api, Exchange } from './api.ts';
import { InFlight } from './in-flight.ts';
import { OPERATIONS } from './operations.ts';
import { ProblemError, refuse } from './problems.ts';
import { route } from './route.ts';

const log = getLogger(['portarium', 'http']);

/** Below the time after which proxies give up on a silent connection. */
const KEEP_ALIVE_MS = 15_000;
/** A commit that nobody told of is seen after this at the latest. */
const POLL_MS = 5_000;
const REAUTHORISE_MS = 60_000;
/** Who reads nothing for so long has gone. */
const WRITE_MS = 30_000;
/** Pause before a client connects anew, in milliseconds. */
const RETRY_MS = 1_000;

export function eventRoutes(app: Api, context: Context): void {
  const open = new InFlight(PLATFORM_LIMITS.streamsPerKey, PLATFORM_LIMITS.streamsTotal);
  route(app, context, OPERATIONS.streamEvents, async (asked) => {
    const { exchange, caller, workspace, query } = asked;
    const lastSeen = lastEventId(exchange);
    if (!open.enter(caller.key.id)) {
      throw new ProblemError(
        { code: 'rate.limited', detail: 'This key, or this instance, has too many streams open.' },
        { 'retry-after': '5' },
      );
    }
    exchange.header('x-accel-buffering', 'no');
    const response = streamSSE(exchange, async (stream) => {
      try {
        await pump(context, exchange, stream, { workspace, lastSeen, action: query.action });
      } catch (error) {
        // The reader connects anew and goes on where it was; why, is none of its business.
        log.warn('an event stream of {workspace} ended: {reason}', {
          workspace,
          reason: String(error),
        });
      } finally {
        open.leave(caller.key.id);
      }
    });
    response.headers.set('cache-control', 'no-store');
    return response;
  });
}

interface Wanted {
  readonly workspace: WorkspaceId;
  readonly lastSeen: number | undefined;
  readonly action: string | undefined;
}

async function pump(
  context: Context,
  exchange: Exchange,
  stream: SSEStreamingApi,
  { workspace, lastSeen, action }: Wanted,
): Promise<void> {
  const bell = new Bell(context, workspace, stream);
  try {
    const begun = await beginEvents(context, workspace, lastSeen);
    let { after } = begun;
    let key = await stillMay(context, exchange, workspace);
    let authorisedMs = context.clock.nowMs();
    let saidMs = authorisedMs;
    const say = (message: Parameters<SSEStreamingApi['writeSSE']>[0]) => {
      saidMs = context.clock.nowMs();
      return within(stream, stream.writeSSE(message));
    };
    // The first bytes tell the reader that it is connected, and where it stands.
    await say(
      begun.reset
        ? {
            id: String(after),
            event: 'reset',
            data: JSON.stringify({ head: after }),
            retry: RETRY_MS,
          }
        : { id: String(after), event: 'open', data: JSON.stringify({ after }), retry: RETRY_MS },
    );
    while (key && !bell.over()) {
      const slice = await readEvents(context, workspace, key, after, action);
      for (const { seq, type, envelope } of slice.events) {
        await say({ id: String(seq), event: type, data: envelope });
      }
      after = slice.after;
      if (!slice.more) await bell.next(POLL_MS);
      const nowMs = context.clock.nowMs();
      if (nowMs - saidMs >= KEEP_ALIVE_MS) await say({ event: 'alive', data: '{}' });
      if (nowMs - authorisedMs >= REAUTHORISE_MS) {
        key = await stillMay(context, exchange, workspace);
        authorisedMs = nowMs;
      }
    }
  } finally {
    bell.stop();
  }
}

/** Rings at commits of one workspace, and when there is nobody to read any more. */
class Bell {
  readonly #context: Context;
  readonly #stream: SSEStreamingApi;
  readonly #unsubscribe: () => void;
  #rung = false;
  #wake = () => {};

  constructor(context: Context, workspace: WorkspaceId, stream: SSEStreamingApi) {
    this.#context = context;
    this.#stream = stream;
    this.#unsubscribe = context.signals.onCommit((of) => {
      if (of === workspace || of === INSTANCE_WORKSPACE) this.#ring();
    });
    stream.onAbort(this.#ring);
    context.stopping.addEventListener('abort', this.#ring);
  }

  readonly #ring = () => {
    this.#rung = true;
    this.#wake();
  };

  over(): boolean {
    return this.#stream.aborted || this.#context.stopping.aborted;
  }

  /** Until it has rung since the last time, or `ms` are over. */
  async next(ms: number): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#rung = false;
  }

  stop(): void {
    this.#unsubscribe();
    this.#context.stopping.removeEventListener('abort', this.#ring);
  }
}

/** The key of the request, if it still is good and still may read events. */
async function stillMay(
  context: Context,
  exchange: Exchange,
  workspace: WorkspaceId,
): Promise<KeyRecord | undefined> {
  const found = await authenticate(context, exchange.req.header('authorization'));
  return found.ok && permits(found.value, 'event.read', workspace) ? found.value : undefined;
}

/** Ends the stream when nobody takes what was written. */
async function within(stream: SSEStreamingApi, written: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      stream.abort();
      resolve();
    }, WRITE_MS);
  });
  await Promise.race([written, late]);
  clearTimeout(timer);
}

/** The sequence number of the event that the reader saw last; -1 reads from the beginning. */
function lastEventId(exchange: Exchange): number | undefined {
  const header = exchange.req.header('last-event-id');
  if (header === undefined || header === '') return undefined;
  if (/^(-1|\d{1,15})$/.test(header)) return Number(header);
  return refuse('input.invalid', 'The header Last-Event-ID is not usable.', [
    { pointer: 'Last-Event-ID', message: 'expected the id of an event of this stream, or -1' },
  ]);
}
