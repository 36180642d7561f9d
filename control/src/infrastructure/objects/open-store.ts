/** Opens the store that the configuration names. */
import type { Clock } from '../../application/ports/clock.ts';
import type { ObjectStore, RetentionOf } from '../../application/ports/object-store.ts';
import { createDirectoryStore } from './directory-store.ts';
import { classRetention } from './retention.ts';
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
