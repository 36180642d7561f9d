/**
 * `portarium evidence export|key|checkpoint|status|rotate-key|recover|verify`. Side effects: `export` writes one file;
 * `verify` only reads, needs no network and no running system.
 */
import { existsSync, statSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { PortariumError } from '@portarium/client/portarium-error';
import { readPublisherKey } from '@portarium/contracts/plugin-signature';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import type { VerifyReport } from '@portarium/contracts/verify-report';
import type { Command } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { writeSentence } from '../file-sentence.ts';
import { actionId } from '../id-argument.ts';
import { print, printJson, tell } from '../output.ts';
import { readArgument, readInputFile, readTextFile } from '../read-argument.ts';
import { pinOption, readPin } from '../read-pin.ts';
import { recoveryText } from '../recovery-text.ts';
import { UsageError } from '../usage-error.ts';
import { verificationText } from '../verification-text.ts';
import { verifyText } from '../verify-text.ts';
import { wholeNumber } from '../whole-number.ts';

interface ExportOptions extends ConnectionOptions {
  readonly action?: string;
  readonly from?: number;
  readonly to?: number;
  /** False by `--no-bodies`. */
  readonly bodies: boolean;
  readonly out: string;
  readonly force?: true;
}

interface StatusOptions extends ConnectionOptions {
  readonly now?: true;
}

interface RotateOptions extends ConnectionOptions {
  readonly rationale: string;
}

interface RecoverOptions extends ConnectionOptions {
  readonly dryRun?: true;
  readonly rationale?: string;
}

interface VerifyOptions {
  readonly pin?: string;
  readonly since?: string;
  readonly publisher?: readonly string[];
  readonly stories?: number | true;
  readonly json?: true;
}

export function registerEvidence(program: Command): void {
  const evidence = program
    .command('evidence')
    .description('export evidence, and verify it offline');
  connectionOptions(
    evidence
      .command('export')
      .description(
        'write a bundle of the workspace’s log, of a range of it, or of one action, as a tar file',
      )
      .option('--action <id>', 'only this action, with a proof for each entry', actionId)
      .option(
        '--from <seq>',
        'from this entry on, widened to whole entry bundles of 256',
        wholeNumber(0, MAX_SEQUENCE),
      )
      .option('--to <seq>', 'up to this entry', wholeNumber(0, MAX_SEQUENCE))
      .option(
        '--no-bodies',
        'leave out the bodies that plugins sent and read: smaller, and not replayable',
      )
      .requiredOption('-o, --out <file>', 'where the bundle goes')
      .option('--force', 'replace the file when there is one'),
  ).action(exportBundle);
  connectionOptions(
    evidence
      .command('key')
      .description('print the keys that the log signs with, newest first; one is what --pin takes'),
  ).action(key);
  connectionOptions(
    evidence
      .command('checkpoint')
      .description('print what the log signed last; a file with it is what --since takes'),
  ).action(checkpoint);
  connectionOptions(
    evidence
      .command('status')
      .description('say how far the log is verified in the background, and what does not agree')
      .option('--now', 'verify now, with a sample of the artifacts, before it is said')
      .addHelpText('after', '\nExit codes: 0 nothing was found, 1 something was.'),
  ).action(status);
  connectionOptions(
    evidence
      .command('rotate-key')
      .description('have checkpoints signed with a new key, which the old one hands over to')
      .requiredOption('--rationale <text>', 'why; it stands in the log of the instance'),
  ).action(rotateKey);
  connectionOptions(
    evidence
      .command('recover')
      .description(
        'compare the log with the evidence store, and put back what the database lost; refuses a fork',
      )
      .option('--dry-run', 'only say what would be done')
      .option('--rationale <text>', 'why; it stands in the log'),
  ).action(recover);
  evidence
    .command('verify')
    .argument('<bundle>', 'the tar file that evidence export wrote')
    .description('check a bundle; no network, no running system')
    .addOption(pinOption())
    .option('--since <file>', 'a checkpoint that you kept from before (evidence checkpoint)')
    .option(
      '--publisher <key...>',
      'every plugin version has to be signed by one of these publishers’ keys, or @file with one',
    )
    .option(
      '--stories [count]',
      'tell what happened in each action, of so many; of a bundle of one action it is told anyway',
      wholeNumber(0, MAX_STORIES),
    )
    .option(
      '--json',
      'print the report as one line of JSON (docs/reference/schemas/verify-report.json)',
    )
    .addHelpText(
      'after',
      '\nExit codes: 0 verified, 1 falsified or incomplete, 2 unreadable, 3 consistent but no key pinned.',
    )
    .action(verify);
}

async function key(options: ConnectionOptions): Promise<void> {
  const verifierKeys = await connect(options).evidence.verifierKeys();
  if (options.json) return printJson({ verifierKeys });
  for (const line of verifierKeys) print(line);
  tell('Keep it apart from the evidence: --pin KEY, or --pin @file, believes this key alone.');
}

async function checkpoint(options: ConnectionOptions): Promise<void> {
  const note = await connect(options).evidence.checkpoint();
  if (options.json) return printJson({ checkpoint: note });
  print(note.replace(/\n$/, ''));
  tell('Keep it: --since FILE then finds a log that was cut, forked or rewritten.');
}

async function status(options: StatusOptions): Promise<void> {
  const { evidence } = connect(options);
  const seen = await (options.now ? evidence.verifyNow() : evidence.verification());
  process.exitCode = seen.state === 'failed' || seen.frozen ? EXIT_CODES.failed : EXIT_CODES.ok;
  if (options.json) return printJson(seen);
  print(verificationText(seen));
}

async function rotateKey(options: RotateOptions): Promise<void> {
  const { rationale } = options;
  const keys = await connect(options).evidence.rotateKey({ rationale });
  if (options.json) return printJson({ keys });
  for (const { verifierKey, state, validUntil } of keys) {
    print(`${verifierKey}  ${state}${validUntil === undefined ? '' : ` since ${validUntil}`}`);
  }
  tell(
    'Give the first to whoever verifies. Whoever pinned an older one gets to it by the bundle itself.',
  );
}

async function recover(options: RecoverOptions): Promise<void> {
  const { dryRun = false, rationale = dryRun ? 'a look' : undefined } = options;
  if (rationale === undefined) {
    throw new UsageError('Say why with --rationale, or look first with --dry-run.');
  }
  const plan = await connect(options).evidence.recover({ dryRun, rationale });
  process.exitCode = plan.state === 'none' || !dryRun ? EXIT_CODES.ok : EXIT_CODES.failed;
  if (options.json) return printJson(plan);
  print(recoveryText(plan));
}

async function exportBundle(options: ExportOptions): Promise<void> {
  const { action, from, to, out } = options;
  if (action !== undefined && (from !== undefined || to !== undefined)) {
    throw new UsageError('Give --action, or --from and --to: an action is exported whole.');
  }
  assertWritable(out, options.force === true);
  const client = connect(options);
  const bodies = options.bodies ? undefined : 'none';
  const pieces = client.evidence.exportPieces({ action, from, to, bodies });
  const verifierKeys = await client.evidence.verifierKeys();
  const bytes = await writeWhole(out, pieces);
  if (options.json) return printJson({ file: out, bytes, verifierKeys });
  print(`${out}  ${bytes} bytes`);
  tell(`The log signs with ${verifierKeys[0] ?? 'no key yet'}`);
  tell(`portarium evidence verify ${out} --pin '${verifierKeys[0] ?? 'KEY'}'`);
}

/** @throws UsageError before anything is asked for, when the file can not be or is there already */
function assertWritable(out: string, force: boolean): void {
  if (!existsSync(dirname(resolve(out)))) {
    throw new UsageError(writeSentence(out, Object.assign(new Error(), { code: 'ENOENT' })));
  }
  if (!existsSync(out)) return;
  if (statSync(out).isDirectory()) throw new UsageError(`${out} is a folder. Name a file.`);
  if (!force) {
    throw new UsageError(`${out} exists. Name another file, or replace it with --force.`);
  }
}

/**
 * Written beside and renamed, so that no half bundle ever bears the name.
 * @returns how many bytes there are
 */
async function writeWhole(out: string, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  const partial = `${out}.partial`;
  const counted = { bytes: 0 };
  try {
    await writeFile(partial, counting(pieces, counted));
    await rename(partial, out);
    return counted.bytes;
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    if (error instanceof PortariumError) throw error;
    throw new Error(writeSentence(out, error));
  }
}

async function* counting(pieces: AsyncIterable<Uint8Array>, counted: { bytes: number }) {
  for await (const piece of pieces) {
    counted.bytes += piece.length;
    yield piece;
  }
}

async function verify(path: string, options: VerifyOptions): Promise<void> {
  const bundle = await readInputFile(path);
  const pin = await readPin(options.pin);
  const since = options.since === undefined ? undefined : await readTextFile(options.since);
  const publishers = options.publisher && (await readPublishers(options.publisher));
  const report = await verifyBundle(bundle, {
    pin,
    since,
    publishers,
    stories: storiesOf(options),
  });
  const [first] = report.findings;
  if (first?.rule === 'since.malformed') {
    throw new UsageError(
      `--since can not be used: ${first.message}. Expected a file with a checkpoint of this log, as portarium evidence checkpoint prints it.`,
    );
  }
  process.exitCode = report.exitCode;
  if (options.json) printJson(report);
  else {
    const compared = { since: since !== undefined, publishers: publishers !== undefined };
    print(verifyText(path, shown(report, options), compared));
  }
  if (report.findings.some(({ rule }) => NO_BUNDLE.has(rule))) tell(noBundle(bundle));
}

/** More than anybody reads; the sums are over all. */
const MAX_STORIES = 100_000;
const MAX_SEQUENCE = Number.MAX_SAFE_INTEGER;

/** Of one action the story is told without being asked for. */
function storiesOf({ stories }: VerifyOptions): number {
  return stories === true ? MAX_STORIES : (stories ?? 1);
}

function shown(report: VerifyReport, options: VerifyOptions): VerifyReport {
  if (options.stories !== undefined || report.actions === 1) return report;
  const { stories: _, ...rest } = report;
  return rest;
}

async function readPublishers(keys: readonly string[]): Promise<readonly string[]> {
  const texts = await Promise.all(keys.map(readArgument));
  for (const text of texts) {
    const key = await readPublisherKey(text.trim());
    if (typeof key === 'string') throw new UsageError(`--publisher is no publisher’s key: ${key}.`);
  }
  return texts.map((text) => text.trim());
}

const NO_BUNDLE: ReadonlySet<string> = new Set(['bundle.tar', 'bundle.manifest']);
const WHAT_A_BUNDLE_IS =
  'A bundle is the tar file, not compressed, that portarium evidence export -o FILE writes.';

function noBundle([first, second]: Uint8Array): string {
  const gzip = first === 0x1f && second === 0x8b;
  return gzip ? `${WHAT_A_BUNDLE_IS} This one is gzip: gunzip it first.` : WHAT_A_BUNDLE_IS;
}
