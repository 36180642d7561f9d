import { expect, test } from 'bun:test';
import { toBase64 } from '@portarium/contracts/base64';
import { checkApproval } from './approval-check.ts';
import { REFUNDS, type SampleChanges, sampleApproval } from './testing/sample-approval.ts';

const OTHER = { ...REFUNDS, host: 'evil.example' };
const OTHER_CONTRACT = { plugin: [OTHER], operator: [OTHER], networks: [], approval: [] };

const check = async (changes: SampleChanges = {}) =>
  checkApproval(await sampleApproval(changes), 'acme');
const refusal = async (changes: SampleChanges) =>
  check(changes).then(
    () => 'nothing was refused',
    (error: Error) => error.message,
  );

test('the digest is computed here, over the statement', async () => {
  const approval = await sampleApproval();
  const checked = await checkApproval(approval, 'acme');
  expect(checked.digest).toBe(approval.digest);
  expect(checked.encoding).toBe('JSON');
});

test('an approval whose digest is not that of its statement is refused', async () => {
  const other = await sampleApproval({ statement: { policyVersion: 2 } });
  const text = await refusal({ approval: { digest: other.digest } });
  expect(text).toContain('the approval digest is shown as');
  expect(text).toContain('Nothing was decided');
});

test('an input other than the one that the statement names is refused, also one that only looks alike', async () => {
  for (const shown of [
    { charge: 'ch_1', amount: 4000 },
    { charge: 'ch_1\u200b', amount: 40 },
    40,
  ]) {
    expect(await refusal({ request: { input: shown } })).toContain(
      'the input shown is not the one',
    );
  }
  expect(await check({ request: { input: { amount: 40, charge: 'ch_1' } } })).toBeDefined();
});

test('text and bytes are recognised by their digest', async () => {
  const bytes = new TextEncoder().encode('a,b\n1,2');
  expect((await check({ input: 'a,b\n1,2', inputBytes: bytes })).encoding).toBe('text');
  const encoded = await check({ input: toBase64(bytes), inputBytes: bytes });
  expect(encoded.encoding).toBe('base64 of bytes');
  expect((await check({ input: 'a' })).encoding).toBe('JSON');
});

test('what is shown beside the statement has to agree with it, and everything that differs is named', async () => {
  const credential = { slot: 'stripe', id: 'cred_2', name: 's', host: 'h', kind: 'b', version: 2 };
  const cases: [SampleChanges, string][] = [
    [{ statement: { workspace: 'other' as never } }, 'workspace'],
    [{ approval: { action: 'act_2' } }, 'action'],
    [
      { request: { plugin: { name: 'p', version: '1', digest: `sha256:${'d'.repeat(64)}` } } },
      'plugin',
    ],
    [{ request: { operation: 'listRefunds' } }, 'operation'],
    [{ request: { effect: 'read' } }, 'effect'],
    [{ request: { credentials: [] } }, 'credentials'],
    [{ request: { credentials: [credential] } }, 'credentials'],
    [{ request: { limits: { wallMs: 1 } } }, 'limits'],
    [{ request: { contract: OTHER_CONTRACT } }, 'contract'],
    [{ approval: { request: undefined } }, 'does not hold what would be sent'],
  ];
  for (const [changes, named] of cases) expect(await refusal(changes)).toContain(named);
  const both = await refusal({ request: { effect: 'read', operation: 'listRefunds' } });
  expect(both).toContain('effect');
  expect(both).toContain('operation');
});

test('the calls are read out of the contract, whatever the Control Plane says that they are', async () => {
  const { calls } = await check({ request: { calls: [{ rule: 'harmless' }] } });
  expect(calls.map(({ rule, host }) => [rule, host])).toEqual([
    ['create-refund', 'api.stripe.com'],
  ]);
});
