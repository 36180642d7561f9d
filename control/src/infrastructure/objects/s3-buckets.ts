/**
 * One bucket for each retention class, made with Object Lock and a default COMPLIANCE retention: what nobody
 * says anything about is locked as well. Object Lock can only be chosen when a bucket is made, so one that
 * was made without it is refused.
 */
import {
  RETENTION_CLASSES,
  RETENTION_DAYS,
  type RetentionClass,
} from '@portarium/contracts/retention-class';
import { InfraError } from '../../application/ports/workspace-store.ts';
import { isS3, type S3 } from './s3-client.ts';

export type Buckets = { readonly [C in RetentionClass]: string };

export function bucketsOf(prefix: string): Buckets {
  return {
    operational: `${prefix}-operational`,
    compliance: `${prefix}-compliance`,
    forensic: `${prefix}-forensic`,
  };
}

/** Where the lock battery writes: never among evidence, and locked for a day at most. */
export const probeBucketOf = (prefix: string) => `${prefix}-probe`;

/** Makes what is missing. @throws InfraError that names a bucket which can not hold evidence */
export async function prepareBuckets(s3: S3, buckets: Buckets): Promise<void> {
  for (const retention of RETENTION_CLASSES) {
    await prepareBucket(s3, buckets[retention], RETENTION_DAYS[retention]);
  }
}

export async function prepareBucket(s3: S3, bucket: string, days: number): Promise<void> {
  await make(s3, bucket);
  const lock = await lockOf(s3, bucket);
  const versions = await s3.call(`the versions of ${bucket}`, () =>
    s3.client.getBucketVersioning(bucket),
  );
  if (lock === undefined || (versions as { Status?: string }).Status !== 'Enabled') {
    throw new InfraError(
      `the bucket ${bucket} at ${s3.endpoint} has no Object Lock, which can not be added later: name others by PORTARIUM_EVIDENCE_BUCKET, and they are made with it`,
      { retryable: false },
    );
  }
  if (lock.mode === 'COMPLIANCE' && lock.days >= days) return;
  await s3.call(`a default retention of ${bucket}`, () =>
    s3.client.setObjectLockConfig(bucket, {
      mode: 'COMPLIANCE' as never,
      unit: 'Days' as never,
      validity: days,
    }),
  );
}

/** One that is there already stays as it is. */
async function make(s3: S3, bucket: string): Promise<void> {
  try {
    if (await s3.call(`look for ${bucket}`, () => s3.client.bucketExists(bucket))) return;
    await s3.call(`make ${bucket}`, () =>
      s3.client.makeBucket(bucket, '', { ObjectLocking: true }),
    );
  } catch (error) {
    if (isS3(error, 'BucketAlreadyOwnedByYou')) return;
    if (error instanceof InfraError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new InfraError(`the bucket ${bucket} at ${s3.endpoint} can not be used: ${why}`, {
      retryable: false,
      cause: error,
    });
  }
}

/** @returns undefined without Object Lock; 0 days without a default */
async function lockOf(s3: S3, bucket: string): Promise<{ mode: string; days: number } | undefined> {
  try {
    const lock = (await s3.call(`the lock of ${bucket}`, () =>
      s3.client.getObjectLockConfig(bucket),
    )) as { objectLockEnabled?: string; mode?: string; unit?: string; validity?: number };
    if (lock.objectLockEnabled !== 'Enabled') return undefined;
    const validity = Number(lock.validity ?? 0);
    return { mode: lock.mode ?? '', days: lock.unit === 'Years' ? validity * 365 : validity };
  } catch (error) {
    if (isS3(error, 'ObjectLockConfigurationNotFoundError')) return undefined;
    throw error;
  }
}
