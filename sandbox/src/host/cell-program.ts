/** How a cell is started: bundled into one file, and run by the runtime of its host or by another. */
import { access, constants, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { makeCellFolder, removeOldCellFolders } from './cell-folders.ts';
import type { CellCommand } from './cell-process.ts';

export interface Runtime {
  readonly name: 'bun' | 'deno';
  /** Absolute path. */
  readonly executable: string;
}

export interface CellProgram extends CellCommand {
  /** Whether the kernel kills the cell when its host dies. */
  readonly diesWithHost: boolean;
  /** Removes what was written to start cells. */
  remove(): Promise<void>;
}

/**
 * Instances of WebAssembly get memory of their own size instead of 4 GiB of addresses each, of which Bun has
 * so few that every other fresh instance would wait for a full garbage collection (ADR 0145).
 */
const BUN_ENVIRONMENT = { BUN_JSC_useWasmFastMemory: '0' };

const SOURCE = fileURLToPath(new URL('../cell/main.ts', import.meta.url));

/** Nothing to ask, to fetch or to look up; variables of the environment read as absent. */
const DENO_FLAGS = [
  ...['run', '--quiet', '--no-prompt', '--no-remote', '--no-npm', '--cached-only'],
  ...['--no-config', '--no-lock', '--ignore-env'],
];

/** What this process runs on. */
export function ownRuntime(): Runtime {
  return { name: 'Deno' in globalThis ? 'deno' : 'bun', executable: process.execPath };
}

/**
 * Bundles the cell into one file (17 ms to the first byte instead of 28 from source). Folders that
 * killed hosts left behind are removed first.
 *
 * @param searchPath folders to look for executables in, as in `PATH`
 */
export async function prepareCellProgram(
  searchPath: string,
  runtime: Runtime = ownRuntime(),
): Promise<CellProgram> {
  await removeOldCellFolders(tmpdir());
  const folder = await makeCellFolder(tmpdir());
  const remove = () => rm(folder, { recursive: true, force: true });
  const script = join(folder, 'cell.mjs');
  try {
    await build({
      entryPoints: [SOURCE],
      outfile: script,
      bundle: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'silent',
      plugins: [withoutWasi],
    });
  } catch (error) {
    await remove();
    throw new Error('the cell can not be bundled', { cause: error });
  }
  return { ...(await cellCommand(runtime, script, folder, searchPath)), remove };
}

/** Extism imports Node's WASI by a name that Deno does not know; the cell never asks for it. */
const withoutWasi: Plugin = {
  name: 'without WASI',
  setup(bundler) {
    bundler.onResolve({ filter: /^(node:)?wasi$/ }, () => ({ path: 'none', namespace: 'wasi' }));
    bundler.onLoad({ filter: /.*/, namespace: 'wasi' }, () => ({
      contents: 'export const WASI = undefined;',
    }));
  },
};

/**
 * Wraps in `setpriv`, where that exists, so that no cell outlives its host. Neither runtime gets an
 * environment of ours, and Deno no permission at all.
 */
export async function cellCommand(
  { name, executable }: Runtime,
  script: string,
  folder: string,
  searchPath: string,
): Promise<CellCommand & Pick<CellProgram, 'diesWithHost'>> {
  const run =
    name === 'deno'
      ? [await otherName(executable, folder), ...DENO_FLAGS, script]
      : [executable, 'run', '--no-install', script];
  const setpriv = await findExecutable('setpriv', searchPath);
  const [command = executable, ...args] = setpriv
    ? [setpriv, '--pdeathsig', 'KILL', '--no-new-privs', ...run]
    : run;
  // Caches of compiled scripts go where the script is, and nobody asks for a newer Deno.
  const environment = {
    DENO_DIR: join(folder, 'deno'),
    DENO_NO_UPDATE_CHECK: '1',
    NO_COLOR: '1',
  };
  return {
    ...{ command, args, diesWithHost: setpriv !== undefined },
    environment: name === 'deno' ? environment : BUN_ENVIRONMENT,
  };
}

/**
 * A host on Deno that starts Deno by its own path gives it every permission (`-A` is put among the
 * arguments, by the driver of `node:child_process`); by another name it does not know itself.
 */
async function otherName(executable: string, folder: string): Promise<string> {
  const link = join(folder, 'deno-cell');
  await symlink(executable, link);
  return link;
}

async function findExecutable(name: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    const candidate = join(folder, name);
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {}
  }
  return undefined;
}
