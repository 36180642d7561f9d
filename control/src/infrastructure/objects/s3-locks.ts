/** Locks on single objects in S3. */
import type { ProbeLock } from '../../application/ports/object-store.ts';
import { isMissing, isS3, type S3 } from './s3-client.ts';

export interface Place {
  readonly bucket: string;
  readonly key: string;
}

/**
 * Creates an object, locked by the request that writes it.
 * @returns its version; undefined when there is one already, or when another writes it just now
 */
export async function writeLocked(
  s3: S3,
  { bucket, key, bytes, lock }: Place & { bytes: Uint8Array; lock: number | 'default' },
): Promise<string | undefined> {
  const headers = {
    'content-type': 'application/octet-stream',
    'if-none-match': '*',
    ...lockHeaders(lock),
  };
  try {
    const written = await s3.send('PUT', { bucket, key, headers, body: bytes });
    return String(written.headers['x-amz-version-id'] ?? '');
  } catch (error) {
    if (isS3(error, 'PreconditionFailed', 'ConditionalRequestConflict')) return undefined;
    throw error;
  }
}

function lockHeaders(lock: number | 'default'): Record<string, string> {
  if (lock === 'default') return {};
  return {
    'x-amz-object-lock-mode': 'COMPLIANCE',
    'x-amz-object-lock-retain-until-date': new Date(lock).toISOString(),
  };
}

/** @returns undefined when that version is not there */
export async function lockIn(
  s3: S3,
  { bucket, key }: Place,
  version: string,
): Promise<ProbeLock | undefined> {
  try {
    const { headers } = await s3.send('HEAD', { bucket, key, query: `versionId=${version}` });
    const until = headers['x-amz-object-lock-retain-until-date'];
    return {
      mode: String(headers['x-amz-object-lock-mode'] ?? 'none'),
      untilMs: until === undefined ? 0 : Date.parse(String(until)),
      held: headers['x-amz-object-lock-legal-hold'] === 'ON',
    };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export async function lockObject(
  s3: S3,
  { bucket, key }: Place,
  to: { readonly version: string; readonly untilMs: number; readonly mode?: string },
): Promise<void> {
  await s3.call(`a lock on ${key}`, () =>
    s3.client.putObjectRetention(bucket, key, {
      mode: (to.mode ?? 'COMPLIANCE') as never,
      retainUntilDate: new Date(to.untilMs).toISOString(),
      versionId: to.version,
      ...(to.mode === undefined ? {} : { governanceBypass: true }),
    }),
  );
}

export async function holdObject(
  s3: S3,
  { bucket, key }: Place,
  { version, held }: { readonly version: string; readonly held: boolean },
): Promise<void> {
  await s3.call(`a hold on ${key}`, () =>
    s3.client.setObjectLegalHold(bucket, key, {
      versionId: version,
      status: (held ? 'ON' : 'OFF') as never,
    }),
  );
}
