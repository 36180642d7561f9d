import { expect, test } from 'bun:test';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Effect } from '@portarium/contracts/life-cycle';
import { ManifestSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';
import type { PolicyQuestion } from '../../application/ports/outside.ts';
import { effectiveTier, initialState } from '../../domain/initial-state.ts';
import { STARTER_POLICY } from '../../domain/starter-policy.ts';
import { createCedarEngine } from './cedar.ts';

let version = 0;
function ask(
  text: string,
  effect: Effect = 'read',
  attributes: Record<string, unknown> = {},
  dryRun = false,
) {
  version += 1;
  const manifest = v.parse(ManifestSchema, {
    schema: 1,
    name: 'pay',
    version: '1.0.0',
    operations: [
      {
        name: 'pay',
        export: 'pay',
        effect,
        input: {
          type: 'object',
          properties: {
            amount: { type: 'integer', 'x-policy': true },
            to: { type: 'string', 'x-policy': true },
            memo: { type: 'string' },
          },
        },
      },
    ],
  });
  const question: PolicyQuestion = {
    workspace: 'local' as WorkspaceId,
    policy: { id: `pol_${version}` as PolicyQuestion['policy']['id'], version, text },
    dryRun,
    principal: { id: 'key_1', owner: 'ada', role: 'agent' },
    plugin: {
      name: 'pay',
      manifestDigest: `sha256:${version.toString(16).padStart(64, '0')}`,
      manifest,
    },
    operation: { name: 'pay', effect },
    hosts: ['api.example.com'],
    attributes,
  };
  return createCedarEngine().decide(question);
}

test('the starter policy lets reads run, sends writes to approval and destruction to a person', () => {
  const tiers = (['read', 'write', 'destructive'] as const).map((effect) => {
    const decision = ask(STARTER_POLICY, effect);
    return decision.decision === 'allow' ? decision.tier : decision.reasons;
  });
  expect(tiers).toEqual(['auto', 'human-approve', 'manual-only']);
});

test('the strictest tier of several permits holds, and a forbid wins', () => {
  const permit = (id: string, tier: string) =>
    `@id("${id}") @tier("${tier}") permit (principal, action, resource);`;
  expect(ask(permit('a', 'auto') + permit('b', 'human-approve'))).toMatchObject({
    decision: 'allow',
    tier: 'human-approve',
    policies: ['a', 'b'],
  });
  expect(
    ask(
      `${permit('a', 'auto')} @id("f") forbid (principal, action, resource) when { principal.owner == "ada" };`,
    ),
  ).toMatchObject({ decision: 'deny', policies: ['f'] });
});

test('no matching policy, no valid tier, a broken policy and one that errs all deny', () => {
  expect(ask('').decision).toBe('deny');
  expect(ask('@id("a") permit (principal, action, resource);').reasons[0]).toContain('@tier');
  expect(ask('@id("a") @tier("sometimes") permit (principal, action, resource);').decision).toBe(
    'deny',
  );
  expect(ask('@tier("auto") permit (principal, action, resource);').reasons[0]).toContain('@id');
  expect(ask('permit (principal').decision).toBe('deny');
  const errs =
    '@id("a") @tier("auto") permit (principal, action, resource); @id("e") forbid (principal, action, resource) when { context.input.amount > 5 };';
  expect(ask(errs, 'read', {}).decision).toBe('deny');
});

test('a policy can tell a dry run from a run, and forbid it', () => {
  const text =
    '@id("a") @tier("auto") permit (principal, action, resource); @id("dry") forbid (principal, action, resource) when { context.dryRun };';
  expect(ask(text).decision).toBe('allow');
  expect(ask(text, 'read', {}, true)).toMatchObject({ decision: 'deny', policies: ['dry'] });
});

test('only attributes marked x-policy reach a policy, and an entity literal among them denies', () => {
  const small =
    '@id("small") @tier("auto") permit (principal, action, resource) when { context.input has amount && context.input.amount < 100 };';
  expect(ask(small, 'read', { amount: 5 }).decision).toBe('allow');
  expect(ask(small, 'read', { amount: 500 }).decision).toBe('deny');
  expect(ask(small, 'read', { amount: 5, memo: 'not declared' }).decision).toBe('deny');
  expect(
    ask(small, 'read', { amount: { __entity: { type: 'Principal', id: 'root' } } }).decision,
  ).toBe('deny');
  expect(ask(small, 'read', { amount: null }).decision).toBe('deny');
  expect(ask(small, 'read', { amount: 1.5 }).decision).toBe('deny');
});

test('the platform floor makes a loose workspace policy stricter', () => {
  expect(effectiveTier('write', 'auto')).toBe('assisted');
  expect(effectiveTier('destructive', 'auto')).toBe('human-approve');
  expect(effectiveTier('read', 'auto')).toBe('auto');
  expect(initialState('human-approve')).toBe('waiting-approval');
  expect(initialState('manual-only')).toBe('waiting-manual');
});
