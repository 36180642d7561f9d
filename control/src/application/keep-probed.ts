/** Probes a store that nobody has probed as it is configured now, while the Control Plane works. */
import { getLogger } from '@logtape/logtape';
import type { Context } from './context.ts';
import { probeStore, storeVerdict } from './probe-store.ts';

const log = getLogger(['portarium', 'evidence-store']);

const RETRY_MS = 30_000;

/** Ends when the store in use has a verdict, or this process stops. Never rejects. */
export async function keepProbed(
  context: Pick<Context, 'store' | 'objects' | 'clock' | 'version' | 'stopping'>,
): Promise<void> {
  while (!context.stopping.aborted) {
    try {
      if ((await storeVerdict(context)).probed) return;
      const probed = await probeStore(context);
      if (!probed.ok) throw new Error(probed.detail);
      tell(
        probed.value.checks.flatMap(({ name, held }) => (held ? [] : [name])),
        context,
      );
      return;
    } catch (error) {
      if (context.stopping.aborted) return;
      log.warn('the evidence store could not be probed, and is again later: {reason}', {
        reason: error instanceof Error ? error.message : String(error),
      });
      await pause(context.stopping);
    }
  }
}

function tell(failed: readonly string[], { objects }: Pick<Context, 'objects'>): void {
  const { kind } = objects;
  if (failed.length === 0) log.info('the {kind} evidence store passes every check', { kind });
  else log.info('the {kind} evidence store fails: {failed}', { kind, failed: failed.join(', ') });
}

function pause(stopping: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, RETRY_MS);
    stopping.addEventListener('abort', done, { once: true });
  });
}
