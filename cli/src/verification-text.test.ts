import { expect, test } from 'bun:test';
import { findingLine, verificationText } from './verification-text.ts';

const base = {
  state: 'verified' as const,
  size: 12,
  verified: 10,
  checkedAt: '2026-11-28T08:00:00.000Z',
  round: { finishedAt: '2026-11-28T07:00:00.000Z' },
  artifacts: { sampled: 3, sampledAt: '2026-11-28T06:00:00.000Z' },
  findings: [],
};

test('a log that agrees is said to be verified, with how far and when', () => {
  expect(verificationText(base).split('\n')).toEqual([
    'VERIFIED',
    '10 of 12 entries agree with a checkpoint in the evidence store, 2026-11-28T08:00:00.000Z',
    'the whole log: 2026-11-28T07:00:00.000Z',
    '3 artifacts were read again, 2026-11-28T06:00:00.000Z',
  ]);
});

test('a finding names its entry, or what else it is about, and its rule', () => {
  const foundAt = '2026-11-28T08:00:00.000Z';
  const leaf = { rule: 'log.leaf', message: 'other bytes', seq: 7, subject: '7', foundAt };
  expect(findingLine(leaf)).toBe(`entry 7  log.leaf  other bytes  (since ${foundAt})`);
  const state = { rule: 'action.state', message: 'is failed', subject: 'act_1', foundAt };
  expect(findingLine(state)).toStartWith('act_1  action.state  ');
  expect(findingLine({ rule: 'checkpoint.size', message: 'cut', foundAt })).toStartWith(
    'the log  ',
  );
  const text = verificationText({ ...base, state: 'failed', findings: [leaf] });
  expect(text).toStartWith('FAILED: 1 finding\n');
});

test('a log that nobody has looked at yet is not said to be verified', () => {
  const text = verificationText({
    ...{ state: 'pending', size: 3, verified: 0, round: {}, artifacts: { sampled: 0 } },
    findings: [],
  });
  expect(text).toStartWith('NOT VERIFIED YET\n0 of 3 entries');
  expect(text).toContain('the whole log: not yet');
});
