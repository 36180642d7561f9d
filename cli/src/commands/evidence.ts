/**
 * `portarium evidence export|verify`. Side effects: `export` writes one file; `verify` only reads,
 * needs no network and no running system.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { ActionIdSchema } from '@portarium/contracts/ids';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { messageOf } from '@portarium/local/local-stack-error';
import { type Command, InvalidArgumentError } from 'commander';
import * as v from 'valibot';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { print, printJson, reportFailure, tell } from '../output.ts';
import { readArgument } from '../read-argument.ts';
import { verifyText } from '../verify-text.ts';

interface ExportOptions extends ConnectionOptions {
  readonly action?: string;
  readonly out: string;
}

interface VerifyOptions {
  readonly pin?: string;
  readonly since?: string;
  readonly json?: true;
}

export function registerEvidence(program: Command): void {
  const evidence = program
    .command('evidence')
    .description('export evidence, and verify it offline');
  connectionOptions(
    evidence
      .command('export')
      .description('write a bundle of the workspace’s log, or of one action, as a tar file')
      .option('--action <id>', 'only this action, with a proof for each entry', actionId)
      .requiredOption('-o, --out <file>', 'where the bundle goes'),
  ).action(exportBundle);
  evidence
    .command('verify')
    .argument('<bundle>', 'the tar file')
    .description('check a bundle; no network, no running system')
    .option('--pin <key>', 'verifier key of the log (name+hash+base64) or @file with it')
    .option('--since <file>', 'a checkpoint that you kept from before')
    .option('--json', 'print the report as one line of JSON')
    .addHelpText(
      'after',
      '\nExit codes: 0 verified, 1 falsified, 2 unreadable, 3 consistent but no key pinned.',
    )
    .action(verify);
}

function actionId(text: string): string {
  if (v.is(ActionIdSchema, text)) return text;
  throw new InvalidArgumentError('Expected an action id: act_ and 32 hexadecimal digits.');
}

async function exportBundle(options: ExportOptions): Promise<void> {
  const client = connect(options);
  const { action, out } = options;
  const bundle = await client.evidence.exportBundle(action === undefined ? {} : { action });
  const verifierKeys = await client.evidence.verifierKeys();
  // Written beside and renamed, so that no half bundle ever bears the name.
  const partial = `${out}.partial`;
  await writeFile(partial, bundle);
  await rename(partial, out);
  if (options.json) return printJson({ file: out, bytes: bundle.length, verifierKeys });
  print(`${out}  ${bundle.length} bytes`);
  tell(`The log signs with ${verifierKeys[0] ?? 'no key yet'}`);
  tell(`portarium evidence verify ${out} --pin '${verifierKeys[0] ?? 'KEY'}'`);
}

async function verify(path: string, options: VerifyOptions): Promise<void> {
  let bundle: Uint8Array;
  let pin: string | undefined;
  let since: string | undefined;
  try {
    bundle = await readFile(path);
    pin = options.pin === undefined ? undefined : await readArgument(options.pin);
    since = options.since === undefined ? undefined : await readFile(options.since, 'utf8');
  } catch (error) {
    reportFailure(messageOf(error), options.json === true);
    process.exitCode = EXIT_CODES.usage;
    return;
  }
  const report = await verifyBundle(bundle, { pin: pin?.split('\n')[0], since });
  process.exitCode = report.exitCode;
  if (options.json) printJson(report);
  else print(verifyText(path, report));
}
