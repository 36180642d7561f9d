/**
 * Artifacts as the rules of a story read them: only bytes that are what their digest says. Whether an
 * artifact is in the bundle at all, and whole, is checked in `verify-files.ts`.
 */
import * as v from 'valibot';
import type { BundleFiles } from './bundle-files.ts';
import { type Digest, digestOf } from './digest.ts';
import type { Artifact } from './evidence-entry.ts';
import { bodyPath } from './journal-artifact.ts';
import type { QuickCheck } from './quick-check.ts';
import { RateLedger } from './rate-ledger.ts';
import { readTar } from './tar.ts';
import { KnownContracts } from './verify-contract.ts';
import { readCanonical } from './verify-entries.ts';
import type { Seen } from './verify-report.ts';

/** What a tar of bodies holds. */
export interface Bodies {
  readonly digests: ReadonlySet<string>;
  readonly problem?: { readonly rule: string; readonly message: string };
}

export class BundleArtifacts {
  readonly #files: BundleFiles;
  readonly #omitted: ReadonlySet<string>;
  readonly #disposed: ReadonlySet<string>;
  readonly #owners = new Map<string, string>();
  readonly #bodies = new Map<string, Promise<Bodies>>();
  readonly contracts = new KnownContracts();
  readonly rates = new RateLedger();

  constructor(
    files: BundleFiles,
    omitted: readonly string[],
    disposed: ReadonlySet<string> = new Set(),
  ) {
    this.#files = files;
    this.#omitted = new Set(omitted);
    this.#disposed = disposed;
  }

  /**
   * The bytes, or why there are none: left out, disposed of as the log says, or other bytes, which is a
   * finding elsewhere.
   */
  find(digest: Digest): Uint8Array | 'omitted' | 'disposed' | 'broken' {
    const file = this.#files.named(digest);
    if (file) return file.digest === digest ? file.bytes : 'broken';
    if (!this.#omitted.has(digest)) return 'broken';
    return this.#disposed.has(digest) ? 'disposed' : 'omitted';
  }

  /**
   * Whether `what`, which names an action, is used by that one only. So nothing is read for more than
   * one action, however often a hostile bundle names it.
   */
  claim(what: string, action: string): boolean {
    const owner = this.#owners.get(what) ?? action;
    this.#owners.set(what, owner);
    return owner === action;
  }

  /** The bodies in a tar; two actions may have read the same. */
  bodies(digest: Digest, bytes: Uint8Array): Promise<Bodies> {
    const read = this.#bodies.get(digest) ?? readBodies(bytes);
    this.#bodies.set(digest, read);
    return read;
  }
}

/** The artifact of that kind which the entry names. */
export function named({ entry }: Seen, mediaType: string): Artifact | undefined {
  return entry.artifacts.find((artifact) => artifact.mediaType === mediaType);
}

/** What a JSON artifact is called in findings, and what it has to be. */
export interface DocumentKind<S extends v.GenericSchema> {
  /** Prefix of the rules. */
  readonly rule: string;
  readonly name: string;
  readonly schema: S;
  /** True for what `schema` takes and gives back as it is. */
  readonly quick: QuickCheck;
}

/**
 * A JSON artifact that belongs to one action, parsed. Undefined after a finding, which has the prefix
 * `rule`, and when there is nothing to read.
 */
export function readDocument<const S extends v.GenericSchema>(
  seen: Seen,
  artifacts: BundleArtifacts,
  digest: Digest,
  document: DocumentKind<S>,
): { readonly value: v.InferOutput<S>; readonly bytes: Uint8Array } | undefined {
  const { rule, name, schema, quick } = document;
  if (!artifacts.claim(digest, String(seen.entry.subject.action))) {
    seen.say(`${rule}.agrees`, `its ${name} is that of another action`);
    return undefined;
  }
  const bytes = artifacts.find(digest);
  if (bytes === 'omitted') seen.lack(`${rule}.omitted`, `its ${name} was left out of this bundle`);
  if (typeof bytes === 'string') return undefined;
  const read = readCanonical(bytes);
  if (!read.ok) {
    seen.say(`${rule}.canonical`, `its ${name} is ${read.error}`);
    return undefined;
  }
  if (quick(read.value)) return { value: read.value as v.InferOutput<S>, bytes };
  // A hostile document may break the schema a million times; once is enough.
  const parsed = v.safeParse(schema, read.value, { abortEarly: true, abortPipeEarly: true });
  if (parsed.success) return { value: parsed.output, bytes };
  const [issue] = parsed.issues;
  seen.say(`${rule}.schema`, `its ${name}, ${v.getDotPath(issue) ?? 'top'}: ${issue.message}`);
  return undefined;
}

/** Names of the pairs whose two sides are not the same. */
export function differing(pairs: Readonly<Record<string, readonly unknown[]>>): string[] {
  return Object.keys(pairs).filter((name) => pairs[name]?.[0] !== pairs[name]?.[1]);
}

async function readBodies(bytes: Uint8Array): Promise<Bodies> {
  const archive = readTar(bytes);
  const digests = new Set<string>();
  if (!archive.ok) return { digests, problem: { rule: 'bodies.tar', message: archive.error } };
  for (const [path, body] of archive.files) {
    const digest = await digestOf(body);
    if (path !== bodyPath(digest)) {
      const message = `${path} holds other bytes than its name says`;
      return { digests, problem: { rule: 'bodies.digest', message } };
    }
    digests.add(digest);
  }
  return { digests };
}
