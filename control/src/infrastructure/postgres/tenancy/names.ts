/**
 * The names that a workspace has in PostgreSQL in tiers B and C. A workspace id has no underscore, so a hyphen
 * becomes one without two ids ever meeting; and 39 characters with a prefix stay below the 63 of an identifier.
 */
import { type WorkspaceId, WorkspaceIdSchema } from '@portarium/contracts/ids';
import * as v from 'valibot';

export interface TenantNames {
  /** Of its schema in tier B, and of its database in tier C. */
  readonly place: string;
  /** Acts for it, in the place of `portarium_runtime`. */
  readonly runtimeRole: string;
  /** Disposes for it, in the place of `portarium_destroy`. */
  readonly destroyRole: string;
}

/** @throws Error for an id that names no workspace of a tier of its own */
export function tenantNames(workspace: WorkspaceId): TenantNames {
  if (!v.is(WorkspaceIdSchema, workspace)) {
    throw new Error(`${workspace} can not have a schema or a database of its own`);
  }
  const name = workspace.replaceAll('-', '_');
  return { place: `ws_${name}`, runtimeRole: `ws_${name}`, destroyRole: `wd_${name}` };
}

/** Only what may be written into a statement as it is: these names need no quotes. */
export function assertPlain(name: string): string {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(name)) throw new Error(`${name} is no plain identifier`);
  return name;
}
