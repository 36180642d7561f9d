/** Makes workspaces of tiers B and C in a test instance, as `portarium workspace create` does. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import { MIGRATIONS } from '../compose.ts';
import { migrateTarget } from '../infrastructure/postgres/migrations/migrate-targets.ts';
import { provisionWorkspace } from '../infrastructure/postgres/tenancy/provision.ts';
import type { TestInstance } from './test-instance.ts';

export async function provision(
  instance: Pick<TestInstance, 'ownerUrl' | 'runtimeUrl'>,
  id: string,
  tier: 'B' | 'C',
) {
  return provisionWorkspace(
    {
      ownerUrl: instance.ownerUrl,
      runtimeUrl: instance.runtimeUrl,
      migrate: (target) => migrateTarget(target, { folder: MIGRATIONS, toolVersion: 'test' }),
    },
    id as WorkspaceId,
    tier,
  );
}

/** @returns the answer to its creation */
export async function createIn(
  instance: TestInstance,
  id: string,
  tenancyTier: 'A' | 'B' | 'C',
): Promise<Response> {
  const made = tenancyTier === 'A' ? {} : await provision(instance, id, tenancyTier);
  const databaseUrl = 'databaseUrl' in made ? { databaseUrl: made.databaseUrl } : {};
  const json = { id, name: id, tenancyTier, ...databaseUrl };
  return instance.call('POST', '/v1/workspaces', { role: 'admin', json });
}
