/** The lock battery's means against S3, in a bucket of their own. */
import { randomBytes } from 'node:crypto';
import type { LockProbe, ProbeObject } from '../../application/ports/object-store.ts';
import { InfraError } from '../../application/ports/workspace-store.ts';
import { prepareBucket } from './s3-buckets.ts';
import { isMissing, isRefused, type S3 } from './s3-client.ts';
import { holdObject, lockIn, lockObject, writeLocked } from './s3-locks.ts';

export async function openS3Probe(s3: S3, bucket: string): Promise<LockProbe> {
  await prepareBucket(s3, bucket, 1);
  const folder = randomBytes(8).toString('hex');
  const written: ProbeObject[] = [];
  let made = 0;
  const place = ({ name }: ProbeObject) => ({ bucket, key: name });
  const note = (name: string, version: string): ProbeObject => {
    const object = { name, version };
    written.push(object);
    return object;
  };
  const remove = (object: ProbeObject, options: object) =>
    done(
      s3.call(`remove ${object.name}`, () =>
        s3.client.removeObject(bucket, object.name, options as never),
      ),
    );
  return {
    async write(bytes, lockMs) {
      const name = `${folder}/${made++}`;
      const lock = lockMs === 'default' ? lockMs : Date.now() + lockMs;
      const version = await writeLocked(s3, { bucket, key: name, bytes, lock });
      if (version) return note(name, version);
      throw new InfraError('the store keeps no versions', { retryable: false });
    },
    async writeInParts(bytes) {
      const name = `${folder}/${made++}`;
      const { client } = s3;
      const id = await client.initiateNewMultipartUpload(bucket, name, {});
      const parts: { part: number; etag?: string }[] = [];
      const whole = Buffer.from(bytes);
      const half = 5 * 1024 * 1024;
      for (const [i, body] of [whole.subarray(0, half), whole.subarray(half)].entries()) {
        const query = `partNumber=${i + 1}&uploadId=${id}`;
        const sent = await s3.send('PUT', { bucket, key: name, query, body });
        parts.push({ part: i + 1, etag: String(sent.headers.etag).replaceAll('"', '') });
      }
      const whole2 = await client.completeMultipartUpload(bucket, name, id, parts);
      return note(name, String(whole2.versionId ?? ''));
    },
    async read(object) {
      try {
        const query = `versionId=${object.version}`;
        return (await s3.send('GET', { ...place(object), query })).body;
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    lockOf: (object) => lockIn(s3, place(object), object.version),
    async create(name, bytes) {
      return (await writeLocked(s3, { bucket, key: name, bytes, lock: 'default' })) !== undefined;
    },
    overwrite: (object, bytes) => done(s3.send('PUT', { ...place(object), body: bytes })),
    remove: (object) => remove(object, { versionId: object.version }),
    removeName: (object) => remove(object, {}),
    lockUntil: (object, untilMs) =>
      done(lockObject(s3, place(object), { version: object.version, untilMs })),
    loosen: (object) => {
      const untilMs = Date.now() + 24 * 60 * 60 * 1_000;
      const to = { version: object.version, untilMs, mode: 'GOVERNANCE' };
      return done(lockObject(s3, place(object), to));
    },
    stopVersions: () =>
      done(
        s3.call('stop versions', () =>
          s3.client.setBucketVersioning(bucket, { Status: 'Suspended' }),
        ),
      ),
    setHold: (object, held) =>
      done(holdObject(s3, place(object), { version: object.version, held })),
    /** With every way to delete more than an object, or against its lock. */
    async goAround(object) {
      const { name, version: versionId } = object;
      const tried = [
        await remove(object, { versionId, governanceBypass: true }),
        await done(
          s3.call('remove all', () =>
            s3.client.removeObject(bucket, `${name.split('/')[0]}/`, {
              forceDelete: true,
            } as never),
          ),
        ),
        await done(s3.call('remove the bucket', () => s3.client.removeBucket(bucket))),
      ];
      return tried.includes(true);
    },
    /** What is locked stays until it is not, a day at most; the next probe does not see it. */
    async [Symbol.asyncDispose]() {
      for (const object of written) await remove(object, { versionId: object.version });
    },
  };
}

/** Whether the store did it; anything but a refusal is thrown. */
async function done(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (isRefused(error)) return false;
    throw error;
  }
}
