/** `portarium reconcile`. Side effects: without `--dry-run` or `--last`, the Control Plane repairs what is safe. */
import type { Command } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { print, printJson } from '../output.ts';
import { reconciliationText } from '../reconciliation-text.ts';

interface ReconcileOptions extends ConnectionOptions {
  readonly dryRun?: true;
  readonly last?: true;
}

export function registerReconcile(program: Command): void {
  connectionOptions(
    program
      .command('reconcile')
      .description(
        'compare database, Temporal, evidence store and log of a workspace; repair what is safe, report the rest',
      )
      .option('--dry-run', 'only say what would be done')
      .option('--last', 'say what the last run did, without another')
      .addHelpText(
        'after',
        '\nExit codes: 0 all agrees, 1 something is left over or could not be checked.',
      ),
  ).action(reconcile);
}

async function reconcile(options: ReconcileOptions): Promise<void> {
  const client = connect(options);
  const report = options.last
    ? await client.reconciliation()
    : await client.reconcile({ dryRun: options.dryRun === true });
  const agrees =
    report.findings.length === 0 && report.checks.every(({ failed }) => failed === undefined);
  process.exitCode = agrees ? EXIT_CODES.ok : EXIT_CODES.failed;
  if (options.json) return printJson(report);
  print(reconciliationText(report));
}
