import { expect, test } from 'bun:test';
import type { VerifyReport } from '@portarium/contracts/verify-report';
import { verifyText } from './verify-text.ts';

const REPORT: VerifyReport = {
  verdict: 'verified',
  exitCode: 0,
  entries: 44,
  unsigned: 2,
  checkpoint: { origin: 'local/acme', size: 42 },
  signedBy: 'local+2ced077b',
  findings: [],
  actions: 9,
  openActions: 1,
  partialActions: 0,
  told: {
    actions: { 'action.succeeded': 7, 'policy.decided': 1, open: 1 },
    people: 2,
    attempts: 8,
    writes: { answered: 3, 'not sent': 0, sent: 0, denied: 1, withheld: 0 },
  },
  artifacts: { included: 3, omitted: 1, disposed: 0 },
  signedVersions: 0,
  modules: 1,
};

test('a verified bundle names log, signer and what is not covered', () => {
  const text = verifyText('acme.tar', REPORT);
  expect(text.split('\n')[0]).toBe('VERIFIED  acme.tar');
  expect(text).toContain('local/acme, 44 entries');
  expect(text).toContain('up to entry 41, by local+2ced077b');
  expect(text).toContain('2 entries are beyond the last checkpoint');
});

test('a falsified bundle names entry and rule', () => {
  const findings = [{ rule: 'log.leaf', message: 'its bytes were changed', seq: 7 }];
  const text = verifyText('b.tar', { ...REPORT, verdict: 'falsified', exitCode: 1, findings });
  expect(text).toContain('FALSIFIED  b.tar');
  expect(text).toContain('entry 7  log.leaf  its bytes were changed');
});

test('only a bundle without unsigned entries is told to be all of it', () => {
  expect(verifyText('b.tar', REPORT)).toContain('The 2 behind them are not signed');
  const text = verifyText('b.tar', { ...REPORT, entries: 42, unsigned: 0 });
  expect(text).toContain('none up to the checkpoint is missing');
  const action = verifyText('b.tar', { ...REPORT, entries: 9, unsigned: 0 });
  expect(action).toContain('none of this action is missing');
  expect(action).not.toContain('none up to the checkpoint');
});

test('an incomplete bundle is not called verified, and says what is missing', () => {
  const findings = [{ rule: 'story.open', message: 'export again once it has ended' }];
  const text = verifyText('b.tar', { ...REPORT, verdict: 'incomplete', exitCode: 1, findings });
  expect(text).toContain('INCOMPLETE, NOT VERIFIED  b.tar');
  expect(text).toContain('story.open  export again once it has ended');
  expect(text).not.toContain('in full');
});

test('without a pin it never says verified', () => {
  const text = verifyText('b.tar', { ...REPORT, verdict: 'unpinned', exitCode: 3 });
  expect(text).toContain('CONSISTENT, NOT VERIFIED');
  expect(text).toContain('--pin');
});

test('an unreadable file gets no figures', () => {
  const findings = [{ rule: 'bundle.tar', message: 'truncated' }];
  const text = verifyText('b.tar', { ...REPORT, verdict: 'unreadable', exitCode: 2, findings });
  expect(text).not.toContain('entries');
  expect(text).toContain('bundle  bundle.tar  truncated');
});

test('an auditor reads what happened and what left, in sums and action by action', () => {
  const story = {
    ...{ action: 'act_1', from: 3, to: 11, attempts: 1, ended: 'action.succeeded' },
    asked: {
      ...{ at: '2026-01-01T00:00:00.000Z', by: 'agent key_1', plugin: 'refunds@1.0.0' },
      ...{ operation: 'createRefund', effect: 'write' },
    },
    policy: 'allow, human-approve',
    approvedBy: ['ada', 'eve\u202e'],
    writes: [
      {
        ...{ method: 'POST', host: 'api.example.com', path: '/v1/refunds' },
        ...({ state: 'answered', status: 201, credential: 'cred_1' } as const),
      },
    ],
  };
  const text = verifyText('b.tar', { ...REPORT, stories: [story] });
  expect(text).toContain('9: 7 succeeded, 1 denied by policy, 1 not ended');
  expect(text).toContain('3 writes were sent and answered, 1 calls denied');
  expect(text).toContain('createRefund of refunds@1.0.0 (write), by agent key_1');
  expect(text).toContain('ada, eve\\u202e');
  expect(text).toContain('POST api.example.com/v1/refunds: answered with 201, with cred_1');
});

test('a verified bundle says what is not proved, which depends on what it was compared with', () => {
  const text = verifyText('b.tar', { ...REPORT, entries: 42, unsigned: 0 });
  expect(text).toContain('Not proved:');
  expect(text).toContain('--since FILE');
  const compared = verifyText('b.tar', REPORT, { since: true, publishers: true });
  expect(compared).not.toContain('--since');
  expect(compared).not.toContain('--publisher');
});

test('a range says which entries it is, and that actions may have begun before it', () => {
  const range = { range: { from: 256, to: 511 }, partialActions: 2 };
  const text = verifyText('b.tar', { ...REPORT, entries: 256, unsigned: 0, ...range });
  expect(text).toContain('entries 256 to 511');
  expect(text).toContain('2 told in part: they began before');
  expect(text).toContain('Every action that begins here');
});
