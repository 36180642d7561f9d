/** Rewritten modules in memory by digest, least recently used ones dropped first. */
import { digestOf } from '@portarium/contracts/digest';

export class ModuleCache {
  readonly #maxBytes: number;
  readonly #modules = new Map<string, Uint8Array>();
  readonly #loading = new Map<string, Promise<Uint8Array | undefined>>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * The module with that digest, loaded once however many ask. Undefined when the loaded bytes
   * have another digest. Rejects with what `load` rejects with.
   */
  async get(digest: string, load: () => Promise<Uint8Array>): Promise<Uint8Array | undefined> {
    const known = this.#modules.get(digest);
    if (known) {
      this.#modules.delete(digest);
      this.#modules.set(digest, known);
      return known;
    }
    const loading = this.#loading.get(digest) ?? this.#load(digest, load);
    this.#loading.set(digest, loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(digest);
    }
  }

  async #load(digest: string, load: () => Promise<Uint8Array>): Promise<Uint8Array | undefined> {
    const module = await load();
    if ((await digestOf(module)) !== digest) return undefined;
    this.#modules.set(digest, module);
    this.#bytes += module.length;
    for (const [oldest, bytes] of this.#modules) {
      if (this.#bytes <= this.#maxBytes || oldest === digest) break;
      this.#modules.delete(oldest);
      this.#bytes -= bytes.length;
    }
    return module;
  }
}
