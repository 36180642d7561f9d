/** How this host asks the Control Plane again: with growing pauses, while that can help. */
import type { ControlAnswer, ControlFailure } from './control-client.ts';

/** Pauses between two tries: doubled from the first to the longest. */
const BACK_OFF = { firstMs: 100, mostMs: 2_000 };

export interface Patience {
  /** On `performance.now()`: when asking again is over, by what the last answer was. */
  readonly until: (last: ControlFailure) => number;
  /** Ends the pauses; after it nothing is asked any more. */
  readonly signal?: AbortSignal;
}

/** Asks until an answer is final: a success, a refusal, or the last failure in the time there is. */
export async function persist<T>(
  ask: () => Promise<ControlAnswer<T>>,
  { until, signal = NEVER }: Patience,
): Promise<ControlAnswer<T>> {
  for (let wait = BACK_OFF.firstMs; ; wait = Math.min(wait * 2, BACK_OFF.mostMs)) {
    const answer = await ask();
    if (answer.ok || !answer.transient || signal.aborted) return answer;
    if (performance.now() + wait > until(answer)) return answer;
    await sleep(wait, signal);
    if (signal.aborted) return answer;
  }
}

const NEVER = new AbortController().signal;

/** Resolves after `ms`, or at once when `signal` aborts. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) return Promise.resolve();
  const stop = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    resolve();
  };
  const timer = setTimeout(stop, ms);
  signal.addEventListener('abort', stop, { once: true });
  return promise;
}
