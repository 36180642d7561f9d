/**
 * What an attempt's end leaves in the evidence store: the action's journal so far as canonical JSON,
 * whose digest `attempt.finished` states, and the bodies that guests sent with leave
 * and read, as a tar of `sha256/<hex>`.
 */
import * as v from 'valibot';
import { canonicalBytes } from './canonical-json.ts';
import type { Digest } from './digest.ts';
import { AttemptIdSchema } from './ids.ts';
import { EgressCallSchema } from './internal-api.ts';
import { type TarFile, writeTar } from './tar.ts';

export const JOURNAL_MEDIA_TYPE = 'application/vnd.portarium.journal+json';
export const BODIES_MEDIA_TYPE = 'application/vnd.portarium.bodies+tar';

/** A record and the attempt that wrote it; a call with an intent names the one that intended it first. */
export const JournalRecordSchema = v.strictObject({
  ...EgressCallSchema.entries,
  attempt: AttemptIdSchema,
});
export type JournalArtifactRecord = v.InferOutput<typeof JournalRecordSchema>;

/** Every record of the action from call 0 without gaps. */
export const JournalArtifactSchema = v.array(JournalRecordSchema);

/** Characters that a record may need beside its path, its request and response headers. */
const RECORD_REST = 2_048;

/** What a record counts against `journalCharacters`: the same to the host and to the Control Plane. */
export function recordCharacters({
  path,
  responseHeaders = {},
  request,
}: Pick<JournalArtifactRecord, 'path' | 'responseHeaders' | 'request'>): number {
  const headers = [...Object.entries(responseHeaders), ...(request?.headers ?? [])];
  return headers.reduce(
    (sum, [name, value]) => sum + name.length + value.length,
    RECORD_REST + path.length + (request?.url.length ?? 0),
  );
}

export function journalBytes(records: readonly JournalArtifactRecord[]): Uint8Array {
  return canonicalBytes(records);
}

/** Digests of the bodies that records name, of requests and of responses. */
export function bodyDigests(
  records: Iterable<Pick<JournalArtifactRecord, 'requestBodyDigest' | 'responseDigest'>>,
): ReadonlySet<Digest> {
  const digests = new Set<Digest>();
  for (const { requestBodyDigest, responseDigest } of records) {
    if (requestBodyDigest !== undefined) digests.add(requestBodyDigest);
    if (responseDigest !== undefined) digests.add(responseDigest);
  }
  return digests;
}

/** The same bodies give the same bytes: files stand in the order of their digests. */
export function bodiesBytes(bodies: ReadonlyMap<Digest, Uint8Array>): Uint8Array {
  const files: TarFile[] = [...bodies]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([digest, bytes]) => ({ path: bodyPath(digest), bytes }));
  return writeTar(files);
}

/** Where a body stands in the tar. */
export function bodyPath(digest: Digest): string {
  return digest.replace(':', '/');
}
