import { expect, test } from 'bun:test';
import { ENTRY_DATA_SCHEMAS, entryDataProblem } from './entry-data.ts';
import { ENTRY_TYPES, entryHash, FINAL_ENTRY_TYPES } from './evidence-entry.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test('an entry’s hash is the leaf hash of RFC 6962, not the plain SHA-256', async () => {
  expect((await entryHash(new Uint8Array())) as string).toBe(
    'sha256:6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  );
});

test('every entry type about an action says what its data holds', () => {
  const about = ENTRY_TYPES.filter((type) =>
    /^(action|policy\.decided|approval|attempt)/.test(type),
  );
  expect(about.filter((type) => !(type in ENTRY_DATA_SCHEMAS))).toEqual([]);
});

test('an entry that ends an action counts its entries', () => {
  for (const type of FINAL_ENTRY_TYPES) {
    const problem = (data: object) => entryDataProblem(type as 'action.failed', { ...data });
    expect(problem({ entries: 4 })).toBeUndefined();
    expect(problem({})).toContain('data.entries');
    expect(problem({ entries: 0 })).toContain('data.entries');
  }
});

test('data of the wrong shape is named by its field', () => {
  expect(entryDataProblem('attempt.started', { attempt: 'x' })).toContain('data.attempt');
  expect(entryDataProblem('policy.decided', { decision: 'maybe' })).toContain('data.decision');
  const approval = { approvalDigest: digest, quorum: 1 };
  expect(entryDataProblem('approval.granted', approval)).toBeUndefined();
  expect(entryDataProblem('approval.granted', { ...approval, approvalDigest: 'x' })).toContain(
    'data.approvalDigest',
  );
});

test('only a lost attempt may finish without usage and journal', () => {
  const attempt = 'att_019b76da80007000800000000000aaaa';
  const problem = (data: object) => entryDataProblem('attempt.finished', { attempt, ...data });
  expect(problem({ verdict: 'lost' })).toBeUndefined();
  expect(problem({ verdict: 'failed' })).toBeDefined();
  expect(
    problem({ verdict: 'failed', usage: { wallMs: 1 }, journalDigest: digest }),
  ).toBeUndefined();
  expect(problem({ verdict: 'won', usage: {}, journalDigest: digest })).toContain('data.verdict');
});

test('types without documented data take any object', () => {
  expect(entryDataProblem('migration.applied', { anything: 1 })).toBeUndefined();
});
