import { expect, test } from 'bun:test';
import { ENTRY_DATA_SCHEMAS, entryDataProblem } from './entry-data.ts';
import { ENTRY_TYPES, type EntryType, endsAction, entryHash } from './evidence-entry.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test('an entry’s hash is the leaf hash of RFC 6962, not the plain SHA-256', async () => {
  expect((await entryHash(new Uint8Array())) as string).toBe(
    'sha256:6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  );
});

test('every entry type about an action says what its data holds', () => {
  const about = ENTRY_TYPES.filter((type) =>
    /^(action|approval|attempt)\.|^policy\.decided$/.test(type),
  );
  expect(about.filter((type) => !(type in ENTRY_DATA_SCHEMAS))).toEqual([]);
});

const person = { by: 'person-1', rationale: 'looked' };
const approval = { approvalDigest: digest, quorum: 1 };
const decided = { policyVersion: 1, policies: [], reasons: [] };

test('an entry that ends an action counts its entries; of approvals and denials older ones do not', () => {
  const ends: readonly [EntryType, object, boolean][] = [
    ['action.succeeded', {}, true],
    ['action.failed', {}, true],
    ['action.cancelled', {}, true],
    ['action.resolved', { outcome: 'succeeded', ...person }, true],
    ['action.resolved', { outcome: 'failed', ...person }, true],
    ['approval.denied', approval, false],
    ['approval.expired', approval, false],
    ['approval.changes-requested', approval, false],
    ['policy.decided', { decision: 'deny', ...decided }, false],
  ];
  for (const [type, data, always] of ends) {
    const problem = (more: object) => entryDataProblem(type, { ...data, ...more });
    expect(endsAction(type, { ...data }), type).toBe(true);
    expect(problem({ entries: 4 }), type).toBeUndefined();
    expect(problem({}) === undefined, type).toBe(!always);
    expect(problem({ entries: 0 }), type).toContain('data.entries');
  }
});

test('an action goes on after a permission, an unknown outcome, and a person who has it sent again', () => {
  const goes: readonly [EntryType, Record<string, unknown>][] = [
    ['policy.decided', { decision: 'allow', tier: 'auto', ...decided }],
    ['approval.granted', approval],
    ['action.outcome-unknown', {}],
    ['action.resolved', { outcome: 'dispatched', ...person }],
  ];
  for (const [type, data] of goes) {
    expect(endsAction(type, data), type).toBe(false);
    expect(entryDataProblem(type, data), type).toBeUndefined();
  }
});

test('a person who resolves an action says what became of it, and why', () => {
  const problem = (data: object) => entryDataProblem('action.resolved', { entries: 4, ...data });
  expect(problem({ ...person })).toContain('data.outcome');
  expect(problem({ ...person, outcome: 'running' })).toContain('data.outcome');
  expect(problem({ outcome: 'failed', by: 'person-1' })).toContain('data.rationale');
  expect(problem({ outcome: 'failed', rationale: 'looked' })).toContain('data.by');
});

test('nothing has happened yet when a call is intended', () => {
  const call = {
    attempt: 'att_019b76da80007000800000000000aaaa',
    ...{ call: 0, method: 'POST', host: 'h', port: 443, path: '/', requestDigest: digest },
    ...{ bytesOut: 9, bytesIn: 0, ms: 0 },
  };
  const problem = (data: object) => entryDataProblem('egress.intended', { ...call, ...data });
  expect(problem({ idempotencyKeyed: true, resend: true })).toBeUndefined();
  expect(problem({ ms: 1 })).toContain('data.ms');
  expect(problem({ resend: false })).toContain('data.resend');
  expect(entryDataProblem('egress.answered', { ...call, ms: 1.5, sent: false })).toBeUndefined();
});

test('data of the wrong shape is named by its field', () => {
  expect(entryDataProblem('attempt.started', { attempt: 'x' })).toContain('data.attempt');
  expect(entryDataProblem('policy.decided', { decision: 'maybe' })).toContain('data.decision');
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
  expect(entryDataProblem('vault.rewrapped', { anything: 1 })).toBeUndefined();
});
