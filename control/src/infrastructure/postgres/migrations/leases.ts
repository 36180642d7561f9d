/** Leases of running processes: which schema their release was made for, so that nothing is taken away that they need. */
import { randomUUID } from 'node:crypto';
import type { Sql } from '../connect.ts';
import type { MigrationFiles } from './migration-files.ts';

const RENEW_MS = 20_000;
/** Without a renewal for so long a process counts as gone. */
const EXPIRES_SECONDS = 60;

export interface SchemaLease {
  readonly role: string;
  /** Of the product. */
  readonly version: string;
  readonly globalVersion: number;
  readonly tenantVersion: number;
  readonly startedAt: string;
}

export interface KeptLease {
  /** Gives it up. */
  stop(): Promise<void>;
}

/** Keeps a lease until it is stopped. A renewal that fails is tried again with the next. */
export async function keepLease(
  sql: Sql,
  of: { readonly role: string; readonly version: string; readonly files: MigrationFiles },
): Promise<KeptLease> {
  const process = randomUUID();
  const { role, version, files } = of;
  const renew = async () => {
    await sql`
      INSERT INTO schema_leases (process, role, version, global_version, tenant_version, started_at, expires_at)
      VALUES (${process}, ${role}, ${version}, ${files.global.length}, ${files.tenant.length}, now(), now() + make_interval(secs => ${EXPIRES_SECONDS}))
      ON CONFLICT (process) DO UPDATE SET expires_at = excluded.expires_at`;
    await sql`DELETE FROM schema_leases WHERE expires_at < now() - interval '1 hour'`;
  };
  await renew();
  const timer = setInterval(() => renew().catch(() => undefined), RENEW_MS);
  return {
    async stop() {
      clearInterval(timer);
      await sql`DELETE FROM schema_leases WHERE process = ${process}`.catch(() => undefined);
    },
  };
}

/** Leases that count. */
export async function liveLeases(sql: Sql): Promise<readonly SchemaLease[]> {
  const rows = await sql`
    SELECT role, version, global_version, tenant_version, started_at FROM portarium.schema_leases
    WHERE expires_at > now() ORDER BY started_at`;
  return rows.map((row) => ({
    role: row.role as string,
    version: row.version as string,
    globalVersion: Number(row.global_version),
    tenantVersion: Number(row.tenant_version),
    startedAt: (row.started_at as Date).toISOString(),
  }));
}
