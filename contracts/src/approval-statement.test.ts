import { expect, test } from 'bun:test';
import * as v from 'valibot';
import { ApprovalStatementSchema, approvalDigest } from './approval-statement.ts';
import { canonicalText } from './canonical-json.ts';
import { digestOf, digestOfJson } from './digest.ts';

const hex = (char: string) => `sha256:${char.repeat(64)}`;
const STATEMENT = {
  v: 1,
  workspace: 'acme',
  action: 'act_019b76da80007000800000000000aaaa',
  plugin: hex('a'),
  operation: 'createRefund',
  inputDigest: hex('b'),
  contractDigest: hex('c'),
  effect: 'write',
  credentials: [{ slot: 'stripe', id: 'cred_019b76da80007000800000000000bbbb', version: 3 }],
  limits: { wallMs: 5_000, memoryMiB: 32 },
  tier: 'human-approve',
  policyVersion: 7,
  executeBefore: '2026-11-23T10:00:00.000Z',
};
const parsed = v.parse(ApprovalStatementSchema, STATEMENT);

test('the digest is over the context and the canonical statement', async () => {
  const text = `portarium/approval/v1\n${canonicalText(STATEMENT)}`;
  expect(await approvalDigest(parsed)).toBe(await digestOf(new TextEncoder().encode(text)));
  expect(await approvalDigest(parsed)).not.toBe(await digestOfJson(STATEMENT));
});

test('a change of any field changes the digest', async () => {
  const changes: Partial<Record<keyof typeof STATEMENT, unknown>> = {
    workspace: 'other',
    action: 'act_019b76da80007000800000000000aaab',
    plugin: hex('0'),
    operation: 'x',
    inputDigest: hex('0'),
    contractDigest: hex('0'),
    effect: 'read',
    credentials: [],
    limits: {},
    tier: 'auto',
    policyVersion: 8,
    executeBefore: '2026-11-23T10:00:00.001Z',
  };
  const digests = new Set([await approvalDigest(parsed)]);
  for (const [field, value] of Object.entries(changes)) {
    digests.add(
      await approvalDigest(v.parse(ApprovalStatementSchema, { ...STATEMENT, [field]: value })),
    );
  }
  expect(digests.size).toBe(1 + Object.keys(changes).length);
  expect(Object.keys(STATEMENT)).toEqual(['v', ...Object.keys(changes)]);
});

test('unknown fields and other times are refused', () => {
  for (const change of [{ extra: 1 }, { executeBefore: '2026-11-23T10:00:00Z' }, { v: 2 }]) {
    expect(v.safeParse(ApprovalStatementSchema, { ...STATEMENT, ...change }).success).toBe(false);
  }
});
