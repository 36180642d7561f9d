/** How the planes' own programs are run by the runtime that was chosen. */
import { denoBinary } from '@portarium/sandbox/replay/deno-binary';
import { bunArguments } from '../bun-arguments.ts';
import type { LocalEnvironment } from '../environment.ts';

const DENO_FLAGS = [
  ...['run', '--quiet', '--no-prompt', '--no-remote', '--no-lock', '--node-modules-dir=manual'],
];

/**
 * What Deno lets the Control Plane do. Reading and writing are not narrowed to folders: Temporal's native
 * part needs the right to load libraries, beside which narrower rights would only look like a fence.
 */
const CONTROL_RIGHTS = [
  ...['--allow-net', '--allow-env', '--allow-read', '--allow-write', '--allow-sys', '--allow-ffi'],
];

/**
 * @param program file, relative to the repository
 * @throws Error that says what to do when the runtime is not there
 */
export function planeCommand(
  { runtime }: Pick<LocalEnvironment, 'runtime'>,
  program: string,
  ...args: readonly string[]
): { readonly file: string; readonly args: readonly string[] } {
  if (runtime === 'bun') return { file: process.execPath, args: bunArguments(program, ...args) };
  // Sandbox hosts start cells, and read in /proc what those use: Deno has no narrower right for it.
  const rights = program.startsWith('sandbox/') ? ['--allow-all'] : CONTROL_RIGHTS;
  return { file: denoBinary(), args: [...DENO_FLAGS, ...rights, program, ...args] };
}
