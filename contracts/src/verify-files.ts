/** Checks the files of a bundle against its manifest, and artifacts and modules against entries. */

import * as v from 'valibot';
import type { BundleFiles } from './bundle-files.ts';
import {
  artifactPath,
  BUNDLE_PATHS,
  type BundleManifest,
  digestsIn,
  entryPath,
  isBundlePath,
  KeysSchema,
  modulePath,
} from './bundle-layout.ts';
import {
  decodeEntryBundle,
  entryBundlePath,
  parseEntryBundlePath,
  TILE_WIDTH,
} from './entry-bundle.ts';
import { readCanonical, strictText } from './verify-entries.ts';
import type { Findings, ReadEntry } from './verify-report.ts';

type Files = ReadonlyMap<string, Uint8Array>;

/** Every file is listed with its digest, every listed file is there, and nothing lies elsewhere. */
export function checkFiles(files: BundleFiles, manifest: BundleManifest, findings: Findings): void {
  const listed = new Map(Object.entries(manifest.files));
  for (const [path, bytes] of files.all) {
    if (path === BUNDLE_PATHS.manifest) continue;
    if (!isBundlePath(path)) findings.add('bundle.layout', `no bundle holds a file ${path}`);
    const stated = listed.get(path);
    listed.delete(path);
    if (!stated) findings.add('bundle.file', `${path} is not in the manifest`);
    else if (stated.bytes !== bytes.length || stated.digest !== files.digest(path)) {
      findings.add('bundle.file', `${path} is not the file that the manifest lists`);
    }
  }
  for (const path of listed.keys()) findings.add('bundle.file', `${path} is missing`);
  for (const path of [BUNDLE_PATHS.readme, BUNDLE_PATHS.keys, BUNDLE_PATHS.vkeys]) {
    if (!files.has(path) && !Object.hasOwn(manifest.files, path)) {
      findings.add('bundle.file', `${path} is missing`);
    }
  }
  checkKeys(files.all, findings);
}

/** `keys.json` repeats `log/vkeys`; neither is believed. */
function checkKeys(files: Files, findings: Findings): void {
  const read = readCanonical(files.get(BUNDLE_PATHS.keys) ?? new Uint8Array());
  const parsed = read.ok ? v.safeParse(KeysSchema, read.value) : undefined;
  const vkeys = strictText(files.get(BUNDLE_PATHS.vkeys) ?? new Uint8Array());
  if (
    !parsed?.success ||
    parsed.output.keys.map((key) => `${key.verifierKey}\n`).join('') !== vkeys
  ) {
    findings.add('bundle.keys', 'keys.json does not list the keys of log/vkeys');
  }
}

/** Where the entries of a whole log or of a range begin. */
export function firstOf({ asked }: BundleManifest): number {
  return Math.floor((asked.from ?? 0) / TILE_WIDTH) * TILE_WIDTH;
}

/** The exact bytes of each entry with its place, from the entry bundles of a whole log or of a range. */
export function logEntries(files: Files, manifest: BundleManifest, findings: Findings) {
  const entries: { seq: number; bytes: Uint8Array }[] = [];
  const used = new Set<string>();
  const start = firstOf(manifest);
  for (let index = start / TILE_WIDTH; entries.length < manifest.entries; index++) {
    const width = Math.min(TILE_WIDTH, manifest.entries - entries.length);
    const path = `log/${entryBundlePath(index, width)}`;
    const bundle = files.get(path);
    const decoded = bundle && decodeEntryBundle(bundle);
    if (!decoded?.ok || decoded.entries.length !== width) {
      const why = decoded ? (decoded.ok ? 'another number of entries' : decoded.error) : 'missing';
      const first = index * TILE_WIDTH;
      findings.add('log.bundle', `${path}, which holds entries from ${first}: ${why}`, first);
      break;
    }
    used.add(path);
    for (const bytes of decoded.entries) entries.push({ seq: start + entries.length, bytes });
  }
  for (const [path, bytes] of files) {
    if (manifest.asked.from === undefined && isProved(path)) {
      findings.add('bundle.layout', `${path} belongs to a bundle of one action`);
    } else if (path.startsWith('log/tile/entries/') && !used.has(path)) {
      checkPartial(path, bytes, { start, entries }, findings);
    }
  }
  return entries;
}

/** A narrower bundle (that of the signed size) must be the beginning of the wide one. */
function checkPartial(
  path: string,
  bytes: Uint8Array,
  log: { readonly start: number; readonly entries: readonly { readonly bytes: Uint8Array }[] },
  findings: Findings,
): void {
  const place = parseEntryBundlePath(path.slice('log/'.length));
  const decoded = decodeEntryBundle(bytes);
  const agrees =
    place !== undefined &&
    decoded.ok &&
    decoded.entries.length === place.width &&
    decoded.entries.every((entry, i) =>
      sameBytes(entry, log.entries[place.index * TILE_WIDTH - log.start + i]?.bytes),
    );
  if (!agrees) findings.add('log.bundle', `${path} is not the beginning of its entry bundle`);
}

/** Whether both are there and the same. */
export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** An entry that lies in a bundle by itself, or its proof. */
function isProved(path: string): boolean {
  return path.startsWith('log/entry/') || path.startsWith('log/proof/');
}

/** The entries that lie in a bundle by themselves, by ascending `seq`. */
export function provedEntries(files: Files, findings: Findings) {
  const entries: { seq: number; bytes: Uint8Array }[] = [];
  for (const [path, bytes] of files) {
    const seq = /^log\/entry\/(\d+)\.json$/.exec(path)?.[1];
    if (seq !== undefined) entries.push({ seq: Number(seq), bytes });
    const proof = /^log\/proof\/(\d+)\.tlog-proof$/.exec(path)?.[1];
    if (proof !== undefined && !files.has(entryPath(Number(proof)))) {
      findings.add('bundle.layout', `${path} proves an entry that is not in the bundle`);
    }
  }
  return entries.sort((a, b) => a.seq - b.seq);
}

/** The entries of a bundle of one action, by ascending `seq`. */
export function actionEntries(files: Files, manifest: BundleManifest, findings: Findings) {
  const entries = provedEntries(files, findings);
  for (const path of files.keys()) {
    if (path.startsWith('log/tile/')) {
      findings.add('bundle.layout', `${path} belongs to a bundle of a whole log`);
    }
  }
  if (entries.length !== manifest.entries) {
    const message = `the manifest counts ${manifest.entries} entries, there are ${entries.length}`;
    findings.add('log.count', message);
  }
  return entries;
}

/**
 * Content-addressed files are what their names say, entries name them, and none is missing.
 * @returns how many signed entries name; what unsigned ones name counts for nothing
 */
export function checkContents(
  files: BundleFiles,
  manifest: BundleManifest,
  log: { readonly entries: readonly ReadEntry[]; readonly size: number },
  findings: Findings,
): { readonly artifacts: number; readonly modules: number } {
  const names = new NamedDigests(log);
  const included = { artifacts: 0, modules: 0 };
  for (const path of files.all.keys()) {
    if (!path.startsWith('artifacts/') && !path.startsWith('plugins/')) continue;
    const kind = path.startsWith('artifacts/') ? 'artifact' : 'plugin';
    const digest = files.digest(path);
    if (digest === undefined) continue;
    const by = names.by(digest);
    if (by === 'signed') included[kind === 'artifact' ? 'artifacts' : 'modules']++;
    if (path !== (kind === 'artifact' ? artifactPath : modulePath)(digest)) {
      findings.add(`${kind}.digest`, `${path} has other bytes than its name says`);
    } else if (by === undefined) {
      findings.add(`${kind}.unnamed`, `${path} is named by no entry`);
    }
  }
  checkOmitted(files, manifest, log.entries, findings);
  return included;
}

/** Which digests entries name. Nearly all stand among artifacts or as the plugin; for others all is read. */
class NamedDigests {
  readonly #log: { readonly entries: readonly ReadEntry[]; readonly size: number };
  readonly #signed = new Set<string>();
  readonly #unsigned = new Set<string>();
  #all = false;

  constructor(log: { readonly entries: readonly ReadEntry[]; readonly size: number }) {
    this.#log = log;
    for (const { entry } of log.entries) {
      const { plugin } = entry.subject;
      const named = this.#of(entry.seq);
      for (const { digest } of entry.artifacts) named.add(digest);
      if (plugin !== undefined) named.add(plugin);
    }
  }

  by(digest: string): 'signed' | 'unsigned' | undefined {
    if (!this.#all && !this.#signed.has(digest)) this.#readAll();
    if (this.#signed.has(digest)) return 'signed';
    return this.#unsigned.has(digest) ? 'unsigned' : undefined;
  }

  #readAll(): void {
    this.#all = true;
    for (const { entry } of this.#log.entries) digestsIn(entry, this.#of(entry.seq));
  }

  #of(seq: number): Set<string> {
    return seq < this.#log.size ? this.#signed : this.#unsigned;
  }
}

function checkOmitted(
  files: BundleFiles,
  manifest: BundleManifest,
  entries: readonly ReadEntry[],
  findings: Findings,
): void {
  const omitted = new Set<string>(manifest.omitted);
  const artifacts = new Set<string>();
  for (const { entry } of entries) {
    for (const { digest, bytes } of entry.artifacts) {
      artifacts.add(digest);
      const file = files.named(digest)?.bytes;
      if (!file && !omitted.has(digest)) {
        findings.add('artifact.missing', `names ${digest}, which is not in the bundle`, entry.seq);
      } else if (file && file.length !== bytes) {
        findings.add('artifact.size', `says that ${digest} has ${bytes} bytes`, entry.seq);
      }
    }
  }
  const sorted = [...omitted].sort();
  if (
    sorted.some((digest, i) => digest !== manifest.omitted[i]) ||
    sorted.length < manifest.omitted.length
  ) {
    findings.add('bundle.omitted', 'what was left out is not listed once, in ascending order');
  }
  for (const digest of omitted) {
    if (!artifacts.has(digest)) findings.add('bundle.omitted', `no entry names ${digest}`);
    if (files.named(digest)) {
      findings.add('bundle.omitted', `${digest} is listed as left out and is in the bundle`);
    }
  }
}
