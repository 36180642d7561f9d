/** `portarium vault rotate-key`: a new master key for a stopped stack. Side effects: rewrites the vault. */
import { rotateMasterKey } from '@portarium/local/rotate-master-key';
import type { Command } from 'commander';
import { type DataOption, dataDirOf, dataOption } from '../data-option.ts';
import { print, printJson } from '../output.ts';

interface RotateOptions extends DataOption {
  readonly json?: true;
}

export function registerVault(program: Command): void {
  const vault = program.command('vault').description('look after the vault of a local stack');
  vault
    .command('rotate-key')
    .description('seal every secret of a stopped stack under a new master key')
    .addOption(dataOption())
    .option('--json', 'print one line {ok, entries, dataDir}')
    .action(async (options: RotateOptions) => {
      const dataDir = dataDirOf(options);
      const { entries } = await rotateMasterKey(dataDir);
      if (options.json === true) printJson({ ok: true, entries, dataDir });
      else
        print(
          `${entries} secrets are sealed under a new master key. Back it up: ${dataDir}/master.key`,
        );
    });
}
