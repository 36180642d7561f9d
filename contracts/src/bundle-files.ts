/** The files of a bundle with their digests, each computed once. */
import { type Digest, digestEach } from './digest.ts';

/** A file that is named by the digest of its bytes, when it is what its name says. */
export interface NamedFile {
  readonly bytes: Uint8Array;
  readonly digest: Digest | undefined;
}

const NAMED = /^(?:artifacts\/sha256\/([0-9a-f]{64})|plugins\/([0-9a-f]{64})\.wasm)$/;

export class BundleFiles {
  /** Bytes by path, as they stand in the archive. */
  readonly all: ReadonlyMap<string, Uint8Array>;
  readonly #digests = new Map<string, Digest>();
  /** Artifacts, and modules beside them, by the digests that they are named by. */
  readonly #named = new Map<string, NamedFile>();

  private constructor(all: ReadonlyMap<string, Uint8Array>, digests: readonly Digest[]) {
    this.all = all;
    let i = 0;
    for (const [path, bytes] of all) {
      const digest = digests[i++];
      if (digest === undefined) continue;
      this.#digests.set(path, digest);
      const [, artifact, module] = NAMED.exec(path) ?? [];
      const name = `sha256:${artifact ?? module}`;
      if (artifact !== undefined || (module !== undefined && !this.#named.has(name))) {
        this.#named.set(name, { bytes, digest });
      }
    }
  }

  static async of(all: ReadonlyMap<string, Uint8Array>): Promise<BundleFiles> {
    return new BundleFiles(all, await digestEach([...all.values()]));
  }

  get(path: string): Uint8Array | undefined {
    return this.all.get(path);
  }

  has(path: string): boolean {
    return this.all.has(path);
  }

  /** The artifact of that name, else the module; its bytes may be others. */
  named(digest: string): NamedFile | undefined {
    return this.#named.get(digest);
  }

  /** Of the bytes at `path`; undefined when there are none. */
  digest(path: string): Digest | undefined {
    return this.#digests.get(path);
  }
}
