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
import type { Rotations } from './key-rotation.ts';
import { inclusionProofs } from './merkle.ts';
import { parseVerifierKey } from './signed-note.ts';
import { type TarFile, writeTar } from './tar.ts';
import { tlogProofText } from './tlog-proof.ts';
import { disposalsOf } from './verify-disposals.ts';

export interface BundleParts {
  /** Name of the instance; with the workspace it is the log's origin. */
  readonly instance: string;
  readonly workspace: string;
  readonly asked: BundleRequest;
  /**
   * Exact bytes in the order of `seq`: the whole log from entry 0. For a bundle of one action they
   * may be that action's alone, when `proofs` come with them.
   */
  readonly entries: readonly Uint8Array[];
  /** The newest signed note of the log; absent when nothing is signed yet. */
  readonly checkpoint?: string | undefined;
  /** Newest first. */
  readonly verifierKeys: readonly string[];
  /** Of these the ones that entries in the bundle name; the rest that they name is listed as left out. */
  readonly artifacts: ReadonlyMap<Digest, Uint8Array>;
  readonly modules: ReadonlyMap<Digest, Uint8Array>;
  /** From when and until when a verifier key signed alone; for the reader, never believed. */
  readonly validity?: ReadonlyMap<string, KeyValidity> | undefined;
  /** Every rotation of the key, when there was one. */
  readonly rotations?: Rotations | undefined;
  /** Of one action's entries, by `seq`, under the checkpoint; computed when left out. */
  readonly proofs?: ReadonlyMap<number, readonly Uint8Array[]> | undefined;
}

export interface KeyValidity {
  /** RFC 3339. */
  readonly validFrom?: string;
  readonly validUntil?: string;
}

const encoder = new TextEncoder();

/** @throws RangeError when an entry is no JSON, or the checkpoint is no signed note of a checkpoint */
export async function buildBundle(given: BundleParts): Promise<Uint8Array> {
  const parts =
    given.asked.action === undefined ? given : await onlyAction(given, given.asked.action);
  const entries = parts.entries.map(parseEntry);
  const named = digestsIn(entries);
  const artifacts = sorted(parts.artifacts).filter(([digest]) => named.has(digest));
  const modules = sorted(parts.modules).filter(([digest]) => named.has(digest));
  const included = new Set([...artifacts, ...modules].map(([digest]) => digest));
  const omitted = namedArtifacts(entries).filter((digest) => !included.has(digest));
  const { instance, workspace, asked } = parts;
  const about = { instance, workspace, asked, entries: entries.length, omitted: omitted.length };
  const files: TarFile[] = [
    { path: BUNDLE_PATHS.readme, bytes: encoder.encode(bundleReadme(about)) },
    { path: BUNDLE_PATHS.keys, bytes: await keysFile(parts) },
    ...(await logFiles(parts)),
    ...artifacts.map(([digest, bytes]) => ({ path: artifactPath(digest), bytes })),
    ...modules.map(([digest, bytes]) => ({ path: modulePath(digest), bytes })),
  ];
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

/** The parts with that action's entries alone, each that the checkpoint covers with its proof. */
async function onlyAction(parts: BundleParts, action: string): Promise<BundleParts> {
  const all = parts.entries.map((bytes) => ({ bytes, entry: parseEntry(bytes) }));
  const about = (entry: Record<string, unknown>) =>
    (entry.subject as { action?: unknown }).action === action;
  const told = all.filter(({ entry }) => about(entry)).map(({ entry }) => entry);
  const disposals = disposalsOf(namedArtifacts(told), all);
  const own = all
    .filter(({ entry }) => about(entry) || disposals.has(Number(entry.seq)))
    .map(({ bytes, entry }) => ({ seq: Number(entry.seq), bytes }));
  const entries = own.map(({ bytes }) => bytes);
  if (parts.proofs !== undefined || parts.checkpoint === undefined) return { ...parts, entries };
  const size = sizeOf(parts.checkpoint);
  const leaves = await Promise.all(parts.entries.slice(0, size).map(leafHash));
  if (leaves.length < size) {
    throw new RangeError(`proofs need the whole log: ${size} entries, got ${leaves.length}`);
  }
  const covered = own.map(({ seq }) => seq).filter((seq) => seq < size);
  return { ...parts, entries, proofs: await inclusionProofs(leaves, covered) };
}

/** What lies under `log/`. */
async function logFiles(parts: BundleParts): Promise<TarFile[]> {
  const vkeys = parts.verifierKeys.map((key) => `${key}\n`).join('');
  const files: TarFile[] = [{ path: BUNDLE_PATHS.vkeys, bytes: encoder.encode(vkeys) }];
  const { checkpoint } = parts;
  if (checkpoint !== undefined) {
    files.push({ path: BUNDLE_PATHS.checkpoint, bytes: encoder.encode(checkpoint) });
  }
  if (parts.rotations) {
    files.push({ path: BUNDLE_PATHS.rotations, bytes: canonicalBytes(parts.rotations) });
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

async function keysFile({ verifierKeys, validity }: BundleParts): Promise<Uint8Array> {
  const keys: ({ verifierKey: string; name: string; id: string } & KeyValidity)[] = [];
  for (const text of verifierKeys) {
    const key = await parseVerifierKey(text);
    if (!key) throw new RangeError(`not a verifier key: ${JSON.stringify(text)}`);
    const about = { verifierKey: text, name: key.name, id: toHex(key.hash) };
    keys.push({ ...about, ...validity?.get(text) });
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
