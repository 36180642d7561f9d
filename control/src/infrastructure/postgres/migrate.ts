/**
 * Applies the Expand migrations of `migrations/` in order, each in a transaction of its own, and
 * keeps a journal of them, which the Control Plane repeats in the log of the instance. Never runs twice at
 * once, never runs a file that changed.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type Sql } from './connect.ts';
import { type MigrationTarget, sqlFor } from './tenancy/migration-target.ts';

export interface Migration {
  /** `global` or `tenant`. */
  readonly target: string;
  readonly version: number;
  readonly name: string;
  readonly phase: string;
  readonly sql: string;
  readonly checksum: string;
}

/** A defect of the migration files or the journal; `message` names the file and what to do. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

const FILE = /^(\d{4})_(expand|contract)_([a-z0-9_]+)\.sql$/;
const LOCK_KEY = 7_265_190_001;
const LOCK_ATTEMPTS = 20;

/** Reads the files of one target, sorted by version. @throws MigrationError for a bad name or a gap */
export async function readMigrations(
  folder: string,
  target: string,
): Promise<readonly Migration[]> {
  const files = (await readdir(join(folder, target)))
    .filter((file) => file.endsWith('.sql'))
    .sort();
  const migrations: Migration[] = [];
  for (const file of files) {
    const match = FILE.exec(file);
    if (!match) {
      throw new MigrationError(
        `${target}/${file}: name it NNNN_expand_what.sql or NNNN_contract_what.sql`,
      );
    }
    const sql = await readFile(join(folder, target, file), 'utf8');
    const version = Number(match[1]);
    if (version !== migrations.length + 1) {
      throw new MigrationError(
        `${target}/${file}: expected version ${migrations.length + 1}; versions have no gaps`,
      );
    }
    migrations.push({
      target,
      version,
      name: file,
      phase: match[2] ?? '',
      sql,
      checksum: createHash('sha256').update(sql).digest('hex'),
    });
  }
  return migrations;
}

export interface MigrateOptions {
  readonly ownerUrl: string;
  readonly runtimeUrl: string;
  readonly folder: string;
  readonly toolVersion: string;
  readonly onApplied?: (migration: Migration, ms: number) => void;
}

/**
 * Creates the roles and the schema when they are missing, then applies what the journal lacks.
 * @returns the migrations that this call applied
 */
export async function migrate(options: MigrateOptions): Promise<readonly Migration[]> {
  const sql = connect(options.ownerUrl, { max: 1, name: 'portarium-migrate' });
  try {
    await sql`SELECT pg_advisory_lock(${LOCK_KEY})`;
    await prepare(sql, options.runtimeUrl);
    const applied: Migration[] = [];
    for (const target of ['global', 'tenant']) {
      const files = await readMigrations(options.folder, target);
      const done = await checkJournal(sql, target, files);
      for (const migration of files.slice(done)) {
        if (migration.phase !== 'expand') break;
        const ms = await applyOne(sql, migration, options.toolVersion);
        applied.push(migration);
        options.onApplied?.(migration, ms);
      }
    }
    return applied;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Applies what the journal of the target lacks; its schema is there. */
export async function migrateTarget(
  target: MigrationTarget,
  options: Pick<MigrateOptions, 'folder' | 'toolVersion'>,
): Promise<void> {
  const sql = connect(target.ownerUrl, { max: 1, name: 'portarium-migrate' });
  try {
    await sql`SELECT pg_advisory_lock(hashtextextended(${`portarium/migrate/${target.name}`}, 0))`;
    await sql.unsafe(`SET ROLE portarium_schema; SET search_path = portarium; ${JOURNAL}`);
    await sql.unsafe(`SET search_path = ${target.schema}, portarium`);
    for (const { files, journal } of target.sets) {
      const all = await readMigrations(options.folder, files);
      const done = await checkJournal(sql, journal, all);
      for (const migration of all.slice(done)) {
        if (migration.phase !== 'expand') break;
        const own = { ...migration, target: journal, sql: sqlFor(target, migration.sql) };
        await applyOne(sql, own, options.toolVersion);
      }
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}

const JOURNAL = `
    CREATE TABLE IF NOT EXISTS portarium.migration_journal (
      target text NOT NULL, version integer NOT NULL, name text NOT NULL, phase text NOT NULL,
      checksum text NOT NULL, started_at timestamptz NOT NULL, finished_at timestamptz,
      duration_ms double precision, success boolean NOT NULL, tool_version text NOT NULL,
      told boolean NOT NULL DEFAULT false,
      PRIMARY KEY (target, version)
    );`;

async function prepare(sql: Sql, runtimeUrl: string): Promise<void> {
  const runtime = new URL(runtimeUrl);
  const role = decodeURIComponent(runtime.username);
  if (role !== 'portarium_runtime') {
    throw new MigrationError(
      `PORTARIUM_DATABASE_URL logs in as ${role}; it must be portarium_runtime`,
    );
  }
  const literal = `'${decodeURIComponent(runtime.password).replaceAll("'", "''")}'`;
  await sql.unsafe(`
    DO $roles$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'portarium_schema') THEN
        CREATE ROLE portarium_schema NOLOGIN;
      END IF;
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'portarium_runtime') THEN
        CREATE ROLE portarium_runtime LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
      END IF;
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'portarium_destroy') THEN
        CREATE ROLE portarium_destroy NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
      END IF;
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'portarium_tenants') THEN
        CREATE ROLE portarium_tenants NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
      END IF;
    END $roles$;
    GRANT portarium_destroy TO portarium_runtime WITH INHERIT FALSE, SET TRUE;
    ALTER ROLE portarium_runtime PASSWORD ${literal};
    GRANT portarium_schema TO CURRENT_USER;
    CREATE SCHEMA IF NOT EXISTS portarium AUTHORIZATION portarium_schema;
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    GRANT USAGE ON SCHEMA portarium TO portarium_runtime, portarium_destroy, portarium_tenants;
    ALTER ROLE portarium_runtime SET search_path = portarium;
    SET ROLE portarium_schema;
    SET search_path = portarium;
    CREATE TABLE IF NOT EXISTS migration_journal (
      target text NOT NULL, version integer NOT NULL, name text NOT NULL, phase text NOT NULL,
      checksum text NOT NULL, started_at timestamptz NOT NULL, finished_at timestamptz,
      duration_ms double precision, success boolean NOT NULL, tool_version text NOT NULL,
      PRIMARY KEY (target, version)
    );
    ALTER TABLE migration_journal ADD COLUMN IF NOT EXISTS told boolean NOT NULL DEFAULT false;
    GRANT SELECT, UPDATE (told) ON migration_journal TO portarium_runtime;
  `);
}

/** @returns how many files are applied already. @throws MigrationError when journal and files differ */
async function checkJournal(
  sql: Sql,
  target: string,
  files: readonly Migration[],
): Promise<number> {
  const rows = await sql`
    SELECT version, name, checksum FROM migration_journal WHERE target = ${target} AND success ORDER BY version`;
  rows.forEach((row, index) => {
    const file = files[index];
    if (row.version !== index + 1) {
      throw new MigrationError(
        `${target}: the journal lacks version ${index + 1} before ${row.name}`,
      );
    }
    if (!file) {
      throw new MigrationError(
        `${target}: ${row.name} is applied and its file is missing; use the release that has it`,
      );
    }
    if (file.checksum !== row.checksum) {
      throw new MigrationError(
        `${target}/${file.name} changed after it was applied; restore it and add a new file instead`,
      );
    }
  });
  return rows.length;
}

async function applyOne(sql: Sql, migration: Migration, toolVersion: string): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const started = performance.now();
    try {
      await sql.begin(async (tx) => {
        await tx.unsafe(`SET LOCAL lock_timeout = '500ms'`);
        await tx.unsafe(migration.sql);
        await tx`
          INSERT INTO migration_journal (target, version, name, phase, checksum, started_at, finished_at, duration_ms, success, tool_version)
          VALUES (${migration.target}, ${migration.version}, ${migration.name}, ${migration.phase}, ${migration.checksum},
            now(), clock_timestamp(), ${performance.now() - started}, true, ${toolVersion})`;
      });
      return performance.now() - started;
    } catch (error) {
      const lockTimeout = (error as { code?: string }).code === '55P03';
      if (!lockTimeout || attempt >= LOCK_ATTEMPTS) {
        throw new MigrationError(
          `${migration.target}/${migration.name}: ${(error as Error).message}`,
          { cause: error },
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100 * attempt));
    }
  }
}
