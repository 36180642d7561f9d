import { expect, test } from 'bun:test';
import { checkProofs } from './check-proofs.ts';
import { parseJunit } from './parse-junit.ts';

const REPORT = `<testsuites><testsuite>
<testcase name="it holds &amp; stays" classname="" file="a.test.ts" />
<testcase name="it breaks" file="a.test.ts"><failure type="AssertionError" /></testcase>
<testcase name="it waits" file="a.test.ts"><skipped /></testcase>
</testsuite></testsuites>`;

const table = (...rows: string[]) => ['| Line | Proof |', '|---|---|', ...rows].join('\n');

test('a row that names a test which passed is a proof', () => {
  expect(
    checkProofs(table('| one | `a.test.ts › it holds & stays` |'), parseJunit(REPORT)),
  ).toEqual([]);
});

test('a row that names a failed, a skipped or an unknown test is a problem', () => {
  const rows = ['it breaks', 'it waits', 'it never was'].map(
    (name) => `| one | \`a.test.ts › ${name}\` |`,
  );
  for (const row of rows) expect(checkProofs(table(row), parseJunit(REPORT))).toHaveLength(1);
});

test('a row without test, figure or reason is a problem, and so is a table without rows', () => {
  expect(checkProofs(table('| one | trust us |'), parseJunit(REPORT))).toHaveLength(1);
  expect(checkProofs(table(), parseJunit(REPORT))).toHaveLength(1);
  expect(
    checkProofs(
      table('| one | figure: 3 s, `time ls` at abc |', '| two | missing: no time |'),
      parseJunit(REPORT),
    ),
  ).toEqual([]);
});

test('a report without tests is refused', () => {
  expect(() => parseJunit('<testsuites />')).toThrow('no test');
});
