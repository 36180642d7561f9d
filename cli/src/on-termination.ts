/** Turns Ctrl-C and termination into an abort, so that a command ends in order. */
import { tell } from './output.ts';

/** Aborts on the first Ctrl-C or termination; the promise resolves then. */
export function onTermination(): { readonly signal: AbortSignal; readonly asked: Promise<void> } {
  const stop = new AbortController();
  const asked = new Promise<void>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        if (!stop.signal.aborted) tell('Stopping; this takes a few seconds.');
        stop.abort();
        resolve();
      });
    }
  });
  return { signal: stop.signal, asked };
}
