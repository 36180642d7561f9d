/** An approval as an honest Control Plane would show it, for tests to change. */

import { allowedCalls } from '@portarium/contracts/allowed-calls';
import { type ApprovalStatement, approvalDigest } from '@portarium/contracts/approval-statement';
import { canonicalBytes } from '@portarium/contracts/canonical-json';
import { type Digest, digestOf, digestOfJson } from '@portarium/contracts/digest';
import { contractStatement, type EgressRule } from '@portarium/contracts/egress-rule';
import * as v from 'valibot';
import { type Approval, type ApprovalRequest, ApprovalSchema } from '../approval-answers.ts';

const ID = '019b76da80007000800000000000aaaa';
export const PLUGIN_DIGEST: Digest = `sha256:${'b'.repeat(64)}`;

export const REFUNDS: EgressRule = {
  id: 'create-refund',
  methods: ['POST'],
  scheme: 'https',
  host: 'api.stripe.com',
  port: 443,
  path: '/v1/refunds',
  headers: ['accept', 'content-type'],
  contentTypes: ['application/x-www-form-urlencoded'],
  credential: 'stripe',
  idempotency: { header: 'Idempotency-Key', retentionHours: 24 },
  maxCalls: 1,
};

export interface SampleChanges {
  readonly input?: unknown;
  /** Of the exact bytes; those of the canonical JSON of `input` when left out. */
  readonly inputBytes?: Uint8Array;
  /** The plugin's rules and the operator's alike; one that makes refunds when left out. */
  readonly rules?: readonly EgressRule[];
  readonly statement?: Partial<ApprovalStatement>;
  readonly request?: Partial<ApprovalRequest>;
  readonly approval?: Partial<Approval>;
}

export async function sampleApproval(changes: SampleChanges = {}): Promise<Approval> {
  const input = changes.input ?? { charge: 'ch_1', amount: 40 };
  const rules = [...(changes.rules ?? [REFUNDS])];
  const contract = { plugin: rules, operator: rules, networks: [], approval: [] };
  const statement = {
    ...{ v: 1, workspace: 'acme', action: `act_${ID}`, plugin: PLUGIN_DIGEST },
    ...{ operation: 'createRefund', effect: 'write', tier: 'human-approve', policyVersion: 1 },
    inputDigest: await digestOf(changes.inputBytes ?? canonicalBytes(input)),
    contractDigest: await digestOfJson(contractStatement(contract)),
    credentials: [{ slot: 'stripe', id: `cred_${ID}`, version: 2 }],
    limits: { wallMs: 10_000, memoryMiB: 32 },
    executeBefore: '2026-01-02T01:00:00.000Z',
    ...changes.statement,
  } as ApprovalStatement;
  const credential = { slot: 'stripe', id: `cred_${ID}`, name: 'stripe', kind: 'bearer' };
  const request = {
    plugin: { name: 'stripe-refunds', version: '1.1.0', digest: PLUGIN_DIGEST, description: '' },
    ...{ operation: statement.operation, effect: statement.effect, input, networks: [] },
    requestedBy: { key: `key_${ID}`, owner: 'ada' },
    contract,
    calls: allowedCalls(contract, 'write'),
    credentials: [{ ...credential, host: 'api.stripe.com', version: 2 }],
    limits: statement.limits,
    ...changes.request,
  };
  return v.parse(ApprovalSchema, {
    ...{ id: `apr_${ID}`, action: statement.action, state: 'open', quorum: 1 },
    digest: await approvalDigest(statement),
    statement,
    roles: ['admin', 'approver'],
    excluded: ['ada'],
    decisions: [],
    createdAt: '2026-01-01T00:00:00.000Z',
    decideBefore: '2026-01-02T00:00:00.000Z',
    request,
    ...changes.approval,
  });
}
