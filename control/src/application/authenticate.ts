/** From an `Authorization` header to the key that it names. Says nothing about why a key is refused. */
import { KeyIdSchema } from '@portarium/contracts/ids';
import * as v from 'valibot';
import type { Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import type { KeyRecord } from './ports/directory.ts';

const TOKEN = /^Bearer ptk_(key_[0-9a-f]{32})_([0-9a-f]{64})$/;

/** The text of a key as its owner gets it, once. */
export function keyToken(id: string, secret: string): string {
  return `ptk_${id}_${secret}`;
}

export async function authenticate(
  context: Pick<Context, 'directory' | 'secrets' | 'clock'>,
  header: string | undefined,
): Promise<Result<KeyRecord>> {
  if (header === undefined || header === '') {
    return failure('auth.missing', 'The Authorization header is missing.');
  }
  const match = TOKEN.exec(header);
  const id = v.safeParse(KeyIdSchema, match?.[1] ?? '');
  if (!match || !id.success) {
    return failure(
      'auth.invalid',
      'The Authorization header does not hold an API key of the form ptk_….',
    );
  }
  const found = await context.directory.findKey(id.output);
  const presented = await context.secrets.hash(match[2] ?? '');
  const same = constantTimeEqual(presented, found?.secretHash ?? new Uint8Array(32));
  const live =
    found !== undefined &&
    found.key.revokedAt === null &&
    (found.key.expiresAt === null || Date.parse(found.key.expiresAt) > context.clock.nowMs());
  if (!same || !live) {
    return failure('auth.invalid', 'The API key is unknown, expired or revoked.');
  }
  return success(found.key);
}

/** Compares without leaving early, so that timing tells nothing about where they differ. */
function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
