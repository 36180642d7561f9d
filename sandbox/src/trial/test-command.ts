/**
 * `bun run sandbox/src/main.ts test`: admits a module as an upload would, runs cases in real cells, and
 * prints a line of JSON for each. Reads three files; nothing that it starts has a network.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { findingText } from '@portarium/admission/finding';
import { ManifestSchema } from '@portarium/contracts/manifest';
import { CasesSchema } from '@portarium/contracts/plugin-cases';
import * as v from 'valibot';
import { prepareCellProgram } from '../host/cell-program.ts';
import { admitLocally } from './admit-locally.ts';
import { runCase } from './run-case.ts';

const USAGE = 'usage: bun run sandbox/src/main.ts test --manifest FILE --module FILE --cases FILE';

/**
 * @param args behind the role
 * @param searchPath folders to look for `setpriv` in
 * @returns 0 every case is ok, 1 one is not, 2 unusable files
 */
export async function testPlugin(args: readonly string[], searchPath: string): Promise<number> {
  let files: readonly [string, string, string];
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        manifest: { type: 'string' },
        module: { type: 'string' },
        cases: { type: 'string' },
      },
    });
    const { manifest, module, cases } = values;
    if (manifest === undefined || module === undefined || cases === undefined) return refuse(USAGE);
    files = [manifest, module, cases];
  } catch (error) {
    return refuse(`${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
  try {
    const [manifestFile, moduleFile, casesFile] = files;
    const manifest = v.parse(ManifestSchema, JSON.parse(await readFile(manifestFile, 'utf8')));
    const cases = v.parse(CasesSchema, JSON.parse(await readFile(casesFile, 'utf8')));
    const bytes = new Uint8Array(await readFile(moduleFile));
    const cell = await prepareCellProgram(searchPath);
    try {
      const admission = await admitLocally(bytes, manifest, cell);
      if (!admission.ok) {
        const what = `${manifest.name}@${manifest.version} would not be admitted, so no case was run:`;
        return refuse(
          [what, ...admission.findings.map((finding) => findingText(finding))].join('\n'),
        );
      }
      let failed = 0;
      for (const one of cases) {
        const result = await runCase({ manifest, module: admission.module }, one, cell);
        if (!result.ok) failed++;
        process.stdout.write(`${JSON.stringify(result)}\n`);
      }
      // An exit right after a write to a pipe could cut the output short.
      await new Promise((resolve) => process.stdout.write('', resolve));
      return failed === 0 ? 0 : 1;
    } finally {
      await cell.remove();
    }
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function refuse(message: string): number {
  process.stderr.write(`${message}\n`);
  return 2;
}
