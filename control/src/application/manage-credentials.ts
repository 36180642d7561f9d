/**
 * Credentials of a workspace: written once over the API and never read back. The secret goes to the
 * vault before the row that makes it usable; what a crash leaves behind is a secret that nothing names.
 */
import { placedSchema, placementOf } from '@portarium/contracts/credential-placement';
import type { CredentialId, WorkspaceId } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { PluginNameSchema } from '@portarium/contracts/plugin-name';
import * as v from 'valibot';
import { actorOf, type Caller, type Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { CredentialRecord } from './ports/credential-store.ts';
import { type Precondition, unmet } from './precondition.ts';
import { submitAs } from './submit-as.ts';

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)$/;

/** What goes into a header as it is, whatever the kind; longer than any text that could stand there by chance. */
const SecretSchema = v.pipe(
  v.string(),
  v.minLength(
    PLATFORM_LIMITS.secretCharacters,
    `expected at least ${PLATFORM_LIMITS.secretCharacters} characters; shorter secrets could not be scrubbed from answers`,
  ),
  v.maxLength(PLATFORM_LIMITS.secretBytes),
  v.regex(/^[\x21-\x7e]*$/, 'expected visible ASCII characters without spaces'),
);

export const CreateCredentialSchema = placedSchema({
  name: PluginNameSchema,
  /** The exact host that it may be sent to: in lower case, without a port or a wildcard. */
  host: v.pipe(v.string(), v.regex(HOST, 'expected one exact host in lower case, without a port')),
  value: SecretSchema,
});
export type CreateCredential = v.InferOutput<typeof CreateCredentialSchema>;

export const RotateCredentialSchema = v.strictObject({ value: SecretSchema });

const encode = (text: string) => new TextEncoder().encode(text);

export async function createCredential(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  { name, host, value, ...place }: CreateCredential,
): Promise<Result<CredentialRecord>> {
  const credential: CredentialRecord = {
    id: context.ids.next('credential'),
    name,
    host,
    ...placementOf(place),
    version: 1,
    createdBy: caller.key.id,
    createdAt: timeText(context.clock.nowMs()),
    rotatedAt: null,
    revokedAt: null,
  };
  const taken = await context.store.read(workspace, (tx) => tx.findCredentialByName(name));
  if (taken) return exists(name);
  await context.vault.put({ workspace, credential: credential.id, version: 1 }, encode(value));
  const stored = await submitAs(context, caller, workspace, async (tx) => {
    if (!(await tx.insertCredential(credential))) return exists(name);
    tx.append({
      type: 'credential.created',
      actor: actorOf(caller),
      subject: {},
      data: told(credential, 1),
      trace: caller.trace,
    });
    return success(credential);
  });
  if (!stored.ok) await context.vault.destroy(workspace, credential.id);
  return stored;
}

function exists(name: string) {
  return failure('credential.exists', `A live credential ${name} exists.`, {
    errors: [{ pointer: '/name', message: 'a live credential has this name' }],
  });
}

/** Changes with each rotation and with the revocation. */
export function credentialRevision({ version, revokedAt }: CredentialRecord): string {
  return revokedAt === null ? String(version) : `${version}-revoked`;
}

/** A new version; approvals that name the old one are void from then on. */
export async function rotateCredential(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  id: CredentialId,
  value: string,
  expected?: Precondition,
): Promise<Result<CredentialRecord>> {
  const before = await context.store.read(workspace, (tx) => tx.findCredential(id));
  if (!before || before.revokedAt !== null) return missing(id);
  const early = unmet(expected, credentialRevision(before));
  if (early) return early;
  const version = before.version + 1;
  // A version that an interrupted rotation left in the vault can not be written again.
  const free = await freeVersion(context, workspace, id, version);
  const name = { workspace, credential: id, version: free };
  try {
    await context.vault.put(name, encode(value));
  } catch (error) {
    if ((await context.vault.get(name)) === undefined) throw error;
    return failure('conflict', 'The credential is being rotated by somebody else.');
  }
  const rotated = await submitAs(context, caller, workspace, async (tx) => {
    const credential = await tx.lockCredential(id);
    if (!credential || credential.revokedAt !== null) return missing(id);
    const refused = unmet(expected, credentialRevision(credential));
    if (refused) return refused;
    if (credential.version !== before.version) {
      return failure('conflict', `The credential was rotated to version ${credential.version}.`);
    }
    const at = timeText(context.clock.nowMs());
    await tx.rotateCredential(id, free, at);
    tx.append({
      type: 'credential.rotated',
      actor: actorOf(caller),
      subject: {},
      data: told(credential, free),
      trace: caller.trace,
    });
    return success({ ...credential, version: free, rotatedAt: at });
  });
  // Revoked while its new secret was written: nothing may keep that.
  if (!rotated.ok && rotated.code === 'not-found') await context.vault.destroy(workspace, id);
  return rotated;
}

async function freeVersion(
  context: Context,
  workspace: WorkspaceId,
  credential: CredentialId,
  from: number,
): Promise<number> {
  for (let version = from; ; version++) {
    if ((await context.vault.get({ workspace, credential, version })) === undefined) return version;
  }
}

/** Refused at once; then every version of the secret is destroyed. */
export async function revokeCredential(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  id: CredentialId,
  expected?: Precondition,
): Promise<Result<null>> {
  const revoked = await submitAs(context, caller, workspace, async (tx) => {
    const credential = await tx.lockCredential(id);
    if (!credential) return missing(id);
    const refused = unmet(expected, credentialRevision(credential));
    if (refused) return refused;
    // Once more: what a rotation or a crash left in the vault goes as well.
    if (credential.revokedAt !== null) return success(null);
    await tx.revokeCredential(id, timeText(context.clock.nowMs()));
    tx.append({
      type: 'credential.revoked',
      actor: actorOf(caller),
      subject: {},
      data: told(credential, credential.version),
      trace: caller.trace,
    });
    return success(null);
  });
  if (revoked.ok) await context.vault.destroy(workspace, id);
  return revoked;
}

/** What evidence says of a credential; the name of a user may be that of a person, and stays out. */
function told(credential: CredentialRecord, version: number): Readonly<Record<string, unknown>> {
  const { id, name, host, kind } = credential;
  return {
    ...{ credential: id, name, host, kind, version },
    ...(kind === 'header' ? { header: credential.header } : {}),
    ...(kind === 'query' ? { parameter: credential.parameter } : {}),
  };
}

function missing(id: CredentialId) {
  return failure('not-found', `The workspace has no live credential ${id}.`);
}
