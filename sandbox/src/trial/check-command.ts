/**
 * `bun run sandbox/src/main.ts check`: admits a module as an upload would, and prints what came of it as
 * one line of JSON. Reads two files; the cell that it starts has no network.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ManifestSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';
import { prepareCellProgram } from '../host/cell-program.ts';
import { admitLocally } from './admit-locally.ts';

const USAGE = 'usage: bun run sandbox/src/main.ts check --manifest FILE --module FILE';

/**
 * @param args behind the role
 * @param searchPath folders to look for `setpriv` in
 * @returns 0 it would be admitted, 1 it would not, 2 unusable files, or no cell here
 */
export async function checkPlugin(args: readonly string[], searchPath: string): Promise<number> {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { manifest: { type: 'string' }, module: { type: 'string' } },
    });
    if (values.manifest === undefined || values.module === undefined) throw new Error(USAGE);
    const manifest = v.parse(ManifestSchema, JSON.parse(await readFile(values.manifest, 'utf8')));
    const bytes = new Uint8Array(await readFile(values.module));
    const program = await prepareCellProgram(searchPath);
    try {
      const admission = await admitLocally(bytes, manifest, program);
      const { ok } = admission;
      const told = ok
        ? {
            ok,
            digest: admission.digest,
            moduleDigest: admission.moduleDigest,
            report: admission.report,
          }
        : admission;
      // An exit right after a write to a pipe could cut the output short.
      await new Promise((resolve) => process.stdout.write(`${JSON.stringify(told)}\n`, resolve));
      return ok ? 0 : 1;
    } finally {
      await program.remove();
    }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
}
