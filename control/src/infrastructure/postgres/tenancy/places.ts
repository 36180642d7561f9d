/**
 * Where the data of a workspace is, and how a transaction is bound to it: shared tables (tier A), a schema with
 * roles of its own (B), or a database with a login of its own (C). The tier of a workspace never changes, so what was
 * read of it once is believed.
 */
import type { WorkspaceId } from '@portarium/contracts/ids';
import { connect, type Sql, type TransactionSql, toInfraError } from '../connect.ts';
import { tenantNames } from './names.ts';

export interface Place {
  readonly sql: Sql;
  /**
   * Binds the transaction, and nothing beyond it, to the workspace. It is on its way when this returns: whatever is
   * asked afterwards, waiting or not, comes behind it.
   */
  bind(tx: TransactionSql): Promise<void>;
  /** In tier C: the database of the instance, where keys are and who waits for commits listens. */
  readonly instance?: Sql;
}

export interface Places {
  of(workspace: WorkspaceId): Promise<Place>;
  /** Closes the pools of single workspaces. */
  close(): Promise<void>;
}

export interface TierOf {
  readonly tier: 'A' | 'B' | 'C';
  /** Of the vault, with the address of the database; tier C only. */
  readonly databaseSecret: string | null;
}

/** Reads the tier of a workspace; one that is not there yet counts as A, and is asked for again. */
export type Tiers = (workspace: WorkspaceId) => Promise<TierOf>;

export function createTiers(instance: Sql): Tiers {
  const known = new Map<WorkspaceId, TierOf>();
  return async (workspace) => {
    const found = known.get(workspace);
    if (found) return found;
    const [row] =
      await instance`SELECT tenancy_tier, database_secret FROM workspaces WHERE id = ${workspace}`;
    if (!row) return { tier: 'A', databaseSecret: null };
    const tier: TierOf = {
      tier: row.tenancy_tier as TierOf['tier'],
      databaseSecret: (row.database_secret ?? null) as string | null,
    };
    // The database of tier C is named after its row was made.
    if (tier.tier !== 'C' || tier.databaseSecret !== null) known.set(workspace, tier);
    return tier;
  };
}

/** Connections to the database of one workspace, of one process and role. */
const OWN_POOL_SIZE = 4;
/** Seconds until a connection that nobody uses is closed. */
const OWN_IDLE_SECONDS = 20;

export interface PlacesOptions {
  /** Pool of the role that acts in shared tables and in schemas. */
  readonly shared: Sql;
  readonly role: 'runtime' | 'destroy';
  /** Pool that may read the global tables. */
  readonly instance: Sql;
  readonly tiers: Tiers;
  /** Opens what {@link TierOf.databaseSecret} names. */
  readonly readUrl: (workspace: WorkspaceId, secret: string) => Promise<string>;
}

export function createPlaces({ shared, role, instance, tiers, readUrl }: PlacesOptions): Places {
  const pools = new Map<WorkspaceId, Promise<Sql>>();

  async function openPool(workspace: WorkspaceId, secret: string): Promise<Sql> {
    return connect(await readUrl(workspace, secret), {
      max: OWN_POOL_SIZE,
      name: role === 'runtime' ? 'portarium-control' : 'portarium-destroy',
      idleSeconds: OWN_IDLE_SECONDS,
      ...(role === 'runtime' ? {} : { role: tenantNames(workspace).destroyRole }),
    });
  }

  /** One pool, however many ask at once. */
  function poolOf(workspace: WorkspaceId, secret: string): Promise<Sql> {
    const known = pools.get(workspace);
    if (known) return known;
    const opening = openPool(workspace, secret);
    pools.set(workspace, opening);
    opening.catch(() => pools.delete(workspace));
    return opening;
  }

  return {
    async of(workspace) {
      try {
        const { tier, databaseSecret } = await tiers(workspace);
        if (tier === 'A') return sharedPlace(shared, workspace);
        if (tier === 'B') return schemaPlace(shared, workspace, role);
        if (databaseSecret === null) throw new Error(`${workspace} has no database yet`);
        return { ...sharedPlace(await poolOf(workspace, databaseSecret), workspace), instance };
      } catch (error) {
        throw toInfraError(error);
      }
    },
    async close() {
      const open = await Promise.allSettled(pools.values());
      await Promise.all(
        open.map((one) => one.status === 'fulfilled' && one.value.end({ timeout: 5 })),
      );
    },
  };
}

/** Every workspace in shared tables: what an instance without tiers B and C has. */
export function sharedPlaces(sql: Sql): Places {
  return { of: async (workspace) => sharedPlace(sql, workspace), close: async () => undefined };
}

/** The policies of the tables read this setting; without it they admit no row. */
function sharedPlace(sql: Sql, workspace: WorkspaceId): Place {
  return {
    sql,
    async bind(tx) {
      await tx`SELECT set_config('portarium.workspace', ${workspace}, true)`.execute();
    },
  };
}

/** Global tables stand behind the schema's own, and admit rows of this workspace alone. */
function schemaPlace(sql: Sql, workspace: WorkspaceId, role: 'runtime' | 'destroy'): Place {
  const { place, runtimeRole, destroyRole } = tenantNames(workspace);
  const own = role === 'runtime' ? runtimeRole : destroyRole;
  return {
    sql,
    async bind(tx) {
      await tx`
        SELECT set_config('role', ${own}, true), set_config('search_path', ${`${place}, portarium`}, true),
          set_config('portarium.workspace', ${workspace}, true)`.execute();
    },
  };
}
