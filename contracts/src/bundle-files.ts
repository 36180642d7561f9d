/** The files of a bundle with their digests, each computed once, and when it is first asked for. */
import { type Digest, digestOf } from './digest.ts';

export class BundleFiles {
  /** Bytes by path, as they stand in the archive. */
  readonly all: ReadonlyMap<string, Uint8Array>;
  readonly #digests = new Map<string, Promise<Digest>>();

  constructor(all: ReadonlyMap<string, Uint8Array>) {
    this.all = all;
  }

  get(path: string): Uint8Array | undefined {
    return this.all.get(path);
  }

  has(path: string): boolean {
    return this.all.has(path);
  }

  /** Of the bytes at `path`; undefined when there are none. */
  digest(path: string): Promise<Digest | undefined> {
    const known = this.#digests.get(path);
    if (known) return known;
    const bytes = this.all.get(path);
    if (!bytes) return Promise.resolve(undefined);
    const computed = digestOf(bytes);
    this.#digests.set(path, computed);
    return computed;
  }
}
