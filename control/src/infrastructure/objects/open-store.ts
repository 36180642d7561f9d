/** Opens the store that the configuration names. */
import { dirname, resolve } from 'node:path';
import type { Clock } from '../../application/ports/clock.ts';
import type { LockProbe, ObjectStore, RetentionOf } from '../../application/ports/object-store.ts';
import { safeOrigin } from '../safe-origin.ts';
import { openDirectoryProbe } from './directory-probe.ts';
import { createDirectoryStore } from './directory-store.ts';
import { classRetention } from './retention.ts';
import { probeBucketOf } from './s3-buckets.ts';
import { openS3 } from './s3-client.ts';
import { openS3Probe } from './s3-probe.ts';
import { openS3Store, type S3StoreOptions } from './s3-store.ts';

export type StoreOptions =
  | { readonly kind: 'directory'; readonly root: string }
  | ({ readonly kind: 'minio' } & S3StoreOptions);

/** @throws InfraError when it can not be used */
export async function openObjectStore(
  options: StoreOptions,
  clock: Clock,
  retentionOf: RetentionOf = classRetention,
): Promise<ObjectStore> {
  switch (options.kind) {
    case 'directory':
      return createDirectoryStore(options.root, clock, retentionOf);
    case 'minio':
      return openS3Store(options, clock, retentionOf);
  }
}

/** The means of the lock battery without the store: no bucket is made but that of probes. */
export async function openStoreProbe(options: StoreOptions): Promise<LockProbe> {
  if (options.kind === 'directory') return openDirectoryProbe(dirname(resolve(options.root)));
  const endpoint = safeOrigin('PORTARIUM_EVIDENCE_ENDPOINT', options.endpoint);
  return openS3Probe(await openS3({ ...options, endpoint }), probeBucketOf(options.bucketPrefix));
}
