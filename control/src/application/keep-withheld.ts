/**
 * Puts the bodies that a dry run would have sent into the evidence store, before the transaction whose
 * entries name them.
 */
import type { Digest } from '@portarium/contracts/digest';
import type { EgressCall } from '@portarium/contracts/internal-api';
import type { Ticket } from '@portarium/contracts/ticket';
import type { Context } from './context.ts';
import type { FixedAction } from './fixed-actions.ts';
import { fenced } from './hold-attempt.ts';
import { judgeCalls, knownJournal } from './judge-calls.ts';

/** @param bodies of the report; larger ones were kept before it */
export async function keepWithheld(
  context: Pick<Context, 'objects' | 'store'>,
  ticket: Ticket,
  action: FixedAction,
  calls: readonly EgressCall[],
  bodies: ReadonlyMap<Digest, Uint8Array>,
): Promise<void> {
  const wanted = new Set(calls.flatMap(({ request }) => request?.bodyDigest ?? []));
  if (wanted.size === 0) return;
  const { workspace, action: id } = ticket;
  const found = await context.store.read(workspace, async (tx) => {
    const held = fenced(await tx.findAction(id), await tx.findAttempt(ticket.attempt), ticket);
    if (!held.ok || held.value.attempt.verdict !== null) return [];
    const known = await knownJournal(tx, id, true);
    // Whoever does not hold the action any more, or cannot tell the truth, is refused later.
    const judged = await judgeCalls(action, ticket.attempt, known, calls, bodies);
    if (!judged.ok) return [];
    const all: Uint8Array[] = [];
    for (const digest of wanted) {
      const bytes = bodies.get(digest) ?? (await tx.findBody(id, digest));
      if (bytes) all.push(bytes);
    }
    return all;
  });
  for (const bytes of found) await context.objects.put(workspace, bytes, action.retention);
}
