/** What a forger does to a bundle: changes files or entries and makes the manifest fit again. */

import * as v from 'valibot';
import { type BundleManifest, BundleManifestSchema } from '../bundle-layout.ts';
import { canonicalBytes, type JsonValue } from '../canonical-json.ts';
import { digestOf } from '../digest.ts';
import { decodeEntryBundle, entryBundles, hashTiles } from '../entry-bundle.ts';
import { entryHash, leafHash } from '../evidence-entry.ts';
import { readTar, writeTar } from '../tar.ts';

export type Files = Map<string, Uint8Array>;
export type EntryObject = { [key: string]: JsonValue };

const decoder = new TextDecoder();

export function filesOf(tar: Uint8Array): Files {
  const read = readTar(tar);
  if (!read.ok) throw new Error(read.error);
  // Copies, so that changing a file changes no other bundle.
  return new Map([...read.files].map(([path, bytes]) => [path, bytes.slice()]));
}

/** The archive of `files` with a manifest that lists them, and counts `entries` when given. */
export async function pack(files: Files, entries?: number): Promise<Uint8Array> {
  const manifest = v.parse(
    BundleManifestSchema,
    JSON.parse(decoder.decode(files.get('manifest.json'))),
  );
  const listed: BundleManifest['files'] = {};
  for (const [path, bytes] of files) {
    if (path === 'manifest.json') continue;
    listed[path] = { digest: await digestOf(bytes), bytes: bytes.length };
  }
  const fitted = { ...manifest, files: listed, entries: entries ?? manifest.entries };
  files.set('manifest.json', canonicalBytes(fitted));
  return writeTar([...files].map(([path, bytes]) => ({ path, bytes })));
}

/** The exact bytes of a whole log's entries. */
export function entriesOf(files: Files): Uint8Array[] {
  const entries: Uint8Array[] = [];
  for (const [path, bytes] of files) {
    if (!path.startsWith('log/tile/entries/')) continue;
    const decoded = decodeEntryBundle(bytes);
    if (decoded.ok) entries.push(...decoded.entries);
  }
  return entries;
}

/** Puts other entries in their place; `tiles` says whether the forger makes the tiles fit, too. */
export async function withEntries(
  files: Files,
  entries: readonly Uint8Array[],
  tiles: boolean,
): Promise<Uint8Array> {
  for (const path of [...files.keys()]) {
    if (path.startsWith(tiles ? 'log/tile/' : 'log/tile/entries/')) files.delete(path);
  }
  for (const { path, bytes } of entryBundles(entries)) files.set(`log/${path}`, bytes);
  if (tiles) {
    const leaves = await Promise.all(entries.map(leafHash));
    for (const { path, bytes } of await hashTiles(leaves)) files.set(`log/${path}`, bytes);
  }
  return pack(files, entries.length);
}

/** Changes entries as objects and recomputes seq, both chains and each action's count. */
export async function rewritten(
  entries: readonly Uint8Array[],
  change: (list: EntryObject[]) => void,
): Promise<Uint8Array[]> {
  const list = entries.map((bytes) => JSON.parse(decoder.decode(bytes)) as EntryObject);
  change(list);
  const actions = new Map<string, { count: number; prev: string }>();
  const out: Uint8Array[] = [];
  let prev: string | null = null;
  for (const [seq, entry] of list.entries()) {
    const { action } = entry.subject as { action?: string };
    const own = action === undefined ? undefined : actions.get(action);
    entry.seq = seq;
    entry.prev = prev;
    if (action !== undefined) {
      entry.actionSeq = own?.count ?? 0;
      entry.actionPrev = own?.prev ?? null;
      const data = entry.data as EntryObject;
      if (data.entries !== undefined) data.entries = (own?.count ?? 0) + 1;
    }
    const bytes = canonicalBytes(entry);
    prev = await entryHash(bytes);
    if (action !== undefined) actions.set(action, { count: (own?.count ?? 0) + 1, prev });
    out.push(bytes);
  }
  return out;
}
