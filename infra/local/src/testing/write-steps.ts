/** The steps of a write, and a gate that holds writes at them until a test has killed something. */
import type { Exchange, ExchangeKind, FaultProxy, Point } from './fault-proxy.ts';
import type { RecordingCounterpart } from './recording-counterpart.ts';

export const STEPS = [
  'before intent',
  'after intent',
  'before send',
  'after send',
  'after effect',
  'after answer',
  'before outcome',
  'after outcome',
] as const;
export type Step = (typeof STEPS)[number];

export interface SteppedWrite {
  /** The id in the body that the counterpart gets. */
  readonly id: string;
  readonly action: string;
  readonly step: Step;
}

export interface Gate {
  /** Resolves when every write is at its step, or with false after `timeoutMs`. */
  reached(timeoutMs: number): Promise<boolean>;
  /**
   * Lets acknowledgements of writes that stop at `before send` through, so that the next thing which
   * their host does is to send. Resolves when they are delivered.
   */
  deliver(): Promise<void>;
  /** Whether that write came to its step. */
  isAt(id: string): boolean;
  /** Lets everything pass from now on. */
  open(): void;
}

const REPORTS: readonly ExchangeKind[] = ['heartbeat', 'intents', 'outcome'];

/** Holds each write the first time that it comes to its step. */
export function holdAtSteps(
  proxy: FaultProxy,
  counterpart: RecordingCounterpart,
  writes: readonly SteppedWrite[],
): Gate {
  const opened = Promise.withResolvers<void>();
  const delivering = Promise.withResolvers<void>();
  const all = Promise.withResolvers<void>();
  const at = new Set<string>();
  const deliveries: Promise<void>[] = [];
  const free: (() => void)[] = [];

  const arrive = (write: SteppedWrite): boolean => {
    if (at.has(write.id)) return false;
    at.add(write.id);
    if (at.size === writes.length) all.resolve();
    return true;
  };
  const hold = async (write: SteppedWrite): Promise<void> => {
    if (arrive(write)) await opened.promise;
  };
  const onExchange = (
    write: SteppedWrite,
    kinds: readonly ExchangeKind[],
    point: Point,
    when: (exchange: Exchange) => boolean = () => true,
  ): void => {
    for (const kind of kinds) {
      const hook = (exchange: Exchange) =>
        exchange.action === write.action && when(exchange) ? hold(write) : undefined;
      free.push(proxy.at(kind, point, hook));
    }
  };
  const beforeSend = (write: SteppedWrite): void => {
    const delivered = Promise.withResolvers<void>();
    const mine = (exchange: Exchange) =>
      exchange.action === write.action && isWriteIntent(exchange);
    free.push(
      proxy.at('intents', 'before-answer', async (exchange) => {
        if (!mine(exchange) || !arrive(write)) return;
        deliveries.push(delivered.promise);
        await delivering.promise;
      }),
      proxy.at('intents', 'delivered', (exchange) => {
        if (mine(exchange)) delivered.resolve();
      }),
    );
  };

  for (const write of writes) {
    switch (write.step) {
      case 'before intent':
        onExchange(write, ['intents'], 'before-forward', isWriteIntent);
        break;
      case 'after intent':
        onExchange(write, ['intents'], 'before-answer', isWriteIntent);
        break;
      case 'before send':
        beforeSend(write);
        break;
      case 'after send':
        counterpart.plan(write.id, { arrived: ({ method }) => onPost(method, () => hold(write)) });
        break;
      case 'after effect':
        counterpart.plan(write.id, {
          answering: ({ method }) => onPost(method, () => hold(write)),
        });
        break;
      case 'after answer':
        onExchange(write, REPORTS, 'before-forward', carriesAnswer);
        break;
      case 'before outcome':
        onExchange(write, ['outcome'], 'before-forward');
        break;
      case 'after outcome':
        onExchange(write, ['outcome'], 'before-answer');
        break;
    }
  }
  return {
    reached: async (timeoutMs) => {
      const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), timeoutMs));
      return Promise.race([all.promise.then(() => true), late]);
    },
    deliver: async () => {
      delivering.resolve();
      const late = new Promise((resolve) => setTimeout(resolve, 500));
      await Promise.race([Promise.all(deliveries), late]);
    },
    isAt: (id) => at.has(id),
    open: () => {
      for (const each of free) each();
      delivering.resolve();
      opened.resolve();
    },
  };
}

const onPost = (method: string, then: () => Promise<void>): Promise<void> | undefined =>
  method === 'POST' ? then() : undefined;

function isWriteIntent({ body }: Exchange): boolean {
  return (body as { method?: string } | undefined)?.method === 'POST';
}

/** Whether the report says what came of a write. */
function carriesAnswer({ body }: Exchange): boolean {
  const { calls = [] } = (body ?? {}) as { calls?: readonly { method: string; verdict: string }[] };
  return calls.some(({ method, verdict }) => method === 'POST' && verdict !== 'open');
}
