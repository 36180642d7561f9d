/**
 * `portarium demo tamper`: changes one byte in a copy of the demo's evidence, and verifies both. Side effects:
 * writes the copy beside the demo's evidence; needs no running stack and no network.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import type { Command } from 'commander';
import { type DataOption, dataDirOf, dataOption } from '../data-option.ts';
import { demoEvidence } from '../demo/demo-evidence.ts';
import { tamper } from '../demo/tamper.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { print, printJson } from '../output.ts';
import { UsageError } from '../usage-error.ts';
import { verifyText } from '../verify-text.ts';

interface TamperOptions extends DataOption {
  readonly json?: true;
}

export function registerDemoTamper(demo: Command): void {
  demo
    .command('tamper')
    .description('change one byte in a copy of the demo’s evidence, and see verification find it')
    .addOption(dataOption())
    .option('--json', 'print what was changed and both reports as one line of JSON')
    .action(async (_options: unknown, command: Command) => {
      process.exitCode = await tamperDemo(command.optsWithGlobals<TamperOptions>());
    });
}

async function tamperDemo(options: TamperOptions): Promise<number> {
  const files = demoEvidence(dataDirOf(options));
  const bundle = await readEvidence(files.bundle);
  const pin = (await readFile(files.pin, 'utf8')).trim();
  const changed = tamper(bundle);
  if (!changed)
    throw new UsageError(`${files.bundle} holds no entry to change. Run portarium demo.`);
  const copy = join(files.folder, 'tampered.tar');
  await writeFile(copy, changed.bundle);
  const before = await verifyBundle(bundle, { pin });
  const after = await verifyBundle(changed.bundle, { pin });
  const found = before.verdict === 'verified' && after.verdict === 'falsified';
  const { type, at } = changed;
  if (options.json) {
    printJson({ ok: found, file: copy, changed: { type, at }, before, after });
  } else {
    print(verifyText(files.bundle, before));
    print('');
    print(
      `In a copy, byte ${at} becomes ${hex(changed.after)} instead of ${hex(changed.before)}, in the entry ${type}.`,
    );
    print('');
    print(verifyText(copy, after));
  }
  return found ? EXIT_CODES.ok : EXIT_CODES.failed;
}

const hex = (byte: number) => `0x${byte.toString(16).padStart(2, '0')}`;

async function readEvidence(file: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new UsageError(
      `There is no ${file}: no demo has run to its end here. Run portarium demo first, with the same --data.`,
    );
  }
}
