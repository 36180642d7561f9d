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
