/**
 * The corpus of mutations: what may be done to evidence. Each makes a mutant that has to be found, by a
 * finding and never by an exception; those that whoever holds the log's key could make come signed with it.
 */
import { contextDigest, STATEMENT_MEDIA_TYPE } from '../approval-statement.ts';
import { artifactPath, BUNDLE_PATHS } from '../bundle-layout.ts';
import { canonicalBytes } from '../canonical-json.ts';
import { type Digest, digestOf } from '../digest.ts';
import {
  type EntryObject,
  entriesOf,
  type Files,
  filesOf,
  pack,
  rewritten,
  withEntries,
} from '../testing/repackage.ts';
import { rotationsOf } from '../testing/rotated-keys.ts';
import type { Draw } from './draw.ts';
import { type Material, signedBy, signerOf } from './material.ts';

export interface Mutant {
  readonly tar: Uint8Array;
  /** Whether it is found only by who kept a checkpoint: it agrees with itself, and the log's key signed it. */
  readonly since?: true;
}

export type Mutate = (material: Material, draw: Draw) => Promise<Mutant>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const CHECKPOINT = BUNDLE_PATHS.checkpoint;
const ROTATIONS = /^log\/rotations\.json$/;

const anyBundle = ({ whole, ranges, actions }: Material, draw: Draw) =>
  draw.pick([whole, draw.pick(ranges), draw.pick(actions)]);

function flipped(bytes: Uint8Array, draw: Draw): Uint8Array {
  const copy = bytes.slice();
  const at = draw.below(copy.length);
  copy[at] = (copy[at] ?? 0) ^ (1 << draw.below(8));
  return copy;
}

/** The entries of the whole log, changed; the manifest is made to fit, and now and then the tiles. */
const reshaped =
  (change: (entries: Uint8Array[], draw: Draw) => unknown): Mutate =>
  async ({ whole }, draw) => {
    const files = filesOf(whole);
    const entries = entriesOf(files);
    change(entries, draw);
    return { tar: await withEntries(files, entries, draw.flag()) };
  };

/** A file of any bundle, changed; the manifest is made to fit. */
const refiled =
  (which: RegExp, change: (files: Files, path: string, draw: Draw) => unknown): Mutate =>
  async (material, draw) => {
    const files = filesOf(anyBundle(material, draw));
    const paths = [...files.keys()].filter((path) => which.test(path));
    if (paths.length === 0) {
      // Not every bundle has such a file; the whole log's has.
      const { whole } = material;
      return refiled(which, change)({ ...material, ranges: [whole], actions: [whole] }, draw);
    }
    change(files, draw.pick(paths), draw);
    return { tar: await pack(files) };
  };

/** The whole log with another past, every hash computed anew. */
async function lied(files: Files, change: (list: EntryObject[]) => unknown): Promise<Uint8Array[]> {
  const list = entriesOf(files).map((bytes) => JSON.parse(decoder.decode(bytes)) as EntryObject);
  await change(list);
  return rewritten(list.map(canonicalBytes), () => undefined);
}

/** The same, signed with the log's own key. */
async function signedLie(
  { sign }: Material,
  files: Files,
  change: (list: EntryObject[]) => unknown,
): Promise<Uint8Array> {
  const entries = await lied(files, change);
  files.set(CHECKPOINT, encoder.encode(await signedBy(entries, sign)));
  return withEntries(files, entries, true);
}

const of = (list: readonly EntryObject[], type: string) =>
  list.filter((entry) => entry.type === type);
const dataOf = (entry: EntryObject) => entry.data as EntryObject;
const drop = (list: EntryObject[], entry: EntryObject) => list.splice(list.indexOf(entry), 1);
const actionOf = (entry: EntryObject) => (entry.subject as EntryObject).action;

/** Another trace: it means nothing to anybody, and is signed all the same. */
const retraced = (list: EntryObject[], draw: Draw, from = 0) => {
  const entry = list[from + draw.below(Math.max(1, list.length - from))];
  if (entry)
    entry.trace = draw
      .below(2 ** 31)
      .toString(16)
      .padStart(32, 'f');
};

const without =
  (type: string): Mutate =>
  async (material, draw) => ({
    tar: await signedLie(material, filesOf(material.whole), (list) => {
      drop(list, draw.pick(of(list, type)));
    }),
  });

/** Replaces an artifact that an entry names, with all that names it by digest. */
async function replaceArtifact(
  files: Files,
  list: readonly EntryObject[],
  [from, to]: readonly [from: string, to: Uint8Array],
): Promise<Digest> {
  const digest = await digestOf(to);
  files.delete(artifactPath(from as Digest));
  files.set(artifactPath(digest), to);
  for (const entry of list) {
    for (const artifact of entry.artifacts as unknown as EntryObject[]) {
      if (artifact.digest !== from) continue;
      Object.assign(artifact, { digest, bytes: to.length });
    }
  }
  return digest;
}

/** What people agreed to is another thing than what ran. */
const approvalChanged: Mutate = async (material, draw) => {
  const files = filesOf(material.whole);
  const tar = await signedLie(material, files, async (list) => {
    const entry = draw.pick(of(list, 'approval.requested'));
    const artifacts = entry.artifacts as unknown as EntryObject[];
    const named = artifacts.find(({ mediaType }) => mediaType === STATEMENT_MEDIA_TYPE);
    const from = String(named?.digest);
    const text = decoder.decode(files.get(artifactPath(from as Digest)));
    const zero = `sha256:${'0'.repeat(64)}`;
    const lies = [
      { inputDigest: zero },
      { contractDigest: zero },
      { plugin: zero },
      { operation: 'another' },
      { effect: 'destructive' },
      { policyVersion: 900 },
      { limits: { wallMs: 1 } },
    ] as const;
    const statement = canonicalBytes({ ...JSON.parse(text), ...draw.pick(lies) });
    await replaceArtifact(files, list, [from, statement]);
    const approvalDigest = await contextDigest(statement);
    for (const other of list) {
      if (actionOf(other) !== actionOf(entry)) continue;
      if (dataOf(other).approvalDigest !== undefined) dataOf(other).approvalDigest = approvalDigest;
    }
  });
  return { tar };
};

/** What is told of the plugin is another than the one that ran. */
const pluginChanged: Mutate = async (material, draw) => ({
  tar: await signedLie(material, filesOf(material.whole), (list) => {
    const admitted = of(list, 'plugin.admitted');
    // Older actions do not say which module they run.
    const told = of(list, 'action.requested').filter((entry) => dataOf(entry).orderDigest);
    const requested = draw.pick(told);
    const { plugin } = requested.subject as EntryObject;
    const others = admitted.filter(({ subject }) => (subject as EntryObject).plugin !== plugin);
    const change = draw.pick(['module', 'version', 'admission'] as const);
    if (change === 'module') {
      const other = others[0] ? (draw.pick(others).subject as EntryObject).plugin : undefined;
      (requested.subject as EntryObject).plugin = other ?? `sha256:${'0'.repeat(64)}`;
    } else if (change === 'version') dataOf(requested).version = '99.0.0';
    else {
      for (const entry of admitted) {
        if ((entry.subject as EntryObject).plugin === plugin) drop(list, entry);
      }
    }
  }),
});

export const MUTATIONS: Readonly<Record<string, Mutate>> = {
  'bit flip in the archive': async (material, draw) => ({
    tar: flipped(anyBundle(material, draw), draw),
  }),
  'bit flip in an entry': reshaped((entries, draw) => {
    const at = draw.below(entries.length);
    entries[at] = flipped(entries[at] ?? new Uint8Array(1), draw);
  }),
  // A module may be left out of an export; then it can not be replayed, which is no falsehood.
  'file deleted': refiled(/^(?!manifest|plugins)/, (files, path) => files.delete(path)),
  'file inserted': refiled(/^artifacts\//, (files, path, draw) => {
    const bytes = files.get(path) ?? new Uint8Array();
    const other = draw.pick([
      'artifacts/extra',
      `artifacts/sha256/${'0'.repeat(64)}`,
      'log/entry/9.sh',
    ]);
    files.set(other, bytes);
  }),
  'files swapped': refiled(/^(artifacts|log\/(tile|entry|proof))\//, (files, path, draw) => {
    const alike = path.split('/').slice(0, 2).join('/');
    const before = files.get(path) ?? new Uint8Array();
    const others = [...files].filter(
      ([name, bytes]) => name.startsWith(alike) && decoder.decode(bytes) !== decoder.decode(before),
    );
    if (others.length === 0) return files.delete(path);
    const [name, bytes] = draw.pick(others);
    files.set(name, before);
    return files.set(path, bytes);
  }),
  'entry deleted': reshaped((entries, draw) => entries.splice(draw.below(entries.length), 1)),
  'entry inserted': reshaped((entries, draw) => {
    entries.splice(draw.below(entries.length), 0, draw.pick(entries));
  }),
  'entries swapped': reshaped((entries, draw) => {
    const i = draw.below(entries.length);
    const j = (i + 1 + draw.below(entries.length - 1)) % entries.length;
    const [a, b] = [entries[i], entries[j]];
    if (a && b) [entries[i], entries[j]] = [b, a];
  }),
  'archive truncated': async (material, draw) => {
    const tar = anyBundle(material, draw);
    return { tar: tar.subarray(0, draw.below(tar.length)) };
  },
  'tail cut off': reshaped((entries, draw) => entries.splice(-1 - draw.below(entries.length - 1))),
  'rewritten with recomputed hashes': async ({ whole }, draw) => {
    const files = filesOf(whole);
    const entries = await lied(files, (list) => retraced(list, draw));
    return { tar: await withEntries(files, entries, draw.flag()) };
  },
  'rewritten and signed with a foreign key': async ({ whole, foreign, origin }, draw) => {
    const files = filesOf(whole);
    const entries = await lied(files, (list) => retraced(list, draw));
    files.set(CHECKPOINT, encoder.encode(await signedBy(entries, signerOf(foreign, origin))));
    files.set('log/vkeys', encoder.encode(`${foreign.verifierKey}\n`));
    return { tar: await withEntries(files, entries, true) };
  },
  'signature stripped': async (material, draw) => {
    const files = filesOf(anyBundle(material, draw));
    const note = decoder.decode(files.get(CHECKPOINT));
    if (draw.below(3) === 0) files.delete(CHECKPOINT);
    else
      files.set(CHECKPOINT, encoder.encode(note.slice(0, note.lastIndexOf('— ') - draw.below(2))));
    return { tar: await pack(files) };
  },
  'signature of a foreign key': async ({ whole, foreign, origin }) => {
    const files = filesOf(whole);
    const note = await signedBy(entriesOf(files), signerOf(foreign, origin));
    files.set(CHECKPOINT, encoder.encode(note));
    return { tar: await pack(files) };
  },
  'handover of the key changed': refiled(ROTATIONS, (files, path, draw) =>
    files.set(path, flipped(files.get(path) ?? new Uint8Array(1), draw)),
  ),
  'handover of the key left out': refiled(ROTATIONS, (files, path) => files.delete(path)),
  'handover to a foreign key': async ({ whole, foreign, pin, origin }, draw) => {
    const files = filesOf(whole);
    const entries = await lied(files, (list) => retraced(list, draw));
    files.set(CHECKPOINT, encoder.encode(await signedBy(entries, signerOf(foreign, origin))));
    // Whoever makes it up has not the private key that is believed.
    const keys = [{ ...foreign, verifierKey: pin }, foreign];
    const instance = origin.slice(0, origin.lastIndexOf('/'));
    const rotations = await rotationsOf(keys, [1 + draw.below(8)], { instance });
    files.set(BUNDLE_PATHS.rotations, canonicalBytes(rotations));
    return { tar: await withEntries(files, entries, true) };
  },
  'signed with the key that has handed over': async (material, draw) => {
    const files = filesOf(material.whole);
    const as = { ...material, sign: material.signBefore };
    // Also a log that is as it was: nobody knows who signs with a key that was handed over.
    const tar = await signedLie(as, files, (list) => (draw.flag() ? retraced(list, draw) : list));
    return { tar };
  },
  fork: async (material, draw) => ({
    tar: await signedLie(material, filesOf(material.whole), (list) => retraced(list, draw)),
    since: true,
  }),
  'older backup': async ({ older }) => ({ tar: older, since: true }),
  'older backup that went on signing': async (material, draw) => {
    const { length } = entriesOf(filesOf(material.older));
    const more = draw.below(3);
    const tar = await signedLie(material, filesOf(material.whole), (list) => {
      retraced(list, draw, length);
      // It goes on, and may have become longer than what was kept.
      for (let i = 0; i < more; i++) {
        const last = list.at(-1);
        const extra = {
          type: 'policy.activated',
          subject: {},
          data: {},
          artifacts: [],
          trace: null,
        };
        const { actionSeq: _, actionPrev: __, ...rest } = last ?? {};
        list.push({ ...rest, ...extra });
      }
    });
    return { tar, since: true };
  },
  'last entry of an action dropped': async ({ actions }, draw) => {
    const files = filesOf(draw.pick(actions));
    const paths = [...files.keys()].filter((path) => path.startsWith('log/entry/'));
    const last = paths.at(-1) ?? '';
    files.delete(last);
    files.delete(last.replace('entry', 'proof').replace('.json', '.tlog-proof'));
    return { tar: await pack(files, paths.length - 1) };
  },
  'artifact or module changed': refiled(/^(artifacts|plugins)\//, (files, path, draw) =>
    files.set(path, flipped(files.get(path) ?? new Uint8Array(1), draw)),
  ),
  'approval changed, signed with the log’s key': approvalChanged,
  'plugin changed, signed with the log’s key': pluginChanged,
  'approval left out, signed with the log’s key': without('approval.granted'),
  'outcome of an attempt left out, signed with the log’s key': without('attempt.finished'),
  'permit of a write left out, signed with the log’s key': without('egress.intended'),
  'answer of a write left out, signed with the log’s key': without('egress.answered'),
};
