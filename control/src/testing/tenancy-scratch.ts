/** A database with workspaces of each tier and a row of each in every table, for attacks by SQL: no Control Plane runs on it. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import { freshDatabase } from '@portarium/local/testing/shared-services';
import { MIGRATIONS } from '../compose.ts';
import { connect, type Sql } from '../infrastructure/postgres/connect.ts';
import { migrate } from '../infrastructure/postgres/migrations/migrate.ts';
import { type TenantNames, tenantNames } from '../infrastructure/postgres/tenancy/names.ts';
import { provision } from './provision.ts';
import type { TenantSchema } from './tenancy-catalogue.ts';
import { fill, tablesOf } from './tenancy-rows.ts';

export const namesOf = (id: string): TenantNames => tenantNames(id as WorkspaceId);

export function rolesOf(id: string): readonly string[] {
  const { runtimeRole, destroyRole } = namesOf(id);
  return [runtimeRole, destroyRole];
}

export function schemaOf(id: string): TenantSchema {
  const { place, runtimeRole, destroyRole } = namesOf(id);
  return { schema: place, runtimeRole, destroyRole };
}

/** The same address with another database. */
export function inDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

export interface Scratch extends AsyncDisposable {
  readonly ownerUrl: string;
  readonly runtimeUrl: string;
  /** Name of the instance's database. */
  readonly database: string;
  /** One connection of the superuser, and one of the login of the Control Plane. */
  readonly owner: Sql;
  readonly runtime: Sql;
  /** Address of the database of a workspace of tier C, with its own login. */
  readonly databaseUrls: ReadonlyMap<string, string>;
  /** One connection more, closed with the rest. */
  login(url: string): Sql;
}

export interface Wanted {
  /** Ids that have rows in shared tables. */
  readonly shared: readonly string[];
  readonly schemas: readonly string[];
  readonly databases: readonly string[];
  /** No rows but those of workspaces themselves, and everything that watches rows in its place. */
  readonly empty?: boolean;
}

export async function startScratch(wanted: Wanted): Promise<Scratch> {
  const { shared, schemas, databases, empty = false } = wanted;
  const { ownerUrl, url: runtimeUrl } = await freshDatabase();
  const instance = { ownerUrl, runtimeUrl };
  await migrate({ ...instance, folder: MIGRATIONS, toolVersion: 'test' });
  const open: Sql[] = [];
  const login = (url: string) => {
    const sql = connect(url, { max: 1, name: 'test-scratch' });
    open.push(sql);
    return sql;
  };
  const owner = login(ownerUrl);
  for (const id of schemas) await provision(instance, id, 'B');
  const databaseUrls = new Map<string, string>();
  for (const id of databases) {
    const { databaseUrl } = await provision(instance, id, 'C');
    databaseUrls.set(id, databaseUrl as string);
    if (empty) continue;
    const inside = login(inDatabase(ownerUrl, namesOf(id).place));
    await fill(inside, await tablesOf(inside, 'portarium'), databases);
  }
  if (!empty) await fillInstance(owner, { shared, schemas });
  return {
    ...instance,
    database: new URL(ownerUrl).pathname.slice(1),
    owner,
    runtime: login(runtimeUrl),
    databaseUrls,
    login,
    async [Symbol.asyncDispose]() {
      await Promise.all(open.map((sql) => sql.end({ timeout: 5 })));
    },
  };
}

async function fillInstance(
  owner: Sql,
  { shared, schemas }: Pick<Wanted, 'shared' | 'schemas'>,
): Promise<void> {
  const all = [...shared, ...schemas];
  await fill(owner, await tablesOf(owner, 'portarium'), all);
  await fill(owner, await tablesOf(owner, 'portarium', 'global'), all);
  // A key of the whole instance.
  await owner`
    INSERT INTO portarium.api_keys (id, name, owner, role, secret_hash, created_at)
    VALUES (gen_random_uuid(), 'of all', 'x', 'admin', '\\x00', now())`;
  for (const id of schemas) await fill(owner, await tablesOf(owner, namesOf(id).place), schemas);
}

/** What `work` gives, with all that it did in the database undone. */
export async function undone<T>(
  sql: Sql,
  work: (tx: Parameters<Parameters<Sql['begin']>[1]>[0]) => Promise<T>,
): Promise<T> {
  const came: { value?: T } = {};
  const end = new Error('undone');
  await sql
    .begin(async (tx) => {
      came.value = await work(tx);
      throw end;
    })
    .catch((error) => {
      if (error !== end) throw error;
    });
  return came.value as T;
}
