/**
 * Holds `docs/reference/proofs.md` against the tests that ran: every row names a test that passed,
 * a figure with its command, or says `missing:` with a reason.
 */
import type { TestResult } from './parse-junit.ts';

/** `path/to/file.test.ts › the name of the test` in backticks. */
const TEST = /`([^`›]+\.test\.ts) › ([^`]+)`/g;
const FIGURE = /figure: .*`[^`]+`/;

/** @returns one line for each row that proves nothing */
export function checkProofs(markdown: string, results: readonly TestResult[]): readonly string[] {
  const problems: string[] = [];
  const rows = markdown
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|[\s:|-]+\|$/.test(line));
  const body = rows.filter((row) => !/^\|\s*Line\s*\|/.test(row));
  if (body.length === 0) problems.push('the table has no rows');
  for (const row of body) {
    const title = row.split('|')[1]?.trim() ?? row;
    const named = [...row.matchAll(TEST)];
    if (named.length === 0 && !FIGURE.test(row) && !/missing: \S/.test(row)) {
      problems.push(`"${title}" names no test, no figure with its command, and no reason`);
    }
    for (const [, file = '', name = ''] of named) {
      const found = results.find(
        (result) => result.file === file.trim() && result.name === name.trim(),
      );
      if (!found) problems.push(`"${title}" names ${file} › ${name}, which did not run`);
      else if (found.outcome !== 'passed')
        problems.push(`"${title}" names ${file} › ${name}, which ${found.outcome}`);
    }
  }
  return problems;
}
