import type { TransactionSql } from './connect.ts';

/** Held until the commit; for what may have no row yet that could be locked. */
export async function lockName(tx: TransactionSql, name: string): Promise<void> {
  await tx`SELECT pg_advisory_xact_lock(hashtextextended(${name}, 0))`;
}
