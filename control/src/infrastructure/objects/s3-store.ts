/**
 * `ObjectStore` on S3 with Object Lock: an artifact is `<workspace>/sha256/<hex>` in the bucket of its class,
 * locked in the same request that writes it. What is read is a version: a delete marker or a newer version,
 * which whoever has the credentials can add, hides nothing.
 */
import { type Digest, digestOf } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import {
  RETENTION_CLASSES,
  RETENTION_DAYS,
  type RetentionClass,
} from '@portarium/contracts/retention-class';
import type { Clock } from '../../application/ports/clock.ts';
import type {
  ArtifactLock,
  ObjectStore,
  Removal,
  RetentionOf,
} from '../../application/ports/object-store.ts';
import { InfraError } from '../../application/ports/workspace-store.ts';
import { safeOrigin } from '../safe-origin.ts';
import { artifactKey, logKey } from './object-key.ts';
import { otherBytes } from './other-bytes.ts';
import { classRetention, DAY_MS, slackOf } from './retention.ts';
import { type Buckets, bucketsOf, prepareBuckets, probeBucketOf } from './s3-buckets.ts';
import {
  isMissing,
  isRefused,
  isS3,
  type ListedVersion,
  openS3,
  type S3,
  type S3Options,
  type S3Version,
} from './s3-client.ts';
import { holdObject, lockIn, lockObject, type Place, writeLocked } from './s3-locks.ts';
import { openS3Probe } from './s3-probe.ts';

export interface S3StoreOptions extends S3Options {
  /** Buckets are `<prefix>-operational` and so on. */
  readonly bucketPrefix: string;
}

/** The likeliest first: a miss costs a request each. */
const READ_ORDER: readonly RetentionClass[] = ['compliance', 'operational', 'forensic'];
/** What a listing without versions yields. */
interface ListedObject {
  readonly name?: string;
  readonly lastModified?: Date;
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Of two that create the same object at once S3 may refuse both; a disposal may take it away in between. */
const PUT_TRIES = 5;

/** @throws InfraError when the server, its credentials or its buckets can not be used */
export async function openS3Store(
  options: S3StoreOptions,
  clock: Clock,
  retentionOf: RetentionOf = classRetention,
): Promise<ObjectStore> {
  const s3 = await openS3({
    ...options,
    endpoint: safeOrigin('PORTARIUM_EVIDENCE_ENDPOINT', options.endpoint),
  });
  const buckets = bucketsOf(options.bucketPrefix);
  await prepareBuckets(s3, buckets);

  async function keep(
    workspace: WorkspaceId,
    key: string,
    bytes: Uint8Array,
    retention: RetentionClass,
  ): Promise<void> {
    const ms = await retentionOf(workspace, retention);
    const untilMs = clock.nowMs() + ms;
    // The bucket's default goes by the server's own clock.
    const lock = ms === RETENTION_DAYS[retention] * DAY_MS ? 'default' : untilMs;
    for (let run = 1; ; run++) {
      const bucket = buckets[retention];
      if (await writeLocked(s3, { bucket, key, bytes, lock })) return;
      if (await extend(s3, { bucket, key }, untilMs, slackOf(ms))) return;
      if (run < PUT_TRIES) continue;
      const message = `the evidence store neither keeps ${key} nor has it`;
      throw new InfraError(message, { retryable: true });
    }
  }

  /** Every version in every class. */
  async function versions(key: string) {
    const found = await Promise.all(
      RETENTION_CLASSES.map(async (retention) =>
        (await s3.versionsOf(buckets[retention], key)).map((version) => ({
          ...version,
          bucket: buckets[retention],
          key,
        })),
      ),
    );
    return found.flat();
  }

  return {
    kind: 'minio',
    place: `${s3.endpoint}/${options.bucketPrefix}-*`,
    identity: `minio ${s3.endpoint} ${options.region} ${options.bucketPrefix} ${s3.accessKey}`,
    endpoint: s3.endpoint,

    async put(workspace, bytes, retention) {
      const digest = await digestOf(bytes);
      await keep(workspace, artifactKey(workspace, digest), bytes, retention);
      return digest;
    },

    async get(workspace, digest) {
      const key = artifactKey(workspace, digest);
      let wrong: Digest | undefined;
      const check = async (bytes: Uint8Array | undefined) => {
        const actual = bytes && (await digestOf(bytes));
        if (actual !== digest) wrong = actual ?? wrong;
        return actual === digest ? bytes : undefined;
      };
      for (const retention of READ_ORDER) {
        const bytes = await check(await read(s3, { bucket: buckets[retention], key }));
        if (bytes) return bytes;
      }
      // Hidden by a marker or by a newer version, or not there.
      for (const version of await versions(key)) {
        if (version.marker) continue;
        const bytes = await check(await read(s3, version, version.id));
        if (bytes) return bytes;
      }
      if (wrong === undefined) return undefined;
      throw otherBytes(digest, wrong);
    },

    async lockOf(workspace, digest) {
      let latest: ArtifactLock | undefined;
      for (const version of await versions(artifactKey(workspace, digest))) {
        const lock = version.marker ? undefined : await lockIn(s3, version, version.id);
        if (lock === undefined) continue;
        latest = {
          retainUntilMs: Math.max(lock.untilMs, latest?.retainUntilMs ?? 0),
          held: lock.held || (latest?.held ?? false),
        };
      }
      return latest;
    },

    async setHold(workspace, digest, held) {
      for (const { bucket, key, id, marker } of await versions(artifactKey(workspace, digest))) {
        if (marker) continue;
        await holdObject(s3, { bucket, key }, { version: id, held });
      }
    },

    async remove(workspace, digest) {
      const all = await versions(artifactKey(workspace, digest));
      const kept = all.filter(({ marker }) => !marker);
      if (kept.length === 0) return { outcome: 'absent' };
      // Looked at first: with one version left of three, half of an artifact would be gone.
      for (const version of kept) {
        const lock = await lockIn(s3, version, version.id);
        if (lock?.held) return { outcome: 'kept', why: 'hold' };
        if (lock && lock.untilMs > clock.nowMs()) return { outcome: 'kept', why: 'retention' };
      }
      return removeAll(s3, [...kept, ...all.filter(({ marker }) => marker)]);
    },

    async listArtifacts(workspace, after, limit) {
      const prefix = artifactKey(workspace, 'sha256:' as Digest);
      const behind = after === '' ? '' : artifactKey(workspace, after as Digest);
      const written = new Map<Digest, number>();
      for (const retention of RETENTION_CLASSES) {
        await s3.call(`the artifacts of ${workspace}`, async () => {
          let left = limit;
          const listed = s3.client.listObjectsV2(buckets[retention], prefix, true, behind);
          for await (const item of listed as AsyncIterable<ListedObject>) {
            const digest: Digest = `sha256:${(item.name ?? '').slice(prefix.length)}`;
            const ms = item.lastModified?.getTime() ?? 0;
            if (--left < 0) break;
            if (DIGEST.test(digest)) written.set(digest, Math.max(ms, written.get(digest) ?? 0));
          }
        });
      }
      return [...written]
        .map(([digest, writtenMs]) => ({ digest, writtenMs }))
        .sort((a, b) => (a.digest < b.digest ? -1 : 1))
        .slice(0, limit);
    },

    async putLog(workspace, path, bytes) {
      const key = logKey(workspace, path);
      await keep(workspace, key, bytes, 'forensic');
      const stands = await firstVersion(s3, buckets, key);
      if (stands && Buffer.compare(stands, bytes) === 0) return;
      throw otherBytes(path);
    },

    getLog: (workspace, path) => firstVersion(s3, buckets, logKey(workspace, path)),

    async listLog(workspace, folder, limit) {
      const listed = await s3.call(`the names in ${folder}`, async () => {
        const prefix = `${logKey(workspace, folder)}/`;
        const names = new Set<string>();
        const options = { IncludeVersion: true };
        const listed = s3.client.listObjects(buckets.forensic, prefix, false, options);
        for await (const item of listed as AsyncIterable<ListedVersion>) {
          const name = (item.name ?? item.prefix ?? '').slice(prefix.length).replace(/\/$/, '');
          if (name === '' || item.isDeleteMarker) continue;
          if (names.size === limit && !names.has(name)) break;
          names.add(name);
        }
        return [...names].sort();
      });
      return listed as readonly string[];
    },

    async ping() {
      const what = `look for ${buckets.compliance}`;
      if (await s3.call(what, () => s3.client.bucketExists(buckets.compliance))) return;
      throw new InfraError(`the bucket ${buckets.compliance} is gone`, { retryable: false });
    },

    openProbe: () => openS3Probe(s3, probeBucketOf(options.bucketPrefix)),
  };
}

async function read(s3: S3, { bucket, key }: Place, version?: string) {
  try {
    const query = version === undefined ? '' : `versionId=${version}`;
    return (await s3.send('GET', { bucket, key, query })).body;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The log is written once: whatever came later stands beside it, not in its place. */
async function firstVersion(s3: S3, buckets: Buckets, key: string) {
  const bucket = buckets.forensic;
  const first = (await s3.versionsOf(bucket, key)).findLast(({ marker }) => !marker);
  return first && read(s3, { bucket, key }, first.id);
}

/** @returns false when there is nothing to extend */
async function extend(s3: S3, place: Place, untilMs: number, slackMs: number): Promise<boolean> {
  const all = await s3.versionsOf(place.bucket, place.key);
  const kept = all.filter(({ marker }) => !marker);
  try {
    for (const { id } of kept) {
      const lock = await lockIn(s3, place, id);
      if (lock === undefined) return false;
      if (lock.mode === 'COMPLIANCE' && lock.untilMs >= untilMs - slackMs) continue;
      await lockObject(s3, place, { version: id, untilMs: Math.max(untilMs, lock.untilMs) });
    }
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  return kept.length > 0;
}

async function removeAll(s3: S3, all: readonly (S3Version & Place)[]): Promise<Removal> {
  for (const { bucket, key, id } of all) {
    try {
      await s3.call(`remove ${key}`, () => s3.client.removeObject(bucket, key, { versionId: id }));
    } catch (error) {
      if (!isRefused(error)) throw error;
      if (isS3(error, 'SignatureDoesNotMatch', 'InvalidAccessKeyId')) throw error;
      const lock = await lockIn(s3, { bucket, key }, id);
      return { outcome: 'kept', why: lock?.held ? 'hold' : 'retention' };
    }
  }
  return { outcome: 'removed' };
}
