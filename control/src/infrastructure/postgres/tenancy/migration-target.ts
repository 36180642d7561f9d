/** Something that migrations are applied to: the global tables, those that workspaces share, or those of one workspace. */
import { tenantNames } from './names.ts';

/** A folder of files, and what the journal in the target’s database calls it. */
export interface MigrationSet {
  readonly files: 'global' | 'tenant';
  readonly journal: string;
}

export interface MigrationTarget {
  /** `global`, `tenant` (tables of tier A), or `workspace/ID`. */
  readonly name: string;
  /** Login of the owner, in the database that has the tables and the journal. */
  readonly ownerUrl: string;
  readonly sets: readonly MigrationSet[];
  /** Where the tables are. */
  readonly schema: string;
  /** Takes the place of `portarium_runtime` in the files. */
  readonly runtimeRole: string;
  /** Takes the place of `portarium_destroy` in the files. */
  readonly destroyRole: string;
}

const SHARED = {
  schema: 'portarium',
  runtimeRole: 'portarium_runtime',
  destroyRole: 'portarium_destroy',
} as const;

/** What every instance has, in the order in which it is migrated. */
export function sharedTargets(ownerUrl: string): readonly MigrationTarget[] {
  return (['global', 'tenant'] as const).map((files) => ({
    ...{ name: files, ownerUrl, sets: [{ files, journal: files }] },
    ...SHARED,
  }));
}

/** The schema of a workspace of tier B, in the database of the instance. */
export function schemaTarget(
  ownerUrl: string,
  workspace: Parameters<typeof tenantNames>[0],
): MigrationTarget {
  const { place, runtimeRole, destroyRole } = tenantNames(workspace);
  const name = `workspace/${workspace}`;
  return {
    ...{ name, ownerUrl, schema: place, runtimeRole, destroyRole },
    sets: [{ files: 'tenant', journal: name }],
  };
}

/** The database of a workspace of tier C, on the server of the instance. */
export function databaseTarget(
  ownerUrl: string,
  workspace: Parameters<typeof tenantNames>[0],
): MigrationTarget {
  const { place, runtimeRole, destroyRole } = tenantNames(workspace);
  const url = new URL(ownerUrl);
  url.pathname = `/${place}`;
  return {
    name: `workspace/${workspace}`,
    ownerUrl: url.href,
    sets: [
      { files: 'global', journal: 'global' },
      { files: 'tenant', journal: 'tenant' },
    ],
    ...{ schema: SHARED.schema, runtimeRole, destroyRole },
  };
}

/**
 * The text of a file as this target runs it. In the files the names `portarium_runtime`, `portarium_destroy` and
 * `search_path = portarium` stand for the target’s own.
 */
export function sqlFor(
  {
    schema,
    runtimeRole,
    destroyRole,
  }: Pick<MigrationTarget, 'schema' | 'runtimeRole' | 'destroyRole'>,
  sql: string,
): string {
  return sql
    .replaceAll(/\bportarium_runtime\b/g, runtimeRole)
    .replaceAll(/\bportarium_destroy\b/g, destroyRole)
    .replaceAll(/\bsearch_path = portarium\b/g, `search_path = ${schema}`);
}
