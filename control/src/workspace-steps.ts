/**
 * Steps of work on one workspace that need the owner of the database: `provision ID TIER`, `workspace-backup ID FILE`, and
 * `workspace-restore FILE [--replace | --drill]`. `databaseUrl` in the answer of the first is a secret.
 */
import { parseArgs } from 'node:util';
import { type WorkspaceId, WorkspaceIdSchema } from '@portarium/contracts/ids';
import * as v from 'valibot';
import { MIGRATIONS, VERSION } from './compose.ts';
import { type Environment, readDatabaseConfiguration } from './configuration.ts';
import { connect } from './infrastructure/postgres/connect.ts';
import { migrateTarget } from './infrastructure/postgres/migrations/migrate-targets.ts';
import {
  type MigrationFiles,
  readAllMigrations,
} from './infrastructure/postgres/migrations/migration-files.ts';
import {
  databaseTarget,
  type MigrationTarget,
  schemaTarget,
  sharedTargets,
} from './infrastructure/postgres/tenancy/migration-target.ts';
import { provisionWorkspace } from './infrastructure/postgres/tenancy/provision.ts';
import { drill, restoreWorkspace } from './infrastructure/postgres/tenancy/restore-workspace.ts';
import {
  backUpWorkspace,
  checkBackup,
  type WorkspacePlace,
} from './infrastructure/postgres/tenancy/workspace-backup.ts';
import { printResult, type StepResult } from './step-result.ts';

type Urls = { readonly ownerUrl: string; readonly runtimeUrl: string };
type Step = (args: readonly string[], urls: Urls) => Promise<StepResult>;

export const WORKSPACE_STEPS: Readonly<Record<string, Step>> = {
  provision,
  'workspace-backup': backUp,
  'workspace-restore': restore,
};

export async function runWorkspaceStep(
  step: Step,
  args: readonly string[],
  environment: Environment,
): Promise<void> {
  await printResult(async () => {
    const { PORTARIUM_DATABASE_URL: runtimeUrl, PORTARIUM_DATABASE_OWNER_URL: ownerUrl } =
      readDatabaseConfiguration(environment);
    return step(args, { ownerUrl, runtimeUrl });
  });
}

async function provision(args: readonly string[], urls: Urls): Promise<StepResult> {
  const [workspace, tier] = v.parse(v.tuple([WorkspaceIdSchema, v.picklist(['B', 'C'])]), args);
  const migrate = (target: MigrationTarget) =>
    migrateTarget(target, { folder: MIGRATIONS, toolVersion: VERSION });
  return { ok: true, ...(await provisionWorkspace({ ...urls, migrate }, workspace, tier)) };
}

async function backUp(args: readonly string[], { ownerUrl }: Urls): Promise<StepResult> {
  const [workspace, file] = v.parse(v.tuple([WorkspaceIdSchema, v.string()]), args);
  const place = await placeOf(ownerUrl, workspace);
  if (!place) throw new Error(`there is no workspace ${workspace}`);
  const schemaVersion = newestTenant(await readAllMigrations(MIGRATIONS));
  const summary = await backUpWorkspace(place, { product: VERSION, schemaVersion }, file, (table) =>
    console.error(`reading ${table}`),
  );
  return { ok: true, ...summary };
}

const newestTenant = ({ tenant }: MigrationFiles) =>
  tenant.filter(({ phase }) => phase === 'expand').at(-1)?.version ?? 0;

async function restore(args: readonly string[], { ownerUrl }: Urls): Promise<StepResult> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { replace: { type: 'boolean' }, drill: { type: 'boolean' } },
    allowPositionals: true,
  });
  const [file = ''] = positionals;
  const files = await readAllMigrations(MIGRATIONS);
  if (values.drill) {
    console.error('restoring into a database made for it');
    const restored = await drill(ownerUrl, files, file);
    return { ok: restored.problems.length === 0, ...restored };
  }
  const { workspace, tier } = await checkBackup(file);
  const id = workspace as WorkspaceId;
  const place = (await placeOf(ownerUrl, id)) ?? (tier === 'A' ? shared(ownerUrl, id) : undefined);
  if (!place) {
    throw new Error(
      `there is no workspace ${id}; make it first: portarium workspace create ${id} --tier ${tier}`,
    );
  }
  const replace = values.replace === true;
  return { ok: true, ...(await restoreWorkspace(ownerUrl, place, files, { file, replace })) };
}

type Place = WorkspacePlace & { readonly target: MigrationTarget };

function shared(ownerUrl: string, workspace: WorkspaceId): Place | undefined {
  const target = sharedTargets(ownerUrl).find(({ name }) => name === 'tenant');
  return target && { workspace, tier: 'A', target };
}

/** Where the workspace is; undefined when there is none. */
async function placeOf(ownerUrl: string, workspace: WorkspaceId): Promise<Place | undefined> {
  const sql = connect(ownerUrl, { max: 1, name: 'portarium-backup' });
  try {
    const [row] = await sql`
      SELECT tenancy_tier FROM portarium.workspaces WHERE id = ${workspace} AND state <> 'deprovisioned'`;
    const tier = row?.tenancy_tier as Place['tier'] | undefined;
    if (tier === 'A') return shared(ownerUrl, workspace);
    if (tier === 'B') return { workspace, tier, target: schemaTarget(ownerUrl, workspace) };
    if (tier === 'C') return { workspace, tier, target: databaseTarget(ownerUrl, workspace) };
    return undefined;
  } finally {
    await sql.end({ timeout: 5 });
  }
}
