/**
 * Opens the credential that a matched rule names, for one intent. A credential goes only to the exact
 * host that it is bound to; over plain http only to a literal loopback address.
 */
import { placementOf, placeTaken } from '@portarium/contracts/credential-placement';
import { idempotencyOf, type MatchedRules } from '@portarium/contracts/egress-rule';
import type { AttemptErrorCode } from '@portarium/contracts/errors';
import type { CredentialId, WorkspaceId } from '@portarium/contracts/ids';
import type { IntentResponse } from '@portarium/contracts/internal-api';
import type { OutboundRequest } from '@portarium/contracts/outbound-request';
import type { Context } from './context.ts';
import type { FixedAction } from './fixed-actions.ts';
import type { ReadTransaction } from './ports/workspace-store.ts';

export type CredentialGrant =
  /** The rule names none. */
  | { readonly kind: 'none' }
  | {
      readonly kind: 'secret';
      readonly credential: NonNullable<
        Extract<IntentResponse, { status: 'send' }>['credential']
      > & { readonly id: CredentialId };
    }
  | { readonly kind: 'refused'; readonly code: AttemptErrorCode; readonly message: string };

export async function grantCredential(
  context: Pick<Context, 'store' | 'vault'>,
  workspace: WorkspaceId,
  action: FixedAction,
  { request, rules }: { readonly request: OutboundRequest; readonly rules: MatchedRules },
): Promise<CredentialGrant> {
  const slot = rules.plugin.credential;
  if (slot === undefined) return { kind: 'none' };
  const unavailable = (message: string): CredentialGrant => ({
    kind: 'refused',
    code: 'credential.unavailable',
    message,
  });
  const fixed = action.credentials.find((one) => one.slot === slot);
  if (!fixed) return unavailable(`the workspace had no credential ${slot} when it was asked for`);
  const [credential, plugin] = await context.store.read(workspace, (tx) =>
    Promise.all([tx.findCredential(fixed.id), tx.findPlugin(action.plugin, action.version)]),
  );
  if (!credential || credential.revokedAt !== null) {
    return unavailable(`the credential ${slot} is revoked`);
  }
  const asked = plugin?.manifest.credentials.find((one) => one.slot === slot);
  if (asked?.kind !== credential.kind) {
    return unavailable(
      `the plugin asks for a credential ${slot} of kind ${asked?.kind ?? 'none'}, and the workspace’s is of kind ${credential.kind}: revoke it, and store one of that kind under this name`,
    );
  }
  const approved = action.tier === 'human-approve' && !action.dryRun;
  if (credential.version !== fixed.version && approved) {
    const message = `the credential ${slot} was rotated after people approved it`;
    return { kind: 'refused', code: 'approval.void', message };
  }
  const { host, scheme } = request.target;
  if (host !== credential.host) {
    return unavailable(`the credential ${slot} is bound to ${credential.host}, not to ${host}`);
  }
  if (scheme !== 'https' && !isLoopback(host)) {
    return unavailable(`the credential ${slot} goes over https only`);
  }
  const taken = placeTaken(credential, request.target, idempotencyOf(rules)?.header);
  if (taken) return unavailable(`the credential ${slot} has no place of its own: ${taken}`);
  const { id, version } = credential;
  const secret = await context.vault.get({ workspace, credential: id, version });
  if (!secret) return unavailable(`the vault has no secret for the credential ${slot}`);
  const text = new TextDecoder().decode(secret);
  return {
    kind: 'secret',
    credential: { ...placementOf(credential), id, slot, version, secret: text },
  };
}

/** Whether the credential is what it was when its secret was read; under the action's lock. */
export async function stillHolds(
  tx: ReadTransaction,
  { credential }: Extract<CredentialGrant, { kind: 'secret' }>,
): Promise<boolean> {
  const now = await tx.findCredential(credential.id);
  return now?.revokedAt === null && now.version === credential.version;
}

function isLoopback(host: string): boolean {
  return host === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
