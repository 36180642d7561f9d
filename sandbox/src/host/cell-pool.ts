/**
 * Cells started ahead of need. A cell is bound to one workspace and one module on first use and
 * never to another; it is thrown away after any doubt, after many attempts and after idle time.
 */
import { DEFAULT_LIMITS, MAX_LIMITS } from '@portarium/contracts/limits';
import { CELL_CPU_SECONDS, CELL_OVERHEAD_BYTES, CellProcess } from './cell-process.ts';
import type { CellProgram } from './cell-program.ts';
import { type EnterOptions, FairPlaces } from './fair-places.ts';

export interface CellPoolOptions {
  /** Attempts that may run at once, each in a cell of its own. */
  readonly size: number;
  /** Unbound cells kept ready; default 2, at most `size`. */
  readonly spares?: number;
  readonly maxAttempts?: number;
  readonly idleMs?: number;
  /** Longest wait for a place. */
  readonly waitMs?: number;
  /** Resident bytes that compiling a module may take, beside a multiple of its size. */
  readonly bindBytes?: number;
  /** CPU that a cell may use between two attempts, for making the next instance. */
  readonly idleCpuMs?: number;
}

export interface CellKey {
  readonly workspace: string;
  readonly moduleDigest: string;
  /** What the guest's memory may grow to. */
  readonly memoryMiB: number;
  /** `attempt`: a cell that runs this attempt and no other. */
  readonly isolation?: 'attempt' | undefined;
}

export type Acquired =
  | { readonly ok: true; readonly cell: CellLease }
  | {
      readonly ok: false;
      readonly code: 'module.invalid' | 'limit.memory' | 'host.resource';
      readonly message: string;
    };

/** A cell in use by one attempt. */
export interface CellLease {
  readonly process: CellProcess;
  /** Gives cell and place back; `reusable: false` ends the cell. */
  release(reusable: boolean): Promise<void>;
}

/** Room for one attempt, with a cell or without one yet. */
export interface Place {
  /**
   * A cell bound to `key`, once. When it can not be had, the place is given back.
   * @param signal ends the wait for a cell that starts or compiles
   */
  cell(
    key: Omit<CellKey, 'workspace'>,
    module: Uint8Array,
    signal?: AbortSignal,
  ): Promise<Acquired>;
  /** Gives back a place that has no cell; after that, and with a cell, it does nothing. */
  leave(): void;
}

export type Entered =
  | { readonly ok: true; readonly place: Place }
  | { readonly ok: false; readonly message: string };

interface BoundCell {
  readonly process: CellProcess;
  readonly workspace: string;
  readonly key: string;
  attempts: number;
  /** What it held when its last attempt had ended. */
  restBytes: number;
  expiry?: ReturnType<typeof setTimeout>;
}

/** Compiling 16 MiB takes about half a second; this is for hostile modules. */
const BIND_TIMEOUT_MS = 15_000;
const START_TIMEOUT_MS = 10_000;
const BIND_WATCH_MS = 25;
const IDLE_WATCH_MS = 1_000;
/** A cell with more behind it might not have the CPU for another attempt. */
const MOST_CPU_MS = CELL_CPU_SECONDS * 1_000 - MAX_LIMITS.cpuMs;
/** Resident bytes per byte of a module: compiled code and the engine's tables. */
const BIND_FACTOR = 16;

export class CellPool {
  readonly #program: CellProgram;
  readonly #options: Required<CellPoolOptions>;
  readonly #places: FairPlaces;
  readonly #spares: CellProcess[] = [];
  /** Bound cells without an attempt, the longest idle first. */
  #idle: BoundCell[] = [];
  readonly #busy = new Set<BoundCell>();
  readonly #binding = new Set<CellProcess>();
  readonly #watch: ReturnType<typeof setInterval>;
  #closed = false;

  constructor(program: CellProgram, options: CellPoolOptions) {
    this.#program = program;
    this.#options = {
      spares: 2,
      maxAttempts: 500,
      idleMs: 60_000,
      waitMs: 30_000,
      bindBytes: CELL_OVERHEAD_BYTES,
      idleCpuMs: DEFAULT_LIMITS.cpuMs,
      ...options,
    };
    this.#places = new FairPlaces(this.#options.size);
    this.#watch = setInterval(() => this.#watchIdle(), IDLE_WATCH_MS);
    this.#watch.unref?.();
    this.#refill();
  }

  get counts() {
    return {
      spare: this.#spares.length,
      idle: this.#idle.length,
      busy: this.#busy.size,
      waiting: this.#places.waiting,
    };
  }

  /** Resolves to whether at least one cell came up. */
  async started(): Promise<boolean> {
    return (await this.#spares[0]?.ready) ?? false;
  }

  /** Waits for a place, and for the workspace's turn. */
  async enter(workspace: string, options: EnterOptions = {}): Promise<Entered> {
    const { size, waitMs } = this.#options;
    const entered = await this.#places.enter(workspace, { waitMs, ...options });
    if (entered === 'in') return { ok: true, place: this.#place(workspace) };
    const message =
      entered === 'late'
        ? `no cell was free within ${(options.waitMs ?? waitMs) / 1_000} s: all ${size} are busy; add sandbox hosts or raise PORTARIUM_CELLS`
        : 'this sandbox host is stopping';
    return { ok: false, message };
  }

  /** A place and a cell in one. */
  async acquire(
    { workspace, ...key }: CellKey,
    module: Uint8Array,
    options?: EnterOptions,
  ): Promise<Acquired> {
    const entered = await this.enter(workspace, options);
    if (entered.ok) return entered.place.cell(key, module);
    return { ok: false, code: 'host.resource', message: entered.message };
  }

  /** Attempts that wait for a place are turned away; those that run go on. */
  drain(): void {
    this.#places.close();
  }

  /** Kills every cell. Attempts in flight see their cell as lost. */
  async close(): Promise<void> {
    this.#closed = true;
    this.drain();
    clearInterval(this.#watch);
    for (const cell of this.#idle) clearTimeout(cell.expiry);
    const bound = [...this.#idle, ...this.#busy].map(({ process }) => process);
    const all = [...this.#spares, ...this.#binding, ...bound];
    await Promise.all(all.map((process) => process.kill()));
  }

  #place(workspace: string): Place {
    let left = false;
    const leave = () => {
      if (!left) this.#places.leave(workspace);
      left = true;
    };
    let taken = false;
    return {
      leave: () => {
        if (!taken) leave();
      },
      cell: async (key, module, signal) => {
        if (taken || left) throw new Error('a place serves one attempt');
        taken = true;
        const { moduleDigest, memoryMiB } = key;
        const own = key.isolation === 'attempt';
        const name = `${workspace} ${moduleDigest} ${memoryMiB}`;
        const idle = own ? undefined : this.#takeIdle(name);
        if (idle) return { ok: true, cell: this.#lease(idle, own, leave) };
        const bound = await this.#bind(module, memoryMiB, signal);
        if ('code' in bound) {
          leave();
          return { ok: false, ...bound };
        }
        const cell = { process: bound, workspace, key: name, attempts: 0, restBytes: 0 };
        return { ok: true, cell: this.#lease(cell, own, leave) };
      },
    };
  }

  async #bind(
    module: Uint8Array,
    memoryMiB: number,
    signal: AbortSignal | undefined,
  ): Promise<CellProcess | Pick<Acquired & { readonly ok: false }, 'code' | 'message'>> {
    const process = this.#takeSpare();
    this.#binding.add(process);
    const stop = () => process.kill();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      if (signal?.aborted) stop();
      this.#makeRoom();
      const problem = await this.#prepare(process, module, memoryMiB);
      if (!problem && !this.#closed) return process;
      await process.kill();
      return problem ?? { code: 'host.resource', message: 'this sandbox host is stopping' };
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#binding.delete(process);
      this.#refill();
    }
  }

  /** @returns why the cell can not be used, if so */
  async #prepare(process: CellProcess, module: Uint8Array, memoryMiB: number) {
    const startLate = setTimeout(() => process.kill(), START_TIMEOUT_MS);
    const ready = await process.ready;
    clearTimeout(startLate);
    if (!ready) {
      const message = process.lostReason ?? 'the cell did not start';
      return { code: 'host.resource', message } as const;
    }
    const bindLate = setTimeout(() => process.kill(), BIND_TIMEOUT_MS);
    const most = this.#options.bindBytes + BIND_FACTOR * module.length;
    let held = 0;
    const watch = setInterval(() => {
      if (held > most) return;
      held = process.usage().residentBytes;
      if (held > most) process.kill();
    }, BIND_WATCH_MS);
    const bound = await process.bind(module, memoryMiB);
    clearTimeout(bindLate);
    clearInterval(watch);
    if (held > most) {
      const message = `compiling the module took ${held} bytes of memory, at most ${most}`;
      return { code: 'module.invalid', message } as const;
    }
    if (bound.ok) return undefined;
    return { code: bound.refused ?? 'host.resource', message: bound.message } as const;
  }

  #takeSpare(): CellProcess {
    for (let spare = this.#spares.shift(); spare; spare = this.#spares.shift()) {
      if (spare.alive) return spare;
    }
    return new CellProcess(this.#program);
  }

  #lease(bound: BoundCell, own: boolean, leave: () => void): CellLease {
    bound.attempts++;
    this.#busy.add(bound);
    let released = false;
    return {
      process: bound.process,
      release: async (reusable) => {
        if (released) return;
        released = true;
        const keep =
          reusable &&
          !own &&
          bound.process.alive &&
          !this.#closed &&
          bound.attempts < this.#options.maxAttempts &&
          bound.process.lifeCpuMs < MOST_CPU_MS;
        if (!keep) await bound.process.kill();
        this.#busy.delete(bound);
        if (keep) this.#park(bound);
        leave();
      },
    };
  }

  #park(bound: BoundCell): void {
    bound.expiry = setTimeout(() => this.#discardIdle(bound), this.#options.idleMs);
    bound.expiry.unref?.();
    bound.restBytes = bound.process.usage().residentBytes;
    this.#idle.push(bound);
    this.#makeRoom();
  }

  /** Only code that broke out does much between attempts, when no limit of an attempt holds it. */
  #watchIdle(): void {
    for (const bound of this.#idle) {
      const { cpuMs, residentBytes } = bound.process.usage();
      const grown = residentBytes - bound.restBytes;
      if (cpuMs > this.#options.idleCpuMs || grown > CELL_OVERHEAD_BYTES) this.#discardIdle(bound);
    }
  }

  #takeIdle(key: string): BoundCell | undefined {
    for (const bound of this.#idle.filter((candidate) => candidate.key === key).reverse()) {
      this.#idle = this.#idle.filter((other) => other !== bound);
      clearTimeout(bound.expiry);
      if (bound.process.alive) return bound;
    }
    return undefined;
  }

  /** At most `size` cells beside the spares: the workspace with the most loses its longest idle one. */
  #makeRoom(): void {
    while (this.#idle.length + this.#busy.size + this.#binding.size > this.#options.size) {
      const counts = new Map<string, number>();
      for (const { workspace } of this.#idle) {
        counts.set(workspace, (counts.get(workspace) ?? 0) + 1);
      }
      const most = Math.max(...counts.values());
      const goes = this.#idle.find(({ workspace }) => counts.get(workspace) === most);
      if (!goes) return;
      this.#discardIdle(goes);
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
}
