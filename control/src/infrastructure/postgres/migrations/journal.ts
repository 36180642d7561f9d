/** The journal of migrations in a database: what was applied to which target, and whether that still fits the files. */
import type { Sql } from '../connect.ts';
import { type Migration, MigrationError } from './migration-files.ts';

export interface JournalRow {
  readonly version: number;
  readonly name: string;
  readonly phase: 'expand' | 'contract';
  readonly checksum: string;
  readonly finishedAt: string | null;
  readonly durationMs: number;
  /** False when its last run failed; it is pending then. */
  readonly success: boolean;
  readonly toolVersion: string;
}

/** Rows by what the journal calls the target. */
export type Journals = ReadonlyMap<string, readonly JournalRow[]>;

/** Run by whoever owns the tables, with the schema `portarium` there. */
export const CREATE_JOURNAL = `
  CREATE TABLE IF NOT EXISTS portarium.migration_journal (
    target text NOT NULL, version integer NOT NULL, name text NOT NULL, phase text NOT NULL,
    checksum text NOT NULL, started_at timestamptz NOT NULL, finished_at timestamptz,
    duration_ms double precision, success boolean NOT NULL, tool_version text NOT NULL,
    PRIMARY KEY (target, version)
  );
  ALTER TABLE portarium.migration_journal ADD COLUMN IF NOT EXISTS told boolean NOT NULL DEFAULT false;`;

/** Every journal of the database that the connection is in, or one: one query, however many targets there are. */
export async function readJournals(sql: Sql, only?: string): Promise<Journals> {
  const rows = await sql`
    SELECT target, version, name, phase, checksum, finished_at, coalesce(duration_ms, 0) AS duration_ms, success, tool_version
    FROM portarium.migration_journal ${only === undefined ? sql`` : sql`WHERE target = ${only}`} ORDER BY target, version`;
  const journals = new Map<string, JournalRow[]>();
  for (const row of rows) {
    const target = row.target as string;
    const journal = journals.get(target) ?? [];
    journals.set(target, journal);
    journal.push({
      version: Number(row.version),
      name: row.name as string,
      phase: row.phase as JournalRow['phase'],
      checksum: row.checksum as string,
      finishedAt: (row.finished_at as Date | null)?.toISOString() ?? null,
      durationMs: Number(row.duration_ms),
      success: row.success as boolean,
      toolVersion: row.tool_version as string,
    });
  }
  return journals;
}

export interface Pending {
  readonly expand: readonly Migration[];
  readonly contract: readonly Migration[];
}

/**
 * What of the files the journal lacks. A Contract may wait while later Expands are applied: these never need it.
 * @throws MigrationError for a file that changed, is missing, or comes before what was applied
 */
export function pendingOf(
  target: string,
  files: readonly Migration[],
  journal: readonly JournalRow[],
): Pending {
  const applied = journal.filter(({ success }) => success);
  const newest = Math.max(0, ...applied.filter(isExpand).map(({ version }) => version));
  for (const row of applied) {
    const file = files[row.version - 1];
    if (!file || file.name !== row.name) {
      throw new MigrationError(
        `${target}: ${row.name} is applied and its file is missing; use the release that has it`,
      );
    }
    if (file.checksum !== row.checksum) {
      throw new MigrationError(
        `${target}: ${file.folder}/${file.name} changed after it was applied; restore it and add a new file instead`,
      );
    }
  }
  const done = new Set(applied.map(({ version }) => version));
  const pending = files.filter(({ version }) => !done.has(version));
  const late = pending.find((file) => isExpand(file) && file.version < newest);
  if (late) {
    throw new MigrationError(
      `${target}: ${late.folder}/${late.name} is older than what is applied (version ${newest}) and was never applied; give it the next number`,
    );
  }
  return {
    expand: pending.filter(isExpand),
    contract: pending.filter((file) => !isExpand(file)),
  };
}

const isExpand = ({ phase }: { readonly phase: string }) => phase === 'expand';
