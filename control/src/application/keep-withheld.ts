/**
 * Puts the bodies that a dry run would have sent into the evidence store, before the transaction whose
 * entries name them. What turns out not to be one is never named, and nobody finds it.
 */
import type { Digest } from '@portarium/contracts/digest';
import type { EgressCall } from '@portarium/contracts/internal-api';
import type { Ticket } from '@portarium/contracts/ticket';
import type { Context } from './context.ts';

/** @param bodies of the report; larger ones were kept before it */
export async function keepWithheld(
  context: Pick<Context, 'objects' | 'store'>,
  { workspace, action }: Ticket,
  calls: readonly EgressCall[],
  bodies: ReadonlyMap<Digest, Uint8Array>,
): Promise<void> {
  const wanted = new Set(calls.flatMap(({ request }) => request?.bodyDigest ?? []));
  for (const digest of wanted) {
    const bytes =
      bodies.get(digest) ??
      (await context.store.read(workspace, (tx) => tx.findBody(action, digest)));
    if (bytes) await context.objects.put(workspace, bytes, 'compliance');
  }
}
