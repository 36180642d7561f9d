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
  context: Pick<Context, 'clock' | 'ids' | 'directory' | 'store' | 'secrets'>,
): Promise<Bootstrap> {
  if ((await context.directory.findWorkspace(LOCAL_WORKSPACE)) === undefined) {
    await createWorkspace(context, SYSTEM_ACTOR, null, {
      id: LOCAL_WORKSPACE,
      name: 'Local',
      tenancyTier: 'A',
    });
  }
  const keys: Record<string, string> = {};
  const created: { id: string; role: string; owner: string }[] = [];
  const add = async (
    name: string,
    role: (typeof ROLES)[number] | 'sandbox-host',
    workspace: WorkspaceId | null,
  ) => {
    const made = newKey(context, { workspace, name, owner: `bootstrap-${role}`, role });
    await context.directory.insertKey(made.key, await context.secrets.hash(made.secret));
    created.push({ id: made.key.id, role, owner: made.key.owner });
    return made.token;
  };
  for (const role of ROLES) {
    keys[role] = await add(`bootstrap ${role}`, role, role === 'admin' ? null : LOCAL_WORKSPACE);
  }
  const hostKey = await add('host-local', 'sandbox-host', null);
  await context.store.submit(INSTANCE_WORKSPACE, async (tx) => {
    tx.append({
      type: 'instance.bootstrapped',
      actor: SYSTEM_ACTOR,
      subject: {},
      data: { workspace: LOCAL_WORKSPACE, keys: created },
      trace: null,
    });
  });
  return { workspace: LOCAL_WORKSPACE, keys, hostKey };
}
