/**
 * One S3 server, spoken to through the `minio` client. Every request states its own headers: the client's
 * `putObject` would turn those of a lock into metadata, and leave the object open.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { Client, S3Error } from 'minio';
import { InfraError } from '../../application/ports/workspace-store.ts';

export interface S3Options {
  /** `https://host:port`; `http` to loopback only. */
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyFile: string;
  readonly secretKeyFile: string;
  /** PEM file with certificate authorities instead of the runtime's own. */
  readonly authorityFile?: string | undefined;
}

export interface S3Answer {
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

export interface S3Request {
  readonly bucket: string;
  readonly key: string;
  readonly headers?: Record<string, string>;
  readonly query?: string;
  readonly body?: Uint8Array;
}

/** A version of a key, the newest first; a marker stands for a deletion. */
export interface S3Version {
  readonly id: string;
  readonly marker: boolean;
  readonly bytes: number;
}

export interface S3 {
  readonly client: Client;
  readonly endpoint: string;
  /** Names whose rights are used; its secret is another. */
  readonly accessKey: string;
  /** @throws S3Error with the server's code; InfraError when there is no whole answer */
  send(method: 'GET' | 'HEAD' | 'PUT', request: S3Request): Promise<S3Answer>;
  /** Any other call of the client, whose types are loose, with the same errors and time limit. */
  call(what: string, work: () => unknown): Promise<unknown>;
  versionsOf(bucket: string, key: string): Promise<readonly S3Version[]>;
}

export async function openS3(options: S3Options): Promise<S3> {
  const url = new URL(options.endpoint);
  const secure = url.protocol === 'https:';
  const ca = options.authorityFile && (await readFile(options.authorityFile, 'utf8'));
  const accessKey = (await readFile(options.accessKeyFile, 'utf8')).trim();
  const client = new Client({
    endPoint: url.hostname.replaceAll(/[[\]]/g, ''),
    port: Number(url.port) || (secure ? 443 : 80),
    useSSL: secure,
    accessKey,
    secretKey: (await readFile(options.secretKeyFile, 'utf8')).trim(),
    region: options.region,
    // A write that is sent again would find its own object: whoever calls decides.
    retryOptions: { disableRetry: true },
    transportAgent: secure
      ? new HttpsAgent({ keepAlive: true, ...(ca ? { ca } : {}) })
      : new HttpAgent({ keepAlive: true }),
  });
  if (ca) client.setRequestOptions({ ca });

  async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const ms = PLATFORM_LIMITS.evidenceStoreTimeoutMs;
    const timer = setTimeout(() => reject(new Error(`no answer in ${ms} ms`)), ms);
    try {
      return await Promise.race([work(), promise]);
    } catch (error) {
      if (error instanceof S3Error && !isBusy(error)) throw error;
      if (error instanceof InfraError || error instanceof RangeError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      const message = `the evidence store at ${options.endpoint} did not answer to ${what}: ${why}`;
      throw new InfraError(message, { retryable: true, cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    client,
    endpoint: options.endpoint,
    accessKey,
    call: (what, work) => timed(what, async () => work()),
    send: (method, { bucket, key, headers = {}, query = '', body }) =>
      timed(`${method} ${key}`, async () => {
        const payload = body === undefined ? '' : Buffer.from(body);
        const response = await client.makeRequestAsync(
          {
            method,
            bucketName: bucket,
            objectName: key,
            query,
            headers: { ...headers, ...(body ? { 'content-md5': md5Of(body) } : {}) },
          },
          payload,
          [200],
        );
        const chunks: Uint8Array[] = [];
        for await (const chunk of response) chunks.push(chunk as Uint8Array);
        const read = Buffer.concat(chunks);
        const stated = Number(response.headers['content-length'] ?? read.length);
        if (method === 'GET' && read.length !== stated) {
          throw new Error(`${read.length} of ${stated} bytes came`);
        }
        return { headers: response.headers, body: new Uint8Array(read) };
      }),

    versionsOf: (bucket, key) =>
      timed(`the versions of ${key}`, async () => {
        const found: S3Version[] = [];
        const listed = client.listObjects(bucket, key, true, { IncludeVersion: true });
        for await (const item of listed as AsyncIterable<ListedVersion>) {
          if (item.name !== key) continue;
          const { versionId = 'null', isDeleteMarker = false, size = 0 } = item;
          found.push({ id: String(versionId), marker: isDeleteMarker, bytes: size });
        }
        return found;
      }),
  };
}

/** What a listing with versions yields; a folder has a prefix only. */
export interface ListedVersion {
  readonly name?: string;
  readonly prefix?: string;
  readonly versionId?: string;
  readonly isDeleteMarker?: boolean;
  readonly size?: number;
}

export const isS3 = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof S3Error && codes.includes(String(error.code));

export const isMissing = (error: unknown): boolean =>
  isS3(error, 'NoSuchKey', 'NotFound', 'NoSuchVersion', 'MethodNotAllowed');

/** Whether a refusal says that the object is locked: servers disagree about the code. */
export const isRefused = (error: unknown): boolean => error instanceof S3Error && !isMissing(error);

const isBusy = (error: S3Error) =>
  ['SlowDown', 'ServiceUnavailable', 'InternalError', 'XMinioServerNotInitialized'].includes(
    String(error.code),
  );

const md5Of = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('base64');
