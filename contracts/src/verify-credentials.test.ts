import { expect, test } from 'bun:test';
import { readEntries, type Timed } from './testing/read-entries.ts';
import { checkCredentials } from './verify-credentials.ts';
import { Findings } from './verify-report.ts';

const ID = 'cred_019b76da80007000800000000000aaaa';
const OTHER = 'cred_019b76da80007000800000000000bbbb';
const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1_000).toISOString();
const told = (how: 'created' | 'rotated' | 'revoked', seconds: number, credential = ID): Timed => ({
  ...{ type: `credential.${how}` as const, subject: {}, time: at(seconds) },
  data: { credential, name: 'stripe', host: 'api.stripe.com' },
});
const used = (seconds: number, host = 'api.stripe.com', credential = ID): Timed => ({
  ...{ type: 'egress.intended', subject: {}, time: at(seconds) },
  data: { credential, host },
});

function found(...drafts: readonly Timed[]) {
  const findings = new Findings();
  checkCredentials(readEntries(drafts), findings);
  return findings.all().map(({ rule, seq }) => [rule, seq]);
}

test('a credential goes to the host that it was made for, while it is there', () => {
  expect(found(told('created', 0), used(1), told('rotated', 2), used(3))).toEqual([]);
  expect(found(told('created', 0), used(1, 'evil.example'))).toEqual([['credential.host', 1]]);
  const unknown = [told('created', 0), used(1, 'api.stripe.com', OTHER)];
  expect(found(...unknown)).toEqual([['credential.unknown', 1]]);
});

test('a credential that was revoked goes nowhere, as far as the log’s own delay lets anybody tell', () => {
  const start = [told('created', 0), told('revoked', 10)];
  expect(found(...start, used(14))).toEqual([]);
  expect(found(...start, used(16))).toEqual([['credential.revoked', 2]]);
});

test('a log from before credentials were evidence says nothing of them', () => {
  expect(found(used(1))).toEqual([]);
});
