/**
 * Layout of an exported bundle: which file stands where, and what its manifest says. One writer
 * (`bundle.ts`) and one reader (`verify-bundle.ts`) share it.
 */
import * as v from 'valibot';
import { type Digest, DigestSchema } from './digest.ts';
import { ActionIdSchema } from './ids.ts';
import { plainRecord } from './plain-record.ts';

export const BUNDLE_KIND = 'portarium/bundle/v1';

export const BUNDLE_PATHS = {
  manifest: 'manifest.json',
  readme: 'README',
  keys: 'keys.json',
  vkeys: 'log/vkeys',
  checkpoint: 'log/checkpoint',
  rotations: 'log/rotations.json',
} as const;

/** Every path that a bundle may hold. */
const LAYOUT = [
  /^(manifest\.json|README|keys\.json)$/,
  /^log\/(vkeys|checkpoint|rotations\.json)$/,
  /^log\/tile\/(\d{1,2}|entries)\/(x\d{3}\/)*\d{3}(\.p\/[1-9]\d{0,2})?$/,
  /^log\/entry\/(0|[1-9]\d{0,15})\.json$/,
  /^log\/proof\/(0|[1-9]\d{0,15})\.tlog-proof$/,
  /^artifacts\/sha256\/[0-9a-f]{64}$/,
  /^plugins\/[0-9a-f]{64}\.wasm$/,
] as const;

export function isBundlePath(path: string): boolean {
  return LAYOUT.some((pattern) => pattern.test(path));
}

/** One entry of a bundle of a single action, or a disposal beside a range. */
export function entryPath(seq: number): string {
  return `log/entry/${seq}.json`;
}

/** Its proof. */
export function proofPath(seq: number): string {
  return `log/proof/${seq}.tlog-proof`;
}

export function artifactPath(digest: Digest): string {
  return `artifacts/sha256/${hexOf(digest)}`;
}

export function modulePath(digest: Digest): string {
  return `plugins/${hexOf(digest)}.wasm`;
}

function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/**
 * What was asked for: nothing means the whole log from entry 0; a range is named by its first and its last
 * entry, and lies in the bundle in whole entry bundles.
 */
export const BundleRequestSchema = v.pipe(
  v.strictObject({
    action: v.optional(ActionIdSchema),
    from: v.optional(count),
    to: v.optional(count),
  }),
  v.check(({ action, from, to }) => {
    if (from === undefined || to === undefined) return from === to;
    return action === undefined && from <= to;
  }, 'expected nothing, an action, or from and to, of which to is not the smaller'),
);
export type BundleRequest = v.InferInput<typeof BundleRequestSchema>;

export const BundleManifestSchema = v.strictObject({
  v: v.literal(1),
  kind: v.literal(BUNDLE_KIND),
  instance: v.string(),
  workspace: v.string(),
  asked: BundleRequestSchema,
  /** Entries in the bundle; of a range, without the disposals beside it. */
  entries: count,
  /** Artifacts that entries name and this bundle leaves out, in ascending order. */
  omitted: v.array(DigestSchema),
  /** Every other file. */
  files: plainRecord(v.string(), v.strictObject({ digest: DigestSchema, bytes: count })),
});
export type BundleManifest = v.InferOutput<typeof BundleManifestSchema>;

export const KeysSchema = v.strictObject({
  keys: v.array(
    v.strictObject({
      verifierKey: v.string(),
      name: v.string(),
      id: v.string(),
      /** RFC 3339; absent of the first key, and of the one that signs. */
      validFrom: v.optional(v.string()),
      validUntil: v.optional(v.string()),
    }),
  ),
});

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const DIGEST_LENGTH = 71;

/** All digests that stand anywhere in a value, keys of objects left aside. */
export function digestsIn(value: unknown, found: Set<string> = new Set()): Set<string> {
  if (typeof value === 'string') {
    if (value.length === DIGEST_LENGTH && DIGEST.test(value)) found.add(value);
  } else if (typeof value === 'object' && value !== null) {
    for (const name in value) digestsIn((value as Record<string, unknown>)[name], found);
  }
  return found;
}
