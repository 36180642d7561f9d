/**
 * Writes an exported bundle (tar): everything that a stranger needs to check the evidence offline. It
 * keeps a hash of each entry and the names of what it wrote, never the whole. The same parts give the
 * same bytes. It checks nothing: that is `verify-bundle.ts`.
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
import { checkpointOfNote } from './checkpoint.ts';
import { type Digest, digestOf, toHex } from './digest.ts';
import { encodeEntryBundle, entryBundlePath, TILE_WIDTH, type TileFile } from './entry-bundle.ts';
import { leafHashes } from './evidence-entry.ts';
import type { Rotations } from './key-rotation.ts';
import { inclusionProofs } from './merkle.ts';
import { PerfectSubtrees } from './perfect-subtrees.ts';
import { type HashTilePlace, tilesOfRange, widened } from './range-tiles.ts';
import { parseVerifierKey } from './signed-note.ts';
import { TAR_END, tarFile } from './tar.ts';
import { tlogProofText } from './tlog-proof.ts';
import { disposalsOf } from './verify-disposals.ts';

type EntryObject = Readonly<Record<string, unknown>>;

/** An artifact or a module that an entry names. */
export interface BundleObject {
  readonly kind: 'artifact' | 'module';
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

export interface KeyValidity {
  /** RFC 3339. */
  readonly validFrom?: string;
  readonly validUntil?: string;
}

/** What a tree gives out: in memory {@link PerfectSubtrees}, or what a database keeps. */
export interface TilesOfTree {
  tile(place: HashTilePlace): TileFile | Promise<TileFile>;
}

export interface BundleSource {
  /** Name of the instance; with the workspace it is the log's origin. */
  readonly instance: string;
  readonly workspace: string;
  readonly asked: BundleRequest;
  /** The newest signed note of the log; absent when nothing is signed yet. */
  readonly checkpoint?: string | undefined;
  /** Newest first. */
  readonly verifierKeys: readonly string[];
  /**
   * Exact bytes in the order of `seq`: the whole log from entry 0; of a range what its entry bundles
   * hold; of an action its own.
   */
  readonly entries: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** What the entry names, as far as the bundle is to hold it. */
  objects(entry: EntryObject): AsyncIterable<BundleObject> | Iterable<BundleObject>;
  /** From when and until when a verifier key signed alone; for the reader, never believed. */
  readonly validity?: ReadonlyMap<string, KeyValidity> | undefined;
  /** Every rotation of the key, when there was one. */
  readonly rotations?: Rotations | undefined;
  /** Of a range: the tree over all leaves up to the checkpoint. */
  readonly tree?: TilesOfTree | undefined;
  /** Of a range: the disposals of its artifacts that stand after it, in order. */
  readonly beside?: readonly Uint8Array[] | undefined;
  /** Audit paths by `seq`, under the checkpoint: of an action’s entries, and of what stands beside a range. */
  readonly proofs?: ReadonlyMap<number, readonly Uint8Array[]> | undefined;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * The bytes of the archive, piece by piece.
 * @throws RangeError when an entry is no JSON, or the checkpoint is no signed note of a checkpoint
 */
export function writeBundle(source: BundleSource): AsyncGenerator<Uint8Array> {
  return new BundleWriter(source).write();
}

type Chunks = AsyncGenerator<Uint8Array>;

class BundleWriter {
  readonly #source: BundleSource;
  readonly #size: number;
  readonly #listed: Record<string, { digest: Digest; bytes: number }> = {};
  /** Artifacts that entries name, and what of all that they name was written. */
  readonly #named = new Set<string>();
  readonly #included = new Set<string>();
  #entries = 0;

  constructor(source: BundleSource) {
    this.#source = source;
    this.#size = source.checkpoint === undefined ? 0 : sizeOf(source.checkpoint);
  }

  async *write(): Chunks {
    const { verifierKeys, checkpoint, rotations, asked } = this.#source;
    yield* this.#file(BUNDLE_PATHS.keys, await keysFile(this.#source));
    yield* this.#text(BUNDLE_PATHS.vkeys, verifierKeys.map((key) => `${key}\n`).join(''));
    if (checkpoint !== undefined) yield* this.#text(BUNDLE_PATHS.checkpoint, checkpoint);
    if (rotations) yield* this.#file(BUNDLE_PATHS.rotations, canonicalBytes(rotations));
    if (asked.action !== undefined) yield* this.#action();
    else yield* this.#log();
    yield* this.#ending();
  }

  /** Of a whole log or of a range: entry bundles, what their entries name, then tiles. */
  async *#log(): Chunks {
    const { asked } = this.#source;
    const range = asked.from === undefined || asked.to === undefined ? undefined : asked;
    const { first } = range
      ? widened({ from: range.from ?? 0, to: range.to ?? 0 }, this.#size)
      : { first: 0 };
    const leaves: Uint8Array[] = [];
    for await (const part of inParts(this.#source.entries, TILE_WIDTH)) {
      const start = first + this.#entries;
      const index = start / TILE_WIDTH;
      yield* this.#file(`log/${entryBundlePath(index, part.length)}`, encodeEntryBundle(part));
      // The entry bundle of the signed size, which a reader of C2SP tlog-tiles asks for.
      const signed = this.#size - start;
      if (signed > 0 && signed < part.length) {
        const path = `log/${entryBundlePath(index, signed)}`;
        yield* this.#file(path, encodeEntryBundle(part.slice(0, signed)));
      }
      if (!this.#source.tree) leaves.push(...(await leafHashes(part)));
      for (const bytes of part) yield* this.#objects(parseEntry(bytes));
    }
    const tree = this.#source.tree ?? (await PerfectSubtrees.over(leaves));
    const end = first + this.#entries;
    // A log that was cut off has fewer entries than are signed: its tiles are those of what is left.
    const size = this.#source.tree ? this.#size : Math.min(this.#size, end);
    for (const place of tilesOfRange({ first, end }, size)) {
      const { path, bytes } = await tree.tile(place);
      yield* this.#file(`log/${path}`, bytes);
    }
    for (const bytes of this.#source.beside ?? []) yield* this.#proved(parseEntry(bytes), bytes);
  }

  /** Entries one by one. */
  async *#action(): Chunks {
    for await (const bytes of this.#source.entries) {
      const entry = parseEntry(bytes);
      yield* this.#proved(entry, bytes);
      yield* this.#objects(entry);
    }
  }

  /** An entry as a file, with a proof when the checkpoint covers it. */
  async *#proved(entry: EntryObject, bytes: Uint8Array): Chunks {
    const { proofs, checkpoint } = this.#source;
    const seq = Number(entry.seq);
    yield* this.#file(entryPath(seq), bytes);
    const hashes = proofs?.get(seq);
    if (hashes && checkpoint !== undefined) {
      yield* this.#text(proofPath(seq), tlogProofText({ index: seq, hashes, checkpoint }));
    }
  }

  async *#objects(entry: EntryObject): Chunks {
    this.#entries++;
    digestsIn(entry.artifacts, this.#named);
    for await (const { kind, digest, bytes } of this.#source.objects(entry)) {
      this.#included.add(digest);
      yield* this.#file(kind === 'artifact' ? artifactPath(digest) : modulePath(digest), bytes);
    }
  }

  /** What says how many there are, and so comes last. */
  async *#ending(): Chunks {
    const { instance, workspace, asked } = this.#source;
    const omitted = [...this.#named].filter((digest) => !this.#included.has(digest)).sort();
    const entries = this.#entries;
    const about = { instance, workspace, asked, entries, omitted: omitted.length };
    yield* this.#text(BUNDLE_PATHS.readme, bundleReadme(about));
    const manifest = {
      ...{ v: 1, kind: BUNDLE_KIND, instance, workspace, asked, entries, omitted },
      files: this.#listed,
    } as const satisfies { readonly [K in keyof BundleManifest]: unknown };
    yield* tarFile({ path: BUNDLE_PATHS.manifest, bytes: canonicalBytes(manifest) });
    yield TAR_END;
  }

  #text(path: string, text: string): Chunks {
    return this.#file(path, encoder.encode(text));
  }

  /** Once: entries share what they name. */
  async *#file(path: string, bytes: Uint8Array): Chunks {
    if (Object.hasOwn(this.#listed, path)) return;
    this.#listed[path] = { digest: await digestOf(bytes), bytes: bytes.length };
    yield* tarFile({ path, bytes });
  }
}

export interface BundleParts extends Omit<BundleSource, 'entries' | 'objects' | 'tree' | 'beside'> {
  /**
   * Exact bytes in the order of `seq`: the whole log from entry 0. For a bundle of one action they
   * may be that action's alone, when `proofs` come with them.
   */
  readonly entries: readonly Uint8Array[];
  /** Of these the ones that entries in the bundle name; the rest that they name is listed as left out. */
  readonly artifacts: ReadonlyMap<Digest, Uint8Array>;
  readonly modules: ReadonlyMap<Digest, Uint8Array>;
}

/** {@link writeBundle} of what is in memory, whole. */
export async function buildBundle(parts: BundleParts): Promise<Uint8Array> {
  const { artifacts, modules, ...about } = parts;
  const objects = (entry: EntryObject): BundleObject[] => {
    const named = [...digestsIn(entry)].sort() as Digest[];
    return named.flatMap((digest) => {
      const [artifact, module] = [artifacts.get(digest), modules.get(digest)];
      return [
        ...(artifact ? [{ kind: 'artifact', digest, bytes: artifact } as const] : []),
        ...(module ? [{ kind: 'module', digest, bytes: module } as const] : []),
      ];
    });
  };
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeBundle({ ...about, ...(await chosen(parts)), objects })) {
    chunks.push(chunk);
  }
  const tar = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    tar.set(chunk, at);
    at += chunk.length;
  }
  return tar;
}

/** The entries that were asked for, and what proves them. */
async function chosen(
  parts: BundleParts,
): Promise<Pick<BundleSource, 'entries' | 'proofs' | 'tree' | 'beside'>> {
  const { asked, entries, checkpoint, proofs } = parts;
  const size = checkpoint === undefined ? 0 : sizeOf(checkpoint);
  if (asked.from !== undefined && asked.to !== undefined) {
    const { first, end } = widened({ from: asked.from, to: asked.to }, size);
    const leaves = await leafHashes(entries.slice(0, size));
    const disposals = disposalsIn(
      entries.slice(0, size),
      ({ seq }) => Number(seq) >= first && Number(seq) < end,
    );
    const beside = disposals.filter(({ seq }) => seq >= end);
    const places = beside.map(({ seq }) => seq);
    return {
      entries: entries.slice(first, end),
      tree: await PerfectSubtrees.over(leaves),
      beside: beside.map(({ bytes }) => bytes),
      proofs: await inclusionProofs(leaves, places),
    };
  }
  if (asked.action === undefined) return { entries };
  const about = (entry: EntryObject) =>
    (entry.subject as { action?: unknown }).action === asked.action;
  const own = disposalsIn(entries, about, true);
  const chosenEntries = own.map(({ bytes }) => bytes);
  if (proofs !== undefined || checkpoint === undefined) return { entries: chosenEntries, proofs };
  const leaves = await leafHashes(entries.slice(0, size));
  if (leaves.length < size) {
    throw new RangeError(`proofs need the whole log: ${size} entries, got ${leaves.length}`);
  }
  const covered = own.map(({ seq }) => seq).filter((seq) => seq < size);
  return { entries: chosenEntries, proofs: await inclusionProofs(leaves, covered) };
}

/** The entries that dispose of what those of `about` name; with these themselves, when `own` says so. */
function disposalsIn(
  entries: readonly Uint8Array[],
  about: (entry: EntryObject) => boolean,
  own = false,
): readonly { readonly seq: number; readonly bytes: Uint8Array }[] {
  const all = entries.map((bytes) => ({ bytes, entry: parseEntry(bytes) }));
  const named = new Set<string>();
  for (const { entry } of all) if (about(entry)) digestsIn(entry.artifacts, named);
  const disposals = disposalsOf([...named], all);
  return all
    .filter(({ entry }) => (own && about(entry)) || disposals.has(Number(entry.seq)))
    .map(({ bytes, entry }) => ({ seq: Number(entry.seq), bytes }));
}

async function* inParts<T>(
  items: AsyncIterable<T> | Iterable<T>,
  length: number,
): AsyncGenerator<T[]> {
  let part: T[] = [];
  for await (const item of items) {
    part.push(item);
    if (part.length < length) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}

async function keysFile({ verifierKeys, validity }: BundleSource): Promise<Uint8Array> {
  const keys: ({ verifierKey: string; name: string; id: string } & KeyValidity)[] = [];
  for (const text of verifierKeys) {
    const key = await parseVerifierKey(text);
    if (!key) throw new RangeError(`not a verifier key: ${JSON.stringify(text)}`);
    const about = { verifierKey: text, name: key.name, id: toHex(key.hash) };
    keys.push({ ...about, ...validity?.get(text) });
  }
  return canonicalBytes({ keys });
}

function parseEntry(bytes: Uint8Array): EntryObject {
  try {
    return JSON.parse(decoder.decode(bytes)) as EntryObject;
  } catch (cause) {
    throw new RangeError('an entry of the log is not JSON; nothing was exported', { cause });
  }
}

function sizeOf(note: string): number {
  const checkpoint = checkpointOfNote(note);
  if (!checkpoint) throw new RangeError('the checkpoint is not the signed note of a checkpoint');
  return checkpoint.size;
}
