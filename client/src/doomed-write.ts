/**
 * Why an action may fail although people approved it, as far as its approval and the list of
 * credentials tell. Advice for whoever decides: the Control Plane and the broker judge by themselves.
 */

import type { AllowedCall } from '@portarium/contracts/allowed-calls';
import { hostMatches, shownRule } from '@portarium/contracts/egress-rule';
import { isClosedHost, isLoopbackHost, networkOf } from '@portarium/contracts/network';
import type { Credential } from './answers.ts';
import type { ApprovalRequest } from './approval-answers.ts';
import type { CheckedApproval } from './approval-check.ts';
import { visibleLine } from './visible-text.ts';

type Slot = ApprovalRequest['credentials'][number];

/**
 * Sentences, each with what to do; made safe to show.
 * @param credentials of the workspace, when they could be listed
 */
export function doomsOf(
  { request, calls }: Pick<CheckedApproval, 'request' | 'calls'>,
  credentials?: readonly Credential[],
): readonly string[] {
  const { plugin, contract } = request;
  const grant = `portarium plugin grant ${plugin.name}`;
  if (calls.length === 0 && contract.plugin.length > 0) {
    return [visibleLine(`None of the calls that it asks for is granted: ${grant} --own`)];
  }
  const found = calls.flatMap((call) => {
    const opened = [...contract.networks, networkOf(call.host)].join(' ');
    const closed = isClosedHost(call.host, contract.networks)
      ? `the network of ${call.host} is closed: ${grant} --network ${opened}`
      : undefined;
    const problems = [closed, credentialProblem(call, request.credentials, credentials)];
    return problems
      .filter((problem) => problem !== undefined)
      .map((problem) =>
        visibleLine(`Calls by rule ${shownRule(call.rule)} would fail: ${problem}`),
      );
  });
  return [...new Set(found)];
}

/** The same checks as where the Control Plane opens a credential. */
function credentialProblem(
  { credential: slot, host, scheme }: AllowedCall,
  filled: readonly Slot[],
  credentials: readonly Credential[] | undefined,
): string | undefined {
  if (slot === undefined) return undefined;
  const used = filled.find((one) => one.slot === slot);
  if (!used) {
    return `there was no credential ${slot} when it was asked for: portarium credential create ${slot} --host ${host}`;
  }
  if (!hostMatches(host, used.host)) {
    return `the credential ${slot} is bound to ${used.host}, not to ${host}: revoke it, and create it for that host (portarium credential revoke|create ${slot})`;
  }
  if (used.slotKind !== undefined && used.slotKind !== used.kind) {
    return `the plugin asks for a credential ${slot} of kind ${used.slotKind}, and the workspace’s is of kind ${used.kind}: revoke it, and create one of that kind (portarium credential revoke|create ${slot})`;
  }
  if (scheme !== 'https' && !isLoopbackHost(host)) {
    return `the credential ${slot} goes over https only`;
  }
  const now = credentials?.find(({ id }) => id === used.id);
  if (credentials === undefined || (now && !now.revokedAt && now.version === used.version)) {
    return undefined;
  }
  return now && !now.revokedAt
    ? `the credential ${slot} was rotated since`
    : `the credential ${slot} was revoked since: portarium credential create ${slot} --host ${used.host}`;
}
