/**
 * The first start of an instance: the workspace `local`, one key a role, and a key for the sandbox
 * host. All of it is evidence. Production instances have no bootstrap file and call none of this.
 */
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import { ROLES } from '../domain/permissions.ts';
import { type Context, SYSTEM_ACTOR } from './context.ts';
import { newKey } from './create-key.ts';
import { createWorkspace } from './create-workspace.ts';

export interface Bootstrap {
  readonly workspace: string;
  readonly keys: Readonly<Record<string, string>>;
  readonly hostKey: string;
}

export const LOCAL_WORKSPACE = 'local' as WorkspaceId;

/**
 * Creates what is missing and new keys for all roles.
 */
export async function bootstrap(
  context: Pick<Context, 'clock' | 'ids' | 'directory' | 'store' | 'secrets' | 'vault'>,
): Promise<Bootstrap> {
  if ((await context.directory.findWorkspace(LOCAL_WORKSPACE)) === undefined) {
    await createWorkspace(context, undefined, {
      id: LOCAL_WORKSPACE,
      name: 'Local',
      tenancyTier: 'A',
    });
  }
  const wanted = [
    ...ROLES.map((role) => ({ name: `bootstrap ${role}`, role })),
    { name: 'host-local', role: 'sandbox-host' as const },
  ];
  const made = await Promise.all(
    wanted.map(async ({ name, role }) => {
      const everywhere = role === 'admin' || role === 'sandbox-host';
      const owner = `bootstrap-${role}`;
      const one = newKey(context, {
        workspace: everywhere ? null : LOCAL_WORKSPACE,
        name,
        owner,
        role,
      });
      return { ...one, hash: await context.secrets.hash(one.secret) };
    }),
  );
  await context.store.submit(INSTANCE_WORKSPACE, async (tx) => {
    for (const { key, hash } of made) await tx.insertKey(key, hash);
    tx.append({
      type: 'instance.bootstrapped',
      actor: SYSTEM_ACTOR,
      subject: {},
      data: {
        workspace: LOCAL_WORKSPACE,
        keys: made.map(({ key }) => ({ id: key.id, role: key.role, owner: key.owner })),
      },
      trace: null,
    });
  });
  const tokens = new Map(made.map(({ key, token }) => [key.role, token]));
  return {
    workspace: LOCAL_WORKSPACE,
    keys: Object.fromEntries(ROLES.map((role) => [role, tokens.get(role) ?? ''])),
    hostKey: tokens.get('sandbox-host') ?? '',
  };
}
