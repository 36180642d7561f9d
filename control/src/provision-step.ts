/** `main.ts provision ID TIER`: the schema or the database of a workspace. `databaseUrl` in its answer is a secret. */
import { WorkspaceIdSchema } from '@portarium/contracts/ids';
import * as v from 'valibot';
import { MIGRATIONS, VERSION } from './compose.ts';
import { type Environment, readDatabaseConfiguration } from './configuration.ts';
import { migrateTarget } from './infrastructure/postgres/migrations/migrate-targets.ts';
import { provisionWorkspace } from './infrastructure/postgres/tenancy/provision.ts';
import { printResult } from './step-result.ts';

const ArgumentsSchema = v.tuple([WorkspaceIdSchema, v.picklist(['B', 'C'])]);

export async function runProvisionStep(
  args: readonly string[],
  environment: Environment,
): Promise<void> {
  await printResult(async () => {
    const [workspace, tier] = v.parse(ArgumentsSchema, args);
    const { PORTARIUM_DATABASE_URL: runtimeUrl, PORTARIUM_DATABASE_OWNER_URL: ownerUrl } =
      readDatabaseConfiguration(environment);
    const made = await provisionWorkspace(
      {
        ...{ ownerUrl, runtimeUrl },
        migrate: (target) => migrateTarget(target, { folder: MIGRATIONS, toolVersion: VERSION }),
      },
      workspace,
      tier,
    );
    return { ok: true, ...made };
  });
}
