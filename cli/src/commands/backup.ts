/**
 * `portarium backup` and `restore`: a data folder as one file. Side effects: `backup` writes the file, and
 * with `--stop` stops the stack for that time; `restore` makes a data folder.
 */
import type { OnBackupProgress } from '@portarium/local/backup-manifest';
import { backupStack } from '@portarium/local/backup-stack';
import { dataFolderAt } from '@portarium/local/data-folder';
import { LocalStackError, messageOf } from '@portarium/local/local-stack-error';
import { outerStoreOf } from '@portarium/local/outer-store';
import { pauseStack, type Resume } from '@portarium/local/pause-stack';
import { restoreStack } from '@portarium/local/restore-stack';
import { assertBackupTarget, type Backup } from '@portarium/local/write-backup';
import type { Command } from 'commander';
import { type DataOption, dataDirOf, dataOption, usableEnvironment } from '../data-option.ts';
import { onTermination } from '../on-termination.ts';
import { print, printJson, tell } from '../output.ts';
import { progressLines } from '../progress-lines.ts';

interface BackupCommandOptions extends DataOption {
  readonly stop?: true;
  readonly json?: true;
}

const TELL_EVERY_MS = 2_000;

export function registerBackup(program: Command): void {
  program
    .command('backup')
    .argument('<file>', 'the file to write, such as portarium.tar.gz')
    .description('write the whole data folder of a stopped stack into one file, with its secrets')
    .addOption(dataOption())
    .option(
      '--stop',
      'stop the stack that `up --detach` started there, and start it again as it was',
    )
    .option('--json', 'print one line {ok, file, bytes, files, dataDir}')
    .action(backup);
  program
    .command('restore')
    .argument('<file>', 'a file that backup wrote')
    .description('make a data folder of a backup, once every byte of it is verified')
    .addOption(dataOption())
    .option('--json', 'print one line {ok, files, createdAt, dataDir}')
    .action(restore);
}

async function backup(file: string, options: BackupCommandOptions): Promise<void> {
  const dataDir = dataDirOf(options);
  const { signal } = onTermination();
  // Nothing is stopped for a file that can not be written.
  assertBackupTarget(dataFolderAt(dataDir), file);
  const resume = options.stop === true ? await pause(dataDir) : undefined;
  const written = await backupStack(dataDir, file, { onProgress: progress(), signal }).catch(
    async (error) => {
      await startAgain(resume, `${messageOf(error)} And then: `);
      throw withStop(error, options);
    },
  );
  await startAgain(resume, `The backup ${written.file} is written, but: `);
  show(written, dataDir, options);
}

async function pause(dataDir: string): Promise<Resume | undefined> {
  const resume = await pauseStack(dataDir);
  if (resume !== undefined) tell('The stack is stopped for the backup.');
  return resume;
}

/** @param before what to tell besides when it does not start */
async function startAgain(resume: Resume | undefined, before: string): Promise<void> {
  if (resume === undefined) return;
  const { url } = await resume(progressLines()).catch((error) => {
    throw new LocalStackError('part-failed', `${before}${messageOf(error)}`);
  });
  tell(`The stack runs again at ${url}.`);
}

function withStop(error: unknown, { stop }: BackupCommandOptions): unknown {
  if (!(error instanceof LocalStackError) || error.code !== 'already-running' || stop) return error;
  return new LocalStackError(
    'already-running',
    `${error.message}. Or let the backup do that, and start it again: portarium backup --stop`,
  );
}

function show(
  { manifest, ...written }: Backup,
  dataDir: string,
  options: BackupCommandOptions,
): void {
  const files = manifest.files.length;
  if (options.json === true) {
    printJson({ ok: true, ...written, files, dataDir });
    return;
  }
  print(`${written.file}  ${sizeText(written.bytes)}, ${files} files`);
  tell('It holds the master key and every secret of the stack: keep it as you would keep those.');
  const elsewhere = outerStoreOf(dataDir, usableEnvironment().all);
  if (elsewhere !== undefined) {
    tell(
      `Artifacts are not in it: they are in the evidence store at ${elsewhere}. Keep that, too.`,
    );
  }
}

async function restore(file: string, options: BackupCommandOptions): Promise<void> {
  const dataDir = dataDirOf(options);
  const { signal } = onTermination();
  const told = { onProgress: progress(), signal };
  const { files, createdAt } = await restoreStack(file, dataDir, told);
  if (options.json) return printJson({ ok: true, files: files.length, createdAt, dataDir });
  print(`${dataDir} is as it was at ${createdAt}: ${files.length} files, each verified.`);
  tell(`Start it: portarium up --data ${dataDir}`);
}

/** Long ones tell how far they are. */
function progress(): OnBackupProgress {
  let told = performance.now();
  return ({ step, files, bytes }) => {
    if (performance.now() - told < TELL_EVERY_MS) return;
    told = performance.now();
    tell(`… ${step}  ${files} files, ${sizeText(bytes)}`);
  };
}

function sizeText(bytes: number): string {
  return bytes < 1024 * 1024
    ? `${Math.ceil(bytes / 1024)} KiB`
    : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
