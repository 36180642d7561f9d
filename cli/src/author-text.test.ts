import { expect, test } from 'bun:test';
import { findingText } from '@portarium/admission/finding';
import { visibleLine } from '@portarium/client/visible-text';
import type { CaseResult } from '@portarium/contracts/plugin-cases';
import { caseText } from './author-text.ts';

const RESULT: CaseResult = {
  ...{ name: 'adds', operation: 'sum', ok: false, ms: 12, verdict: 'succeeded' },
  ...{ output: { total: 3, unit: 'EUR' }, problems: ['the output is another one'], logs: [] },
};

test('a case that is ok is one line', () => {
  expect(caseText({ ...RESULT, ok: true, problems: [] }, { total: 3 })).toBe(
    'ok   adds  (sum: succeeded, 12 ms)',
  );
});

test('of an output that is another one only what differs is marked, whatever the order of members', () => {
  const lines = caseText(RESULT, { unit: 'EUR', total: 4 }).split('\n');
  expect(lines.slice(0, 3)).toEqual([
    'NOT  adds  (sum: succeeded, 12 ms)',
    '      the output is another one',
    '      - expected, + got:',
  ]);
  const marked = lines.filter((line) => /│ [-+]/.test(line)).map((line) => line.trim());
  expect(marked).toEqual(['│ -   "total": 4,', '│ +   "total": 3,']);
});

test('what a plugin wrote can neither steer a terminal nor begin a line', () => {
  const hostile = '\u001b[2J\u202ex\nok   forged';
  const logs = [{ level: 'info', message: hostile }];
  const text = caseText({ ...RESULT, name: hostile, problems: [hostile], logs }, undefined);
  const parts = { rule: 'import.unknown', message: hostile, hint: 'Leave it out.', at: hostile };
  const finding = findingText(parts, visibleLine);
  expect(finding.split('\n')).toHaveLength(3);
  for (const shown of [text, finding]) {
    for (const part of ['\u001b', '\u202e']) expect(shown).not.toContain(part);
  }
  expect(text.split('\n').filter((line) => line.startsWith('ok '))).toEqual([]);
});
