/** Word of what happens, to the pages that show it. */
import type { PortariumEvent } from '@portarium/client/events';
import { PortariumError } from '@portarium/client/portarium-error';
import { effect, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { session, signOut } from './session.ts';

/** `live` while events arrive. */
export const connection = signal<'connecting' | 'live' | 'lost'>('connecting');

type Listener = (event: PortariumEvent | undefined) => void;
const listeners = new Set<Listener>();

/** Follows the workspace of whoever is signed in, for as long. */
effect(() => {
  const current = session.value;
  if (!current) return undefined;
  const ending = new AbortController();
  const follow = async () => {
    try {
      for await (const one of current.client.events.follow({ signal: ending.signal })) {
        connection.value = 'live';
        // After a gap everything may have changed.
        for (const listener of listeners) listener(one.kind === 'event' ? one.event : undefined);
      }
    } catch (error) {
      connection.value = 'lost';
      if (error instanceof PortariumError && error.status === 401) signOut(error.message);
    }
  };
  connection.value = 'connecting';
  follow();
  return () => ending.abort();
});

/** Events come in bursts: one reload for all of a burst. */
const SETTLE_MS = 150;

/** Calls `reload` soon after an event that `concerns` it. */
export function useLive(reload: () => void, concerns: (event: PortariumEvent) => boolean): void {
  const latest = useRef({ reload, concerns });
  latest.current = { reload, concerns };
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const listener: Listener = (event) => {
      if (event && !latest.current.concerns(event)) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        latest.current.reload();
      }, SETTLE_MS);
    };
    listeners.add(listener);
    return () => {
      clearTimeout(timer);
      listeners.delete(listener);
    };
  }, []);
}
