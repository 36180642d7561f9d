/** `bun run sandbox/src/main.ts isolation`: prints the level that cells come up at here, and what is missing. */
import { prepareCellProgram } from '../host/cell-program.ts';

/**
 * One line of JSON: `isolation` and `isolationMissing`, as `/healthz` has them. Attacks nothing: a host does that when it starts.
 *
 * @param searchPath folders to look for `setpriv`, `prlimit` and `bwrap` in
 * @returns 0, or 1 when no cell comes up at all
 */
export async function showIsolation(searchPath: string): Promise<number> {
  try {
    const { isolation, missing, remove } = await prepareCellProgram(searchPath);
    await remove();
    process.stdout.write(`${JSON.stringify({ isolation, isolationMissing: missing })}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
