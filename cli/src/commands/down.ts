/** `portarium down`: stops the stack of a data folder. Side effects: ends its processes. */
import { stopStack } from '@portarium/local/running-stack';
import type { Command } from 'commander';
import { type DataOption, dataDirOf, dataOption } from '../data-option.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { print, printJson, reportFailure } from '../output.ts';

interface DownOptions extends DataOption {
  readonly json?: true;
}

export function registerDown(program: Command): void {
  program
    .command('down')
    .description('stop the stack of a data folder and wait until every process is gone')
    .addOption(dataOption())
    .option('--json', 'print one line {ok, wasRunning, dataDir}')
    .action(async (options: DownOptions) => {
      process.exitCode = await down(options);
    });
}

async function down(options: DownOptions): Promise<number> {
  const dataDir = dataDirOf(options);
  const outcome = await stopStack(dataDir);
  if (!outcome.ok) {
    reportFailure(outcome.message, options.json === true);
    return EXIT_CODES.failed;
  }
  if (options.json === true) printJson({ ok: true, wasRunning: outcome.wasRunning, dataDir });
  else print(outcome.wasRunning ? 'Stopped.' : `Nothing runs on ${dataDir}.`);
  return EXIT_CODES.ok;
}
