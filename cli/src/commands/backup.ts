/**
 * `portarium backup` and `restore`: a data folder as one file. Side effects: `backup` writes the file, and
 * with `--stop` stops the stack for that time; `restore` makes a data folder.
 */
import type { OnBackupProgress } from '@portarium/local/backup-file';
import { backupStack, restoreStack } from '@portarium/local/backup-stack';
import { LocalStackError } from '@portarium/local/local-stack-error';
import { readStatus, stopStack } from '@portarium/local/running-stack';
import { startDetached } from '@portarium/local/start-detached';
import type { Command } from 'commander';
import { type DataOption, dataDirOf, dataOption } from '../data-option.ts';
import { print, printJson, tell } from '../output.ts';
import { progressLines } from '../progress-lines.ts';

interface BackupOptions extends DataOption {
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
    .option('--stop', 'stop the stack that runs there, and start it again afterwards')
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

async function backup(file: string, options: BackupOptions): Promise<void> {
  const dataDir = dataDirOf(options);
  const runs = readStatus(dataDir).state === 'ready';
  if (runs && options.stop === true) {
    tell('Stopping the stack for the backup.');
    const stopped = await stopStack(dataDir);
    if (!stopped.ok) throw new LocalStackError('part-failed', stopped.message);
  }
  try {
    const { manifest, ...written } = await backupStack(dataDir, file, progress()).catch((error) => {
      if (!(error instanceof LocalStackError) || error.code !== 'already-running') throw error;
      throw new LocalStackError(
        'already-running',
        `${error.message}. Or let the backup do that, and start it again: portarium backup --stop`,
      );
    });
    const files = manifest.files.length;
    if (options.json) printJson({ ok: true, ...written, files, dataDir });
    else {
      print(`${written.file}  ${sizeText(written.bytes)}, ${files} files`);
      tell(
        'It holds the master key and every secret of the stack: keep it as you would keep those.',
      );
    }
  } finally {
    if (runs && options.stop === true) {
      const { url } = await startDetached({ dataDir, onProgress: progressLines() });
      tell(`The stack runs again at ${url}.`);
    }
  }
}

async function restore(file: string, options: BackupOptions): Promise<void> {
  const dataDir = dataDirOf(options);
  const { files, createdAt } = await restoreStack(file, dataDir, progress());
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
