/** What squawk, a linter of migrations, says about files: https://squawkhq.com/docs/rules */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import * as v from 'valibot';
import { type Migration, MigrationError } from './migration-files.ts';
import { type Finding, fileOf } from './phase-rules.ts';

/** Rules about what a Contract is for. */
const CONTRACT_MAY: ReadonlySet<string> = new Set([
  ...['ban-drop-column', 'ban-drop-table', 'ban-drop-constraint', 'ban-drop-not-null'],
]);
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const TIMEOUT_MS = 60_000;

const ReportSchema = v.array(
  v.looseObject({
    file: v.string(),
    /** From 0. */
    line: v.number(),
    message: v.string(),
    help: v.nullish(v.string()),
    rule_name: v.string(),
  }),
);

/**
 * @param program the executable
 * @param folder of the files; its `squawk.toml` says which rules do not apply here, and why
 * @throws MigrationError when it does not run
 */
export async function squawkFindings(
  program: string,
  folder: string,
  files: readonly Migration[],
): Promise<readonly Finding[]> {
  const byFile = new Map(files.map((one) => [fileOf(one), one]));
  const found = await Promise.all(
    [true, false].map(async (transaction) => {
      const wanted = files.filter((one) => one.transaction === transaction);
      if (wanted.length === 0) return [];
      return run(program, folder, wanted, transaction ? ['--assume-in-transaction'] : []);
    }),
  );
  return found.flat().filter(({ file, rule, line = 0 }) => {
    const migration = byFile.get(file);
    if (migration?.phase !== 'contract') return true;
    // A rollback is for an emergency: that it holds others up is no reason not to have it.
    return line <= migration.sql.split('\n').length && !CONTRACT_MAY.has(rule);
  });
}

async function run(
  program: string,
  folder: string,
  files: readonly Migration[],
  options: readonly string[],
): Promise<readonly Finding[]> {
  const args = ['--config', join(folder, 'squawk.toml'), '--reporter', 'json', ...options];
  const output = await new Promise<string>((resolve, reject) => {
    execFile(
      program,
      [...args, ...files.map(fileOf)],
      { cwd: folder, maxBuffer: MAX_OUTPUT_BYTES, timeout: TIMEOUT_MS },
      (error, stdout, stderr) => {
        // It ends with 1 when it found something.
        if (error === null || (error.code === 1 && stdout !== '')) resolve(stdout);
        else reject(new MigrationError(`squawk does not run: ${stderr.trim() || error.message}`));
      },
    );
  });
  return v.parse(ReportSchema, JSON.parse(output)).map((one) => ({
    ...{ file: one.file, rule: one.rule_name, line: one.line + 1 },
    message: one.help ? `${one.message} ${one.help}` : one.message,
  }));
}
