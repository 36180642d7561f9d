/** Starts the world in a private network of its own and reads what came of each case. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { inNamespace } from './namespace.ts';
import type { CaseResult } from './run.ts';

/**
 * @param folder for scratch files; the caller removes it
 * @param options of `run.ts`, without its folder
 * @throws Error when the world did not come to its end
 */
export async function spawnRun(
  folder: string,
  options: readonly string[],
): Promise<{ readonly results: CaseResult[]; readonly scratch: string }> {
  const scratch = mkdtempSync(join(folder, 'run-'));
  const program = [process.execPath, join(import.meta.dirname, 'run.ts'), `--folder=${scratch}`];
  const child = Bun.spawn(inNamespace([...program, ...options]), {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const lines = (await new Response(child.stdout).text()).trim().split('\n');
  const code = await child.exited;
  if (code !== 0) throw new Error(`the world of hostile requests ended with code ${code}`);
  return { results: lines.map((line) => JSON.parse(line) as CaseResult), scratch };
}
