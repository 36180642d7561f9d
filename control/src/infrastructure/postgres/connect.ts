/** Connections to PostgreSQL, and what its failures mean to a caller. */
import postgres from 'postgres';
import { InfraError, LogFrozenError } from '../../application/ports/workspace-store.ts';

export type Sql = postgres.Sql;
export type TransactionSql = postgres.TransactionSql;

/**
 * Seconds until a connection that was lost is tried again. The driver's own pause grows to 20 s, and a
 * request that meets it would wait that long for a database that is back.
 */
const RECONNECT_SECONDS = 0.1;

/**
 * A pool of at most `max` connections. Waits 5 s for a connection, then rejects. With `role` each session is of
 * that role from its start, which the login has to be granted.
 */
export function connect(
  url: string,
  options: {
    readonly max: number;
    readonly name: string;
    readonly role?: string;
    /** Until a connection that nobody uses is closed; 60 when left out. */
    readonly idleSeconds?: number;
    /** Never closed by itself: what a session holds would be lost with it. */
    readonly keep?: boolean;
  },
): Sql {
  return postgres(url, {
    max: options.max,
    connect_timeout: 5,
    idle_timeout: options.keep ? 0 : (options.idleSeconds ?? 60),
    ...(options.keep ? { max_lifetime: null } : {}),
    backoff: () => RECONNECT_SECONDS,
    onnotice: () => {},
    connection: {
      application_name: options.name,
      idle_in_transaction_session_timeout: 5_000,
      statement_timeout: 30_000,
      ...(options.role === undefined ? {} : { role: options.role }),
    },
  });
}

const UNAVAILABLE = /^(08|53|57014|57P|ECONN|EPIPE|ETIMEDOUT|CONNECT|CONNECTION_)/;
/** The last: a statement was prepared before a migration changed what it gives. */
const RUN_AGAIN = new Set(['40001', '40P01', '0A000']);

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

/** Whether the transaction is to be run once more (deadlock, serialisation, a changed table). */
export function asksForRerun(error: unknown): boolean {
  return RUN_AGAIN.has(codeOf(error));
}

/** Whether the database, or the connection to it, is what failed. */
export function isDatabaseError(error: unknown): boolean {
  return error instanceof postgres.PostgresError || toInfraError(error) !== error;
}

/** What the trigger `refuse_frozen_log` raises. */
const FROZEN = 'PE001';

/** An `InfraError` when the database is away or full, a `LogFrozenError`, or the error itself. */
export function toInfraError(error: unknown): unknown {
  const code = codeOf(error);
  if (code === FROZEN) return new LogFrozenError((error as Error).message);
  if (!UNAVAILABLE.test(code)) return error;
  return new InfraError(`PostgreSQL is away (${code})`, { retryable: true, cause: error });
}
