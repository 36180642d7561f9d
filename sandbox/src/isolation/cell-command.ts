/** How the process of a cell is started, at each level of isolation. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MAX_LIMITS } from '@portarium/contracts/limits';
import { CELL_CPU_SECONDS, CELL_OVERHEAD_BYTES, type CellCommand } from '../host/cell-process.ts';
import { bubblewrapArguments } from './bubblewrap.ts';
import { confirmCell } from './confirm-cell.ts';
import type { IsolationLevel } from './levels.ts';
import { cellRuntime, type Runtime } from './runtime.ts';
import { findExecutable } from './search-path.ts';

/** Nothing to ask, to fetch or to look up; variables of the environment read as absent. */
const DENO_FLAGS = [
  ...['run', '--quiet', '--no-prompt', '--no-remote', '--no-npm', '--cached-only'],
  ...['--no-config', '--no-lock', '--ignore-env'],
];
const BUN_FLAGS = ['run', '--no-install'];

/**
 * Bun sets aside gigabytes that it never uses: 1 GiB for compiled code, 4 GiB for shapes of objects, and
 * 1 GiB at a time for its allocator. They would count against the limit on data, so they are smaller.
 */
const BUN_ENVIRONMENT = {
  BUN_JSC_jitMemoryReservationSize: '67108864',
  BUN_JSC_structureHeapSizeInKB: '131072',
  MIMALLOC_ARENA_EAGER_COMMIT: '0',
};
const DENO_ENVIRONMENT = { DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' };
/** No folder can be made there: a cache would be a file that the cell has open for writing. */
const NO_CACHE = '/proc/none';

/**
 * What a runtime sets aside beside the memory it uses. Bun takes 4 GiB of addresses for each WebAssembly
 * memory, counted as data until it gives back its rights to them; where it may not, an attempt takes
 * 1.0 ms instead of 0.2, and a memory that grows is copied. V8 takes 512 MiB for compiled code.
 */
const RESERVED_BYTES = { bun: 4.5 * 1024 ** 3, deno: 640 * 1024 ** 2 } as const;
/** `nobody`, on every Linux that we know. */
const NOBODY = 65_534;
/** Threads of all cells of one user together; a runtime has about ten. */
const ALL_THREADS = 8_192;
/** Threads of one cell, where they can be counted. */
const CELL_THREADS = 64;
/** CAP_SETGID, CAP_SETUID and CAP_SETPCAP of linux/capability.h. */
const NEEDED_TO_DROP = 0b1_1100_0000n;

/** What is to run in the process. */
export interface CellScript {
  readonly runtime: Runtime;
  /** Absolute path of a bundle. */
  readonly script: string;
  /** Arguments of the script. */
  readonly args?: readonly string[];
  /** False leaves out the filter and what the cell checks of itself: for attacks on the other layers. */
  readonly filtered?: boolean;
}

export type CommandResult =
  | { readonly ok: true; readonly command: CellCommand; readonly diesWithHost: boolean }
  /** What the machine lacks, and what to do. */
  | { readonly ok: false; readonly missing: string };

/** Starts scripts of one folder. Made once: it looks at the machine. */
export class CellStarter {
  readonly #folder: string;
  readonly #searchPath: string;
  readonly #runtimes = new Map<string, Promise<Runtime>>();
  readonly #drop = mayDropPrivileges();

  constructor(folder: string, searchPath: string) {
    this.#folder = folder;
    this.#searchPath = searchPath;
  }

  async command(level: IsolationLevel, cell: CellScript): Promise<CommandResult> {
    if (level === 'process') return this.#plain(cell);
    if (process.platform !== 'linux') {
      return {
        ok: false,
        missing: `system calls are filtered on Linux only, this is ${process.platform}`,
      };
    }
    return this.#confined(level, cell);
  }

  /** Where `setpriv` exists, no cell outlives its host. Neither runtime gets an environment of ours. */
  async #plain({ runtime, script, args = [] }: CellScript): Promise<CommandResult> {
    const { executable } = await this.#runtime(runtime);
    const flags = runtime.name === 'deno' ? DENO_FLAGS : BUN_FLAGS;
    const run = [executable, ...flags, script, ...args];
    const setpriv = await findExecutable('setpriv', this.#searchPath);
    const wrapped = setpriv ? [setpriv, '--pdeathsig', 'KILL', '--no-new-privs', ...run] : run;
    // Caches of compiled scripts go where the script is.
    const environment =
      runtime.name === 'deno' ? { ...DENO_ENVIRONMENT, DENO_DIR: join(this.#folder, 'deno') } : {};
    return {
      ok: true,
      diesWithHost: setpriv !== undefined,
      command: commandOf(wrapped, environment),
    };
  }

  async #confined(level: IsolationLevel, cell: CellScript): Promise<CommandResult> {
    const { runtime, script, filtered = true } = cell;
    const needed = ['prlimit', 'setpriv', ...(level === 'seccomp' ? [] : ['bwrap'])];
    const found = await Promise.all(needed.map((name) => findExecutable(name, this.#searchPath)));
    const [prlimit, setpriv, bwrap] = found;
    if (!prlimit || !setpriv) {
      return { ok: false, missing: 'prlimit and setpriv are not on PATH; install util-linux' };
    }
    const drop = await this.#drop;
    const { executable } = await this.#runtime(runtime);
    const deno = runtime.name === 'deno';
    const environment = deno ? { ...DENO_ENVIRONMENT, DENO_DIR: NO_CACHE } : BUN_ENVIRONMENT;
    // The filter is installed through a function of the C library.
    const flags = deno ? [...DENO_FLAGS, '--no-code-cache', '--allow-ffi'] : BUN_FLAGS;
    const before = [prlimit, ...limitsOf(runtime), setpriv, ...privileges(drop)];
    const args = [...(filtered ? ['--confined'] : []), ...(cell.args ?? [])];
    // Bubblewrap says where it starts.
    const expected = level === 'seccomp' ? environment : { ...environment, PWD: '/' };
    const confirm = (pid: number) => confirmCell({ pid, level, environment: expected });
    const done = (run: readonly string[], start: Readonly<Record<string, string>>) => ({
      ok: true as const,
      diesWithHost: true,
      command: { ...commandOf([...before, ...run], start), confirm },
    });
    if (level === 'seccomp') return done([executable, ...flags, script, ...args], environment);
    if (!bwrap) {
      return { ok: false, missing: 'bwrap is not on PATH; install bubblewrap 0.8 or newer' };
    }
    const counted = [...args, `--threads=${CELL_THREADS}`];
    const enclosed = { executable, flags, script, args: counted, environment };
    return done([bwrap, ...(await bubblewrapArguments(enclosed))], {});
  }

  async #runtime(runtime: Runtime): Promise<Runtime> {
    const started =
      this.#runtimes.get(runtime.executable) ??
      this.#drop.then((drop) => cellRuntime(runtime, this.#folder, drop));
    this.#runtimes.set(runtime.executable, started);
    return started;
  }
}

function commandOf(
  [command = '', ...args]: readonly string[],
  environment: Readonly<Record<string, string>>,
): CellCommand {
  return { command, args, environment };
}

/**
 * What the kernel holds a cell to, whatever the engine does: no byte into any file, an end, and so much
 * memory that the largest attempt fits. The host's own watch holds each attempt to what it may have.
 */
function limitsOf({ name }: Runtime): readonly string[] {
  const { memoryMiB, inputBytes, outputBytes, egressBytesIn } = MAX_LIMITS;
  const attempt = 2 * (memoryMiB * 1024 * 1024 + inputBytes + outputBytes + egressBytesIn);
  const data = CELL_OVERHEAD_BYTES + attempt + RESERVED_BYTES[name];
  return [
    ...[`--data=${data}`, '--fsize=0', '--core=0', '--nofile=64', '--memlock=0'],
    ...[`--nproc=${ALL_THREADS}`, `--cpu=${CELL_CPU_SECONDS}`],
  ];
}

function privileges(drop: boolean): readonly string[] {
  const nobody = [
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    '--clear-groups',
    '--bounding-set=-all',
  ];
  return [...(drop ? nobody : []), '--inh-caps=-all', '--no-new-privs', '--pdeathsig', 'KILL'];
}

/** Whether this process may become somebody else, as root may outside of a narrow container. */
async function mayDropPrivileges(): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const status = await readFile('/proc/self/status', 'latin1');
  const effective = BigInt(`0x${/^CapEff:\s+(\w+)$/m.exec(status)?.[1] ?? '0'}`);
  return (effective & NEEDED_TO_DROP) === NEEDED_TO_DROP;
}
