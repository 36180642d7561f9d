/** The files of a bundle with their digests, each computed once. */
import { type Digest, digestFrom, sha256Each } from './digest.ts';

export class BundleFiles {
  /** Bytes by path, as they stand in the archive. */
  readonly all: ReadonlyMap<string, Uint8Array>;
  readonly #digests: ReadonlyMap<string, Digest>;

  private constructor(all: ReadonlyMap<string, Uint8Array>, digests: ReadonlyMap<string, Digest>) {
    this.all = all;
    this.#digests = digests;
  }

  static async of(all: ReadonlyMap<string, Uint8Array>): Promise<BundleFiles> {
    const files = [...all];
    const hashes = await sha256Each(files.length, (i) => files[i]?.[1] ?? new Uint8Array());
    const digests = new Map<string, Digest>();
    hashes.forEach((hash, i) => {
      const path = files[i]?.[0];
      if (path !== undefined) digests.set(path, digestFrom(hash));
    });
    return new BundleFiles(all, digests);
  }

  get(path: string): Uint8Array | undefined {
    return this.all.get(path);
  }

  has(path: string): boolean {
    return this.all.has(path);
  }

  /** Of the bytes at `path`; undefined when there are none. */
  digest(path: string): Digest | undefined {
    return this.#digests.get(path);
  }
}
