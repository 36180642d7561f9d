import { expect, test } from 'bun:test';
import { checkApproval } from '@portarium/client/approval-check';
import {
  PLUGIN_DIGEST,
  REFUNDS,
  type SampleChanges,
  sampleApproval,
} from '@portarium/client/testing/sample-approval';
import { approvalText } from './approval-text.ts';

const text = async (changes: SampleChanges = {}) =>
  approvalText(await checkApproval(await sampleApproval(changes), 'acme'));

test('an approver sees input, calls, credentials, limits, times and who asked, and the digest', async () => {
  const shown = await text();
  for (const part of [
    'createRefund (write)',
    `stripe-refunds@1.1.0  ${PLUGIN_DIGEST}`,
    'ada, with key_',
    '  │   "amount": 40,\n  │   "charge": "ch_1"',
    'create-refund  POST https://api.stripe.com:443/v1/refunds',
    'query: (none); headers: accept, content-type; body: application/x-www-form-urlencoded; credential: stripe; at most 1 call(s)',
    'the same idempotency-key, which is remembered for 24 h',
    'bearer, sent to api.stripe.com only',
    'version 2',
    '(none: public addresses only)',
    'wallMs=10000 memoryMiB=32',
    '2026-01-02T00:00:00.000Z',
    '2026-01-02T01:00:00.000Z',
    '0 of 1 person',
    'admin, approver',
    (await sampleApproval()).digest,
  ]) {
    expect(shown).toContain(part);
  }
  expect(shown).not.toContain('\\u');
});

test('an approver sees where each kind of credential goes', async () => {
  const { statement } = await sampleApproval();
  const id = statement.credentials[0]?.id ?? '';
  const one = { slot: 'stripe', id, name: 'stripe', host: 'api.stripe.com', version: 2 };
  for (const [place, said] of [
    [{ kind: 'basic', username: 'ada' }, 'basic as ada, sent to api.stripe.com only'],
    [{ kind: 'header', header: 'x-api-key' }, 'header x-api-key, sent to api.stripe.com only'],
    [{ kind: 'query', parameter: 'key' }, 'query parameter key, sent to api.stripe.com only'],
  ] as const) {
    expect(await text({ request: { credentials: [{ ...one, ...place }] } })).toContain(said);
  }
});

test('the newest dry run of an approval is shown with what it would have sent', async () => {
  expect(await text()).toMatch(/It was not run dry: portarium action dry-run apr_\S+ shows/);
  const dryRun = {
    ...{ action: 'act_9', state: 'failed', createdAt: '2026-01-01T00:00:00.000Z' },
    error: { code: 'dry-run.unanswered', message: 'no example' },
    writes: [{ call: 0, method: 'POST', url: 'https://api.stripe.com/v1/refunds', headers: [] }],
  };
  const shown = await text({ approval: { dryRun } });
  expect(shown).toContain('Its dry run, act_9: failed.\nIt would send:');
  expect(shown).toContain('is not known: dry-run.unanswered: no example\nIts calls:');
  expect(shown).toMatch(/networks opened.+Its dry run.+Approval digest/s);
  expect(shown).toContain(
    '  POST https://api.stripe.com/v1/refunds\n      no credential; no example',
  );
});

test('a dry run that goes on is not told as one that sends nothing', async () => {
  const dryRun = { action: 'act_9', state: 'dispatched', createdAt: '2026-01-01T00:00:00.000Z' };
  const shown = await text({ approval: { dryRun: { ...dryRun, writes: [] } } });
  expect(shown).toContain('It is not over; its calls: portarium action journal act_9');
  expect(shown).not.toContain('no write.');
});

test('a write without an idempotency key says what a lost answer means, and a read says nothing', async () => {
  const { idempotency: _keyed, ...unkeyed } = REFUNDS;
  expect(await text({ rules: [unkeyed] })).toContain('never sent again');
  expect(await text({ rules: [{ ...unkeyed, methods: ['GET'] }] })).not.toContain('sent again');
});

test('a large input is shown in full', async () => {
  const input = { rows: Array.from({ length: 5_000 }, (_, i) => `row ${i}`) };
  const shown = await text({ input });
  for (const row of ['"row 0"', '"row 2500"', '"row 4999"']) expect(shown).toContain(row);
});

test('nothing in an input, a name or a rationale can hide, move the cursor or pass for our own lines', async () => {
  const hostile = 'a\u001b[2J\u009b31m\u202e\u200b\u00ad\u{e0041}\u00a0z\rb';
  const decision = {
    person: 'eve\nApproval digest',
    decision: 'approve',
    rationale: hostile,
    at: '2026-01-01T00:00:00.000Z',
  };
  const shown = await text({
    input: { [hostile]: hostile },
    request: { requestedBy: { key: 'k', owner: hostile } },
    approval: { decisions: [decision] },
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  expect(shown).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u00a0\u00ad\u200b\u202e]/);
  expect(shown).not.toContain('\u{e0041}');
  expect(shown).toContain(
    String.raw`"a\u001b[2J\u009b31m\u202e\u200b\u00ad\udb40\udc41\u00a0z\rb"`,
  );
  expect(shown).toContain('stand for a character that would not show');
  expect(shown).toContain(String.raw`eve\nApproval digest`);
});

test('each line of a text input is marked, so that it can not pass for what is beside it', async () => {
  const input = 'a\nApproval digest, computed here: sha256:0';
  const inputBytes = new TextEncoder().encode(input);
  const shown = await text({ input, inputBytes });
  expect(shown).toContain('  │ a\n  │ Approval digest');
  expect(shown.match(/^Approval digest/gm)).toHaveLength(1);
});

test('the difference from the last approved input is told line by line', async () => {
  const lastApproved = { action: 'act_0', input: { charge: 'ch_1', amount: 20 } };
  const shown = await text({ request: { lastApproved } });
  expect(shown).toContain('Difference from the last input that was approved (act_0)');
  expect(shown).toContain('  │ -   "amount": 20,\n  │ +   "amount": 40,\n  │     "charge": "ch_1"');
  const same = { action: 'act_0', input: { amount: 40, charge: 'ch_1' } };
  expect(await text({ request: { lastApproved: same } })).toContain('was the same');
  expect(await text()).toContain('No input of this operation was approved and run before');
});

test('decisions so far are counted and told with their reasons', async () => {
  const at = '2026-01-01T00:00:00.000Z';
  const decisions = [{ person: 'bob', decision: 'approve', rationale: 'fine', at }];
  const shown = await text({ approval: { quorum: 2, decisions } });
  expect(shown).toContain('1 of 2 people');
  expect(shown).toContain(`${at}  bob  approve: fine`);
});

test('what an action takes the place of is shown with its state and the difference', async () => {
  const replaces = { action: 'act_0', state: 'denied', input: { charge: 'ch_1', amount: 20 } };
  const shown = await text({ request: { replaces } });
  expect(shown).toContain('It takes the place of act_0, which is denied.');
  expect(shown).toContain('- "amount": 20'.replace('- ', '-   '));
});
