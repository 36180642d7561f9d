/**
 * The engines that replay attempts: the same cell, bundled for each runtime. Neither process gets an
 * environment of ours, and Deno's gets no permission at all.
 */
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeCellFolder } from '../host/cell-folders.ts';
import type { CellCommand } from '../host/cell-process.ts';
import { prepareCellProgram } from '../host/cell-program.ts';
import { denoBinary } from './deno-binary.ts';

export const ENGINES = ['bun', 'deno'] as const;
export type EngineName = (typeof ENGINES)[number];

export interface ReplayEngine {
  readonly name: EngineName;
  readonly cell: CellCommand;
  /** Removes what was written to start cells. */
  remove(): Promise<void>;
}

const SOURCE = fileURLToPath(new URL('../cell/main.ts', import.meta.url));

/** Nothing to ask, to fetch or to look up; variables of the environment read as absent. */
const DENO_FLAGS = [
  ...['run', '--quiet', '--no-prompt', '--no-remote', '--no-npm', '--cached-only'],
  ...['--no-config', '--no-lock', '--ignore-env'],
];

/**
 * @param searchPath folders to look for `setpriv` in, as in `PATH`
 * @throws Error that says what to do when the engine is not there
 */
export async function prepareEngine(name: EngineName, searchPath: string): Promise<ReplayEngine> {
  if (name === 'deno') return prepareDeno(searchPath);
  const program = await prepareCellProgram(searchPath);
  return { name, cell: program, remove: () => program.remove() };
}

async function prepareDeno(searchPath: string): Promise<ReplayEngine> {
  const deno = denoBinary();
  const folder = await makeCellFolder(tmpdir());
  const remove = () => rm(folder, { recursive: true, force: true });
  const built = await Bun.build({
    entrypoints: [SOURCE],
    outdir: folder,
    naming: 'cell.mjs',
    target: 'node',
    format: 'esm',
    plugins: [{ name: 'no WASI', setup: leaveWasiOut }],
  });
  const [bundle] = built.outputs;
  if (!built.success || !bundle) {
    await remove();
    throw new Error(`the cell can not be bundled for Deno: ${built.logs.map(String).join('; ')}`);
  }
  return { name: 'deno', cell: denoCommand(deno, bundle.path, folder, searchPath), remove };
}

/** Extism imports Node's WASI by a name that Deno does not know; the cell never asks for it. */
function leaveWasiOut(build: Bun.PluginBuilder): void {
  build.onResolve({ filter: /^(node:)?wasi$/ }, () => ({ path: 'none', namespace: 'wasi' }));
  build.onLoad({ filter: /.*/, namespace: 'wasi' }, () => ({
    contents: 'export const WASI = undefined;',
    loader: 'js',
  }));
}

/** How a script runs under Deno: in `setpriv` where that exists, so that it dies with its parent. */
export function denoCommand(
  deno: string,
  script: string,
  folder: string,
  searchPath: string,
): CellCommand {
  const run = [deno, ...DENO_FLAGS, script];
  const setpriv = Bun.which('setpriv', { PATH: searchPath });
  const [command = deno, ...args] = setpriv
    ? [setpriv, '--pdeathsig', 'KILL', '--no-new-privs', ...run]
    : run;
  return {
    command,
    args,
    environment: {
      // Caches of compiled scripts go where the script is, and nobody asks for a newer Deno.
      DENO_DIR: join(folder, 'deno'),
      DENO_NO_UPDATE_CHECK: '1',
      NO_COLOR: '1',
    },
  };
}
