/**
 * Why an action may fail although people approved it, as far as its approval and the list of
 * credentials tell. Advice for whoever decides: the Control Plane and the broker judge by themselves.
 */
import type { Credential } from '@portarium/client/answers';
import type { ApprovalRequest } from '@portarium/client/approval-answers';
import type { AllowedCall } from '@portarium/contracts/allowed-calls';
import { isClosedHost, isLoopbackHost } from '@portarium/contracts/network';
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
  const { name } = request.plugin;
  const found = new Set<string>();
  if (calls.length === 0 && request.contract.plugin.length > 0) {
    found.add(
      `None of the calls that ${name} asks for is granted: portarium plugin grant ${name} --own`,
    );
  }
  for (const call of calls) {
    if (isClosedHost(call.host, request.contract.networks)) {
      const network = isClosedHost(call.host, ['loopback']) ? 'CIDR' : 'loopback';
      found.add(
        `The network of ${call.host} is closed: portarium plugin grant ${name} --network ${network}`,
      );
    }
    const problem = credentialProblem(call, request.credentials, credentials);
    if (problem !== undefined) found.add(problem);
  }
  const last =
    'What waits is bound to how things were when it was asked for: mend that, then ask again with --replaces.';
  return found.size === 0 ? [] : [...[...found].map(visibleLine), last];
}

/** The same checks as where the Control Plane opens a credential. */
function credentialProblem(
  { credential: slot, host, scheme, rule }: AllowedCall,
  filled: readonly Slot[],
  credentials: readonly Credential[] | undefined,
): string | undefined {
  if (slot === undefined) return undefined;
  const used = filled.find((one) => one.slot === slot);
  if (!used) {
    return `Rule ${rule} sends the credential ${slot}, and the workspace had none when it was asked for: portarium credential create ${slot} --host ${host}`;
  }
  if (!covers(host, used.host)) {
    return `The credential ${slot} is bound to ${used.host}, not to ${host}: revoke it, and create it for that host (portarium credential revoke|create ${slot})`;
  }
  if (scheme !== 'https' && !isLoopbackHost(host)) {
    return `The credential ${slot} goes over https only, and rule ${rule} names ${scheme}.`;
  }
  const now = credentials?.find(({ id }) => id === used.id);
  if (credentials === undefined || (now && !now.revokedAt && now.version === used.version)) {
    return undefined;
  }
  return now && !now.revokedAt
    ? `The credential ${slot} was rotated since.`
    : `The credential ${slot} was revoked since: portarium credential create ${slot} --host ${used.host}`;
}

function covers(pattern: string, host: string): boolean {
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : pattern === host;
}
