/** The publishers whose signatures a workspace trusts. A key stands there once, under one name, for ever. */
import type { Digest } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { readPublisherKey } from '@portarium/contracts/plugin-signature';
import * as v from 'valibot';
import { RationaleSchema } from './cancel-action.ts';
import { actorOf, type Caller, type Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { PublisherRecord } from './ports/version-store.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';
import { quarantineLocked } from './quarantine-version.ts';
import { submitAs } from './submit-as.ts';

export const TrustPublisherSchema = v.strictObject({
  /** `name+hash+base64`: the publisher's name is the key's. */
  verifierKey: v.pipe(v.string(), v.minLength(1), v.maxLength(256)),
});

export const RevokePublisherSchema = v.strictObject({
  /** What becomes of the versions that the key has signed and that may run. */
  versions: v.picklist(['keep', 'quarantine']),
  rationale: RationaleSchema,
});

export async function trustPublisher(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  wanted: v.InferOutput<typeof TrustPublisherSchema>,
): Promise<Result<PublisherRecord>> {
  const verifierKey = wanted.verifierKey.trim();
  const read = await readPublisherKey(verifierKey);
  if (typeof read === 'string') {
    return failure('input.invalid', `That is no key of a publisher: ${read}.`, {
      errors: [{ pointer: '/verifierKey', message: read }],
    });
  }
  const publisher: PublisherRecord = {
    fingerprint: read.fingerprint,
    name: read.key.name,
    verifierKey,
    trustedBy: caller.key.owner,
    trustedAt: timeText(context.clock.nowMs()),
    revokedBy: null,
    revokedAt: null,
  };
  return submitAs(context, caller, workspace, async (tx): Promise<Result<PublisherRecord>> => {
    const { length } = await tx.listPublishers();
    if (length >= PLATFORM_LIMITS.publisherKeys) {
      return failure(
        'conflict',
        `The workspace has ${length} keys of publishers; it takes no more.`,
      );
    }
    if (!(await tx.insertPublisher(publisher))) {
      return failure(
        'conflict',
        'This key was trusted before. A key has one name, and one that was revoked stays so.',
      );
    }
    const { name, fingerprint, trustedBy } = publisher;
    tx.append({
      type: 'publisher.trusted',
      actor: actorOf(caller),
      subject: {},
      data: { publisher: name, fingerprint, verifierKey, by: trustedBy },
      trace: caller.trace,
    });
    return success(publisher);
  });
}

export async function revokePublisher(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  fingerprint: Digest,
  { versions, rationale }: v.InferOutput<typeof RevokePublisherSchema>,
): Promise<Result<PublisherRecord>> {
  return submitAs(context, caller, workspace, async (tx): Promise<Result<PublisherRecord>> => {
    const at = timeText(context.clock.nowMs());
    const by = caller.key.owner;
    const revoked = await tx.revokePublisher(fingerprint, by, at);
    if (!revoked) {
      return failure(
        'not-found',
        `The workspace trusts no key with the fingerprint ${fingerprint}.`,
      );
    }
    tx.append({
      type: 'publisher.revoked',
      actor: actorOf(caller),
      subject: {},
      data: { publisher: revoked.name, fingerprint, by, versions, rationale },
      trace: caller.trace,
    });
    if (versions === 'quarantine') await quarantineSigned(tx, caller, revoked, at, rationale);
    return success(revoked);
  });
}

/** Uploads hold the key until they commit, so none with a signature of it is missed. */
async function quarantineSigned(
  tx: WriteTransaction,
  caller: Caller,
  { fingerprint }: PublisherRecord,
  at: string,
  rationale: string,
): Promise<void> {
  const by = caller.key.owner;
  for (const name of await tx.signedBy(fingerprint)) {
    await tx.lockPluginVersions(name);
    for (const plugin of await tx.listVersions(name)) {
      if (plugin.state !== 'active' || plugin.signature?.fingerprint !== fingerprint) continue;
      const why = { at, cause: 'publisher-revoked', by, rationale } as const;
      await quarantineLocked(tx, plugin, why, caller);
    }
  }
}
