/**
 * Cells started ahead of need. A cell is bound to one workspace and one module on first use and
 * never to another; it is thrown away after any doubt, after many attempts and after idle time.
 */
import { MAX_LIMITS } from '@portarium/contracts/limits';
import { CELL_CPU_SECONDS, CELL_OVERHEAD_BYTES, CellProcess } from './cell-process.ts';
import type { CellProgram } from './cell-program.ts';

export interface CellPoolOptions {
  /** Attempts that may run at once, each in a cell of its own. */
  readonly size: number;
  /** Unbound cells kept ready; default 2, at most `size`. */
  readonly spares?: number;
  readonly maxAttempts?: number;
  readonly idleMs?: number;
  /** Resident bytes that compiling a module may take, beside a multiple of its size. */
  readonly bindBytes?: number;
}

export interface CellKey {
  readonly workspace: string;
  readonly moduleDigest: string;
}

export type Acquired =
  | { readonly ok: true; readonly cell: CellLease }
  | {
      readonly ok: false;
      readonly code: 'module.invalid' | 'host.resource';
      readonly message: string;
    };

/** A cell in use by one attempt. */
export interface CellLease {
  readonly process: CellProcess;
  /** Gives the cell back; `reusable: false` ends it. */
  release(reusable: boolean): Promise<void>;
}

interface BoundCell {
  readonly process: CellProcess;
  readonly key: string;
  attempts: number;
  expiry?: ReturnType<typeof setTimeout>;
}

/** Compiling 16 MiB takes about half a second; this is for hostile modules. */
const BIND_TIMEOUT_MS = 15_000;
const START_TIMEOUT_MS = 10_000;
const BIND_WATCH_MS = 25;
/** A cell with more behind it might not have the CPU for another attempt. */
const MOST_CPU_MS = CELL_CPU_SECONDS * 1_000 - MAX_LIMITS.cpuMs;
/** Resident bytes per byte of a module: compiled code and the engine's tables. */
const BIND_FACTOR = 16;

export class CellPool {
  readonly #program: CellProgram;
  readonly #options: Required<CellPoolOptions>;
  readonly #spares: CellProcess[] = [];
  /** Bound cells without an attempt, the longest idle first. */
  #idle: BoundCell[] = [];
  readonly #busy = new Set<BoundCell>();
  readonly #waiting: (() => void)[] = [];
  #taken = 0;
  #closed = false;

  constructor(program: CellProgram, options: CellPoolOptions) {
    this.#program = program;
    this.#options = {
      spares: 2,
      maxAttempts: 500,
      idleMs: 60_000,
      bindBytes: CELL_OVERHEAD_BYTES,
      ...options,
    };
    this.#refill();
  }

  get counts(): { readonly spare: number; readonly idle: number; readonly busy: number } {
    return { spare: this.#spares.length, idle: this.#idle.length, busy: this.#busy.size };
  }

  /** Resolves to whether at least one cell came up. */
  async started(): Promise<boolean> {
    return (await this.#spares[0]?.ready) ?? false;
  }

  /** Waits for a free place, then for a cell bound to `key`. */
  async acquire(key: CellKey, module: Uint8Array): Promise<Acquired> {
    await this.#takePlace();
    const name = `${key.workspace} ${key.moduleDigest}`;
    const idle = this.#takeIdle(name);
    if (idle) return { ok: true, cell: this.#lease(idle) };
    const bound = await this.#bind(module, name);
    if (!bound.ok) this.#freePlace();
    return bound;
  }

  /** Kills every cell. Attempts in flight see their cell as lost. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const cell of this.#idle) clearTimeout(cell.expiry);
    const all = [...this.#spares, ...[...this.#idle, ...this.#busy].map(({ process }) => process)];
    await Promise.all(all.map((process) => process.kill()));
  }

  async #bind(module: Uint8Array, key: string): Promise<Acquired> {
    const process = this.#takeSpare();
    this.#makeRoom();
    const startLate = setTimeout(() => process.kill(), START_TIMEOUT_MS);
    const ready = await process.ready;
    clearTimeout(startLate);
    if (!ready) {
      this.#refill();
      const message = process.lostReason ?? 'the cell did not start';
      return { ok: false, code: 'host.resource', message };
    }
    const bindLate = setTimeout(() => process.kill(), BIND_TIMEOUT_MS);
    const most = this.#options.bindBytes + BIND_FACTOR * module.length;
    let held = 0;
    const watch = setInterval(() => {
      if (held > most) return;
      held = process.usage()?.residentBytes ?? 0;
      if (held > most) process.kill();
    }, BIND_WATCH_MS);
    const bound = await process.bind(module);
    clearTimeout(bindLate);
    clearInterval(watch);
    this.#refill();
    if (held > most) {
      await process.kill();
      const message = `compiling the module took ${held} bytes of memory, at most ${most}`;
      return { ok: false, code: 'module.invalid', message };
    }
    if (!bound.ok) {
      await process.kill();
      const code = bound.refused ? 'module.invalid' : 'host.resource';
      return { ok: false, code, message: bound.message };
    }
    return { ok: true, cell: this.#lease({ process, key, attempts: 0 }) };
  }

  #takeSpare(): CellProcess {
    for (let spare = this.#spares.shift(); spare; spare = this.#spares.shift()) {
      if (spare.alive) return spare;
    }
    return new CellProcess(this.#program);
  }

  #lease(bound: BoundCell): CellLease {
    bound.attempts++;
    this.#busy.add(bound);
    let released = false;
    return {
      process: bound.process,
      release: async (reusable) => {
        if (released) return;
        released = true;
        this.#busy.delete(bound);
        const keep =
          reusable &&
          bound.process.alive &&
          !this.#closed &&
          bound.attempts < this.#options.maxAttempts &&
          (bound.process.usage()?.cpuMs ?? 0) < MOST_CPU_MS;
        if (keep) this.#park(bound);
        else await bound.process.kill();
        this.#freePlace();
      },
    };
  }

  #park(bound: BoundCell): void {
    bound.expiry = setTimeout(() => this.#discardIdle(bound), this.#options.idleMs);
    bound.expiry.unref?.();
    this.#idle.push(bound);
  }

  #takeIdle(key: string): BoundCell | undefined {
    for (const bound of this.#idle.filter((candidate) => candidate.key === key).reverse()) {
      this.#idle = this.#idle.filter((other) => other !== bound);
      clearTimeout(bound.expiry);
      if (bound.process.alive) return bound;
    }
    return undefined;
  }

  /** At most `size` bound cells: the longest idle one goes. */
  #makeRoom(): void {
    const [oldest] = this.#idle;
    if (oldest && this.#idle.length + this.#busy.size >= this.#options.size) {
      this.#discardIdle(oldest);
    }
  }

  #discardIdle(bound: BoundCell): void {
    clearTimeout(bound.expiry);
    this.#idle = this.#idle.filter((other) => other !== bound);
    bound.process.kill();
  }

  #refill(): void {
    if (this.#closed) return;
    const wanted = Math.min(this.#options.spares, this.#options.size);
    while (this.#spares.length < wanted) this.#spares.push(new CellProcess(this.#program));
  }

  async #takePlace(): Promise<void> {
    if (this.#taken >= this.#options.size) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      // The place is handed over: whoever frees it does not count it down.
      return promise;
    }
    this.#taken++;
  }

  #freePlace(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#taken--;
  }
}
