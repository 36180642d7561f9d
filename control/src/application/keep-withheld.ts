/**
 * Puts the bodies that a dry run would have sent into the evidence store, before the transaction whose
 * entries name them. What turns out not to be one is never named, and nobody finds it.
 */
import type { Digest } from '@portarium/contracts/digest';
import type { EgressCall } from '@portarium/contracts/internal-api';
import type { Ticket } from '@portarium/contracts/ticket';
import type { Context } from './context.ts';
import { fenced } from './hold-attempt.ts';

/** @param bodies of the report; larger ones were kept before it */
export async function keepWithheld(
  context: Pick<Context, 'objects' | 'store'>,
  ticket: Ticket,
  calls: readonly EgressCall[],
  bodies: ReadonlyMap<Digest, Uint8Array>,
): Promise<void> {
  const wanted = new Set(calls.flatMap(({ request }) => request?.bodyDigest ?? []));
  if (wanted.size === 0) return;
  const { workspace, action: id } = ticket;
  const found = await context.store.read(workspace, async (tx) => {
    const held = fenced(await tx.findAction(id), await tx.findAttempt(ticket.attempt), ticket);
    // Whoever does not hold the action any more is refused later, and keeps nothing here.
    if (!held.ok || held.value.attempt.verdict !== null) return [];
    const all: Uint8Array[] = [];
    for (const digest of wanted) {
      const bytes = bodies.get(digest) ?? (await tx.findBody(id, digest));
      if (bytes) all.push(bytes);
    }
    return all;
  });
  for (const bytes of found) await context.objects.put(workspace, bytes, 'compliance');
}
