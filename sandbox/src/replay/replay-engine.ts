/** The engines that replay attempts: the same cell under each runtime. */
import { type CellProgram, prepareCellProgram } from '../host/cell-program.ts';
import { ownRuntime } from '../isolation/runtime.ts';
import { denoBinary } from './deno-binary.ts';

export const ENGINES = ['bun', 'deno'] as const;
export type EngineName = (typeof ENGINES)[number];

export interface ReplayEngine {
  readonly name: EngineName;
  readonly cell: CellProgram;
}

/**
 * @param searchPath folders to look for `setpriv` in, as in `PATH`
 * @throws Error that says what to do when the engine is not there
 */
export async function prepareEngine(name: EngineName, searchPath: string): Promise<ReplayEngine> {
  const own = ownRuntime();
  if (name === own.name) return { name, cell: await prepareCellProgram(searchPath) };
  if (name === 'bun') throw new Error('Bun is not here: run the replay with Bun.');
  const runtime = { name, executable: denoBinary() };
  return { name, cell: await prepareCellProgram(searchPath, { runtime }) };
}
