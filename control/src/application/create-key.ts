/** Creates and revokes API keys. The secret is shown once and stored hashed. */
import { INSTANCE_WORKSPACE, type KeyId, type WorkspaceId } from '@portarium/contracts/ids';
import * as v from 'valibot';
import { type KeyRole, ROLES } from '../domain/permissions.ts';
import { keyToken } from './authenticate.ts';
import { actorOf, type Caller, type Context } from './context.ts';
import { dayExists } from './day-exists.ts';
import { failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { KeyRecord } from './ports/directory.ts';
import { submitAs } from './submit-as.ts';

/** RFC 3339 with seconds and a zone, and a day that exists. */
const TimeSchema = v.pipe(
  v.string(),
  v.regex(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/,
    'expected a time such as 2027-01-31T12:00:00Z',
  ),
  v.check(
    (text) => !Number.isNaN(Date.parse(text)) && dayExists(text.slice(0, 10)),
    'expected a day and a time that exist',
  ),
);

export const CreateKeySchema = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(120)),
  /** The person who answers for what the key does. */
  owner: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  role: v.picklist(ROLES),
  expiresAt: v.optional(TimeSchema),
});
export type CreateKey = v.InferOutput<typeof CreateKeySchema>;

export interface CreatedKey {
  readonly key: KeyRecord;
  /** `ptk_…`, never shown again. */
  readonly token: string;
}

/** A key that is not stored yet, with its secret. */
export function newKey(
  context: Pick<Context, 'ids' | 'clock'>,
  wanted: {
    readonly workspace: WorkspaceId | null;
    readonly name: string;
    readonly owner: string;
    /** The person whose key makes it; nobody's at the bootstrap. */
    readonly createdBy?: string;
    readonly role: KeyRole;
    readonly expiresAt?: string | undefined;
  },
): CreatedKey & { readonly secret: string } {
  const id = context.ids.next('key');
  const secret = context.ids.randomHex(32);
  const key: KeyRecord = {
    id,
    workspace: wanted.workspace,
    name: wanted.name,
    owner: wanted.owner,
    createdBy: wanted.createdBy ?? null,
    role: wanted.role,
    createdAt: timeText(context.clock.nowMs()),
    expiresAt: wanted.expiresAt === undefined ? null : new Date(wanted.expiresAt).toISOString(),
    revokedAt: null,
    lastUsedAt: null,
  };
  return { key, token: keyToken(id, secret), secret };
}

export async function createKey(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  wanted: CreateKey,
): Promise<Result<CreatedKey>> {
  if (wanted.expiresAt !== undefined && Date.parse(wanted.expiresAt) <= context.clock.nowMs()) {
    return failure('input.invalid', 'The key would be expired at once.', {
      errors: [{ pointer: '/expiresAt', message: 'expected a time in the future' }],
    });
  }
  const { key, token, secret } = newKey(context, {
    workspace,
    ...wanted,
    createdBy: caller.key.owner,
  });
  const secretHash = await context.secrets.hash(secret);
  return submitAs(context, caller, workspace, async (tx) => {
    await tx.insertKey(key, secretHash);
    tx.append({
      type: 'key.created',
      actor: actorOf(caller),
      subject: { key: key.id },
      data: {
        owner: key.owner,
        role: key.role,
        ...(key.expiresAt === null ? {} : { expiresAt: key.expiresAt }),
      },
      trace: caller.trace,
    });
    return success({ key, token });
  });
}

/** @param workspace the reserved instance workspace revokes a key that reaches every workspace */
export async function revokeKey(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  id: KeyId,
): Promise<Result<null>> {
  const scope = workspace === INSTANCE_WORKSPACE ? null : workspace;
  return submitAs(context, caller, workspace, async (tx): Promise<Result<null>> => {
    const revoked = await tx.revokeKey(scope, id, timeText(context.clock.nowMs()));
    if (!revoked) return failure('not-found', `There is no live key ${id} here.`);
    tx.append({
      type: 'key.revoked',
      actor: actorOf(caller),
      subject: { key: id },
      data: {},
      trace: caller.trace,
    });
    return success(null);
  });
}
