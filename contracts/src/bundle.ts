/**
 * Builds an exported bundle (tar): everything that a stranger needs to check the evidence offline.
 * The same parts give the same bytes. It checks nothing: that is `verify-bundle.ts`.
 */
import {
  artifactPath,
  BUNDLE_KIND,
  BUNDLE_PATHS,
  type BundleManifest,
  type BundleRequest,
  digestsIn,
  entryPath,
  modulePath,
  proofPath,
} from './bundle-layout.ts';
import { bundleReadme } from './bundle-readme.ts';
import { canonicalBytes } from './canonical-json.ts';
import { parseCheckpoint } from './checkpoint.ts';
import { type Digest, digestOf, toHex } from './digest.ts';
import {
  encodeEntryBundle,
  entryBundlePath,
  entryBundles,
  hashTiles,
  TILE_WIDTH,
} from './entry-bundle.ts';
import { leafHash } from './evidence-entry.ts';
import { parseVerifierKey } from './signed-note.ts';
import { type TarFile, writeTar } from './tar.ts';
import { tlogProofText } from './tlog-proof.ts';

export interface BundleParts {
  /** Name of the instance; with the workspace it is the log's origin. */
  readonly instance: string;
  readonly workspace: string;
  readonly asked: BundleRequest;
  /** Exact bytes: the whole log from entry 0, or one action's entries, in the order of `seq`. */
  readonly entries: readonly Uint8Array[];
  /** The newest signed note of the log; absent when nothing is signed yet. */
  readonly checkpoint?: string | undefined;
  /** Newest first. */
  readonly verifierKeys: readonly string[];
  /** Those that go into the bundle; what entries name besides is listed as left out. */
  readonly artifacts: ReadonlyMap<Digest, Uint8Array>;
  readonly modules: ReadonlyMap<Digest, Uint8Array>;
  /** For a bundle of one action: proofs by `seq`, under the checkpoint; none beyond its size. */
  readonly proofs?: ReadonlyMap<number, readonly Uint8Array[]> | undefined;
}

const encoder = new TextEncoder();

/** @throws RangeError when an entry is no JSON, or the checkpoint is no signed note of a checkpoint */
export async function buildBundle(parts: BundleParts): Promise<Uint8Array> {
  const entries = parts.entries.map((bytes) => ({ bytes, value: parseEntry(bytes) }));
  const omitted = namedArtifacts(entries.map((entry) => entry.value)).filter(
    (digest) => !parts.artifacts.has(digest),
  );
  const { instance, workspace, asked } = parts;
  const files: TarFile[] = [
    {
      path: BUNDLE_PATHS.readme,
      bytes: encoder.encode(
        bundleReadme({
          instance,
          workspace,
          asked,
          entries: entries.length,
          omitted: omitted.length,
        }),
      ),
    },
    { path: BUNDLE_PATHS.keys, bytes: await keysFile(parts.verifierKeys) },
    ...(await logFiles(parts)),
  ];
  for (const [digest, bytes] of sorted(parts.artifacts)) {
    files.push({ path: artifactPath(digest), bytes });
  }
  for (const [digest, bytes] of sorted(parts.modules)) {
    files.push({ path: modulePath(digest), bytes });
  }
  const listed: Record<string, { digest: Digest; bytes: number }> = {};
  for (const { path, bytes } of files) {
    listed[path] = { digest: await digestOf(bytes), bytes: bytes.length };
  }
  const manifest = {
    v: 1,
    kind: BUNDLE_KIND,
    instance,
    workspace,
    asked,
    entries: entries.length,
    omitted,
    files: listed,
  } as const satisfies { readonly [K in keyof BundleManifest]: unknown };
  return writeTar([{ path: BUNDLE_PATHS.manifest, bytes: canonicalBytes(manifest) }, ...files]);
}

/** What lies under `log/`. */
async function logFiles(parts: BundleParts): Promise<TarFile[]> {
  const vkeys = parts.verifierKeys.map((key) => `${key}\n`).join('');
  const files: TarFile[] = [{ path: BUNDLE_PATHS.vkeys, bytes: encoder.encode(vkeys) }];
  const { checkpoint } = parts;
  if (checkpoint !== undefined) {
    files.push({ path: BUNDLE_PATHS.checkpoint, bytes: encoder.encode(checkpoint) });
  }
  const lie = parts.asked.action === undefined ? wholeLog(parts) : oneAction(parts);
  return [...files, ...(await lie)];
}

/** Entry bundles of all entries; tiles, and the partial entry bundle, of the checkpoint's size. */
async function wholeLog(parts: BundleParts): Promise<TarFile[]> {
  const files = entryBundles(parts.entries);
  const size = parts.checkpoint === undefined ? 0 : sizeOf(parts.checkpoint);
  const signed = parts.entries.slice(0, size);
  if (signed.length % TILE_WIDTH !== 0 && signed.length !== parts.entries.length) {
    const index = Math.floor(signed.length / TILE_WIDTH);
    const part = signed.slice(index * TILE_WIDTH);
    const path = entryBundlePath(index, part.length);
    files.push({ path, bytes: encodeEntryBundle(part) });
  }
  files.push(...(await hashTiles(await Promise.all(signed.map(leafHash)))));
  return files.map(({ path, bytes }) => ({ path: `log/${path}`, bytes }));
}

/** Entries one by one, with a proof each when the checkpoint covers them. */
function oneAction(parts: BundleParts): TarFile[] {
  const files: TarFile[] = [];
  for (const bytes of parts.entries) {
    const seq = Number(parseEntry(bytes).seq);
    files.push({ path: entryPath(seq), bytes });
    const hashes = parts.proofs?.get(seq);
    if (hashes && parts.checkpoint !== undefined) {
      const proof = tlogProofText({ index: seq, hashes, checkpoint: parts.checkpoint });
      files.push({ path: proofPath(seq), bytes: encoder.encode(proof) });
    }
  }
  return files;
}

async function keysFile(verifierKeys: readonly string[]): Promise<Uint8Array> {
  const keys: { verifierKey: string; name: string; id: string }[] = [];
  for (const text of verifierKeys) {
    const key = await parseVerifierKey(text);
    if (!key) throw new RangeError(`not a verifier key: ${JSON.stringify(text)}`);
    keys.push({ verifierKey: text, name: key.name, id: toHex(key.hash) });
  }
  return canonicalBytes({ keys });
}

function parseEntry(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Readonly<
      Record<string, unknown>
    >;
  } catch (cause) {
    throw new RangeError('an entry of the log is not JSON; nothing was exported', { cause });
  }
}

function namedArtifacts(entries: readonly Readonly<Record<string, unknown>>[]): Digest[] {
  const named = new Set<string>();
  for (const entry of entries) digestsIn(entry.artifacts, named);
  return [...named].sort() as Digest[];
}

function sizeOf(note: string): number {
  const checkpoint = parseCheckpoint(note.slice(0, note.lastIndexOf('\n\n') + 1));
  if (!checkpoint) throw new RangeError('the checkpoint is not the signed note of a checkpoint');
  return checkpoint.size;
}

function sorted(map: ReadonlyMap<Digest, Uint8Array>): [Digest, Uint8Array][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}
