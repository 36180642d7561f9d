import { expect, test } from 'bun:test';
import { API_ERRORS, ATTEMPT_ERRORS } from '@portarium/contracts/errors';
import { dependencyDrift, referencePages, withUnit } from './generate-reference.ts';

test('the page of errors has a heading for each code of the API and a row for each other', () => {
  const page = referencePages().get('docs/reference/errors.md') ?? '';
  for (const code of Object.keys(API_ERRORS)) expect(page).toContain(`\n### ${code}\n`);
  for (const code of Object.keys(ATTEMPT_ERRORS)) expect(page).toContain(`| \`${code}\` |`);
});

test('a figure is shown in the largest unit that keeps it whole', () => {
  expect(withUnit('wallMs', 10_000)).toBe('10 s');
  expect(withUnit('wallMs', 900_000)).toBe('15 min');
  expect(withUnit('leaseMs', 1_500)).toBe('1500 ms');
  expect(withUnit('outputBytes', 4 * 1024 * 1024)).toBe('4 MiB');
  expect(withUnit('logBytes', 65_536)).toBe('64 KiB');
  expect(withUnit('entryBytes', 65_535)).toBe('65,535 bytes');
  expect(withUnit('egressBytesIn', 8 * 1024 * 1024)).toBe('8 MiB');
  expect(withUnit('hostCalls', 10_000)).toBe('10,000');
});

test('a dependency without a line and a line without a dependency are both drift', () => {
  const packageJson = JSON.stringify({
    dependencies: { a: '1.0.0' },
    devDependencies: { b: '2.0.0' },
  });
  expect(dependencyDrift(packageJson, '| `a` | x |\n| `b` | y |')).toEqual([]);
  expect(dependencyDrift(packageJson, '| `a` | x |\n| `c` | y |')).toEqual([
    'b has no line there',
    'c is not in package.json',
  ]);
});
