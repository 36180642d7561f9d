/**
 * `portarium doctor`: says what is missing on this machine or damaged in the data folder, and which locks of the
 * evidence store hold. Side effects: that a running stack’s store was probed is evidence.
 */
import { examine } from '@portarium/local/doctor';
import type { Command } from 'commander';
import { type DataOption, dataDirOf, dataOption, usableEnvironment } from '../data-option.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { print, printJson, table } from '../output.ts';

interface DoctorOptions extends DataOption {
  readonly json?: true;
}

export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description(
      'say what is missing or damaged, on this machine, in the data folder and in the evidence store in use, and how to mend it; exit code 1 when something needed is',
    )
    .addOption(dataOption())
    .option('--json', 'print one line {ok, findings}')
    .action(async (options: DoctorOptions) => {
      process.exitCode = await doctor(options);
    });
}

async function doctor(options: DoctorOptions): Promise<number> {
  const findings = await examine(dataDirOf(options), usableEnvironment());
  const ok = findings.every((finding) => finding.ok || !finding.needed);
  if (options.json === true) {
    printJson({ ok, findings });
  } else {
    const rows = findings.map((finding) => [
      finding.ok ? '✓' : finding.needed ? '✗' : '-',
      finding.name,
      finding.fix === undefined ? finding.detail : `${finding.detail}. ${finding.fix}`,
    ]);
    print(table(rows));
    print(ok ? 'The stack can start.' : 'Something needed is missing or damaged.');
  }
  return ok ? EXIT_CODES.ok : EXIT_CODES.failed;
}
