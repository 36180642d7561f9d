/**
 * Instances that have not run any of their code. Extism runs what begins a guest as soon as there is
 * an instance, before anyone could know its memory; here that waits for `begin`.
 */

/** What the rewriter made of the start section. */
const START = 'portarium:start';
const HASKELL = 'hs_init';
const REACTOR = '_initialize';
const COMMAND = '_start';

type Function = (...values: unknown[]) => unknown;
type Imports = Readonly<Record<string, Record<string, Function>>>;

export class GuestInstance {
  /** What Extism looks operations up in; without the above until the guest has begun. */
  readonly exports: Record<string, unknown> = Object.create(null);
  readonly #withheld: Record<string, unknown> = Object.create(null);
  readonly #imports: Imports;

  constructor(instance: WebAssembly.Instance, imports: Imports) {
    this.#imports = imports;
    Object.assign(this.exports, instance.exports);
    for (const name of [START, HASKELL, REACTOR, COMMAND]) {
      if (!(name in this.exports)) continue;
      this.#withheld[name] = this.exports[name];
      delete this.exports[name];
    }
  }

  get memory(): WebAssembly.Memory | undefined {
    const { memory } = this.exports;
    return memory instanceof WebAssembly.Memory ? memory : undefined;
  }

  /** Runs what the module wants to run before its first operation. Once, and before any. */
  async begin(): Promise<void> {
    Object.assign(this.exports, this.#withheld);
    for (const name of [START, ...this.#beginnings()]) {
      if (name in this.exports) await this.#call(name);
    }
  }

  /** As Extism does it: with WASI it leaves `_start` to whoever names it, and without it begins one. */
  #beginnings(): readonly string[] {
    if (this.#imports['portarium:wasi/p1']) return [REACTOR, HASKELL];
    return [HASKELL, REACTOR, COMMAND].filter((name) => name in this.exports).slice(0, 1);
  }

  /** As Extism calls an operation: in a way that can wait, where the module can ask for a response. */
  async #call(name: string): Promise<void> {
    const begin = this.exports[name] as Function;
    if (this.#imports['extism:host/env']?.http_request) await promising(begin)();
    else begin();
  }
}

const { promising } = WebAssembly as unknown as {
  readonly promising: (call: Function) => () => Promise<unknown>;
};

const instantiate = WebAssembly.instantiate as unknown as (
  module: WebAssembly.Module,
  imports: Imports,
) => Promise<WebAssembly.Instance>;

WebAssembly.instantiate = (async (module: WebAssembly.Module, imports: Imports) =>
  new GuestInstance(
    await instantiate(module, imports),
    imports,
  )) as unknown as typeof WebAssembly.instantiate;
