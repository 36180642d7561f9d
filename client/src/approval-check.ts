/**
 * What an approver's own machine makes sure of before anything is decided: that the approval digest
 * is that of the statement, and that the statement is about what the Control Plane shows.
 */

import { type AllowedCall, allowedCalls } from '@portarium/contracts/allowed-calls';
import { approvalDigest } from '@portarium/contracts/approval-statement';
import { canonicalText } from '@portarium/contracts/canonical-json';
import { type Digest, digestOfJson } from '@portarium/contracts/digest';
import { contractStatement } from '@portarium/contracts/egress-rule';
import type { Approval, ApprovalRequest } from './approval-answers.ts';
import { encodingOf, type InputEncoding } from './exact-input.ts';

export interface CheckedApproval {
  readonly approval: Approval;
  readonly request: ApprovalRequest;
  /** Computed here. */
  readonly digest: Digest;
  readonly encoding: InputEncoding;
  /** As this machine reads them out of the contract that the statement names. */
  readonly calls: readonly AllowedCall[];
}

/** @throws Error that names what does not agree */
export async function checkApproval(
  approval: Approval,
  workspace: string,
): Promise<CheckedApproval> {
  const { statement, request } = approval;
  const digest = await approvalDigest(statement);
  if (request === undefined) throw mismatch(['the answer does not hold what would be sent']);
  const encoding = await encodingOf(request.input, statement.inputDigest);
  const differing = [
    differs('approval digest', approval.digest, digest),
    differs('workspace', workspace, statement.workspace),
    differs('action', approval.action, statement.action),
    differs('plugin', request.plugin.digest, statement.plugin),
    differs('operation', request.operation, statement.operation),
    differs('effect', request.effect, statement.effect),
    differs('credentials', slots(request.credentials), slots(statement.credentials)),
    differs('limits', canonicalText(request.limits), canonicalText(statement.limits)),
    differs('contract', await contractDigest(request.contract), statement.contractDigest),
    ...(encoding === undefined ? ['the input shown is not the one that the statement names'] : []),
  ].filter((problem) => problem !== undefined);
  if (encoding === undefined || differing.length > 0) throw mismatch(differing);
  const calls = allowedCalls(request.contract, statement.effect);
  return { approval, request, digest, encoding, calls };
}

/** @returns the digest of the approval once it is narrowed to `rules`, and what would be left of its calls */
export async function narrowedTo(
  { approval, request }: CheckedApproval,
  rules: ApprovalRequest['contract']['approval'],
): Promise<Pick<CheckedApproval, 'digest' | 'calls'>> {
  const contract = { ...request.contract, approval: rules };
  const { statement } = approval;
  const narrowed = { ...statement, contractDigest: await contractDigest(contract) };
  return {
    digest: await approvalDigest(narrowed),
    calls: allowedCalls(contract, statement.effect),
  };
}

function contractDigest(contract: ApprovalRequest['contract']): Promise<Digest> {
  return digestOfJson(contractStatement(contract));
}

export function mismatch(problems: readonly string[]): Error {
  return new Error(
    `What is shown is not what would be approved: ${problems.join('; ')}. Nothing was decided. Tell whoever runs this Control Plane.`,
  );
}

export function differs(what: string, shown: string, stated: string): string | undefined {
  return shown === stated ? undefined : `the ${what} is shown as ${shown} and stated as ${stated}`;
}

function slots(credentials: ReadonlyArray<{ slot: string; id: string; version: number }>): string {
  const names = credentials.map(({ slot, id, version }) => `${slot}=${id} version ${version}`);
  return names.toSorted().join(', ') || '(none)';
}
