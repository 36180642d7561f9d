import { expect, test } from 'bun:test';
import { ActionSchema } from '@portarium/client/answers';
import * as v from 'valibot';
import { actionText, nextStep } from './show-action.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const action = (changes: object) =>
  v.parse(ActionSchema, {
    ...{ id: 'act_1', state: 'succeeded', tier: 'human-approve', operation: 'createRefund' },
    plugin: { name: 'p', version: '1.0.0', digest },
    ...{ inputDigest: digest, attempts: 0, createdAt: '2026-01-01T00:00:00.000Z' },
    evidence: { from: 1, to: 3 },
    ...changes,
  });
const approval = (state: string) => ({
  ...{ id: 'apr_1', state, digest, quorum: 2, given: 1 },
  decideBefore: '2026-01-02T00:00:00.000Z',
  executeBefore: '2026-01-02T01:00:00.000Z',
});

test('an action that waits names its approval, how far it is, and how to approve it', () => {
  const waiting = action({ state: 'waiting-approval', approval: approval('open') });
  expect(actionText(waiting)).toContain(
    'apr_1 open, 1 of 2 has agreed, to be decided before 2026-01-02T00:00:00.000Z',
  );
  expect(nextStep(waiting)).toContain('portarium approve act_1');
  expect(nextStep(waiting)).toContain('apr_1');
  const granted = action({ state: 'dispatched', approval: approval('granted') });
  expect(actionText(granted)).toContain('for a start before 2026-01-02T01:00:00.000Z');
  expect(nextStep(granted)).toContain('action tail');
});

test('an error comes with what to do about it', () => {
  const error = { code: 'outcome.unknown', message: 'x\u001b[2J' };
  const unknown = action({ state: 'outcome-unknown', error });
  expect(actionText(unknown)).toContain('outcome.unknown: x[2J');
  expect(actionText(unknown)).toContain('See in the system whether it happened');
  expect(nextStep(unknown)).toContain('action resolve act_1');
  expect(actionText(action({ state: 'failed', error }))).not.toContain('hint');
  const newer = action({ state: 'failed', error: { code: 'constructor', message: 'm' } });
  expect(actionText(newer)).not.toContain('hint');
});

test('a dry run says so, and shows what it would have sent with nothing hidden in it', () => {
  const write = {
    ...{
      call: 0,
      rule: 'refunds',
      method: 'POST',
      url: 'https://a.test/x',
      credential: 'cred_1',
      slot: 'pay',
    },
    headers: [['content-type', 'text/plain']],
    body: { digest, bytes: 9, text: 'a\n\u202eb\u001b[2J' },
  };
  const shown = actionText(action({ dryRun: true, dryRunOf: 'act_0', writes: [write] }));
  for (const part of [
    'of act_0; no write of it has left',
    '  POST https://a.test/x\n      rule refunds; with credential pay (cred_1); no example answers it',
    '      content-type: text/plain',
    '      body (9 bytes):\n      │ a\n      │ \\u202eb\\u001b[2J',
  ]) {
    expect(shown).toContain(part);
  }
  const binary = { ...write, body: { digest, bytes: 3, base64: '/w==', cut: true }, status: 200 };
  const other = actionText(action({ dryRun: true, writes: [binary] }));
  expect(other).toContain('body (3 bytes, not text: base64, the first of them):\n      │ /w==');
  expect(other).toContain('answered by an example with 200');
  expect(actionText(action({ dryRun: true, writes: [] }))).toContain('It would send no write.');
  expect(actionText(action({}))).not.toContain('would send');
});

test('a dry run that failed does not say that it would send nothing', () => {
  const error = { code: 'egress.denied', message: 'POST a.test:443 — no rule\u001b[2J' };
  const failed = action({ state: 'failed', dryRun: true, error, writes: [] });
  expect(actionText(failed)).toContain(
    'It ended before a write could be recorded: egress.denied: POST a.test:443 — no rule\\u001b[2J\nIts calls: portarium action journal act_1',
  );
  expect(actionText(failed)).not.toContain('no write.');
  const call = {
    ...{ call: 0, method: 'POST', scheme: 'https', host: 'a.test', port: 443, path: '/x' },
    ...{ requestDigest: digest, verdict: 'failed', reason: 'a.test has no address' },
    ...{ bytesOut: 0, bytesIn: 0, ms: 3, attempt: 'att_1' },
  } as const;
  expect(actionText(failed, [call as never])).toContain(
    'could be recorded: call 0  POST https://a.test:443/x  failed (a.test has no address), 3 ms',
  );
  const write = { call: 0, method: 'POST', url: 'https://a.test/x', headers: [] };
  const later = actionText(action({ state: 'failed', dryRun: true, error, writes: [write] }));
  expect(later).toContain('Then it ended, so what would follow is not known: egress.denied');
});

test('the output of a dry run is not taken for that of a run', () => {
  const write = { call: 0, method: 'POST', url: 'https://a.test/x', headers: [], status: 200 };
  const output = { number: 3 };
  const made = /^Output, made from example answers .*createRefund in plugin.json.*\n\{/m;
  expect(actionText(action({ dryRun: true, writes: [write], output }))).toMatch(made);
  expect(actionText(action({ output }))).not.toContain('example');
});

test('nothing is left to do once it is over', () => {
  expect(nextStep(action({}))).toBeUndefined();
  expect(nextStep(action({ state: 'denied', tier: null }))).toBeUndefined();
  expect(nextStep(action({ state: 'changes-requested' }))).toContain('--replaces act_1');
});
