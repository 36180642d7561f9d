/**
 * Looks at the files before anybody applies them: their names and headers, what their phase allows, what a linter says, and
 * whether all of them, and each Contract with its rollback, run on a database made for it. Touches no table of the instance.
 */
import type { Sql } from '../connect.ts';
import { sqlFor } from '../tenancy/migration-target.ts';
import { EXCEPTIONS, type Exception } from './check-exceptions.ts';
import {
  MIGRATION_FOLDERS,
  type Migration,
  MigrationError,
  type MigrationFiles,
  readMigrations,
} from './migration-files.ts';
import { type Finding, fileOf, phaseFindings } from './phase-rules.ts';
import { inOrder, tryContracts } from './rehearse.ts';
import { inScratchDatabase, runText } from './scratch-database.ts';
import { squawkFindings } from './squawk.ts';

export interface CheckOptions {
  /** Login that may make databases. */
  readonly ownerUrl: string;
  /** Of the files. */
  readonly folder: string;
  /** Path of squawk; without it the check finds that it is missing. */
  readonly squawk: string | undefined;
}

export interface CheckResult {
  readonly files: number;
  /** In the order of the files. */
  readonly findings: readonly Finding[];
}

/** @throws Error when the database is away */
export async function checkMigrations(options: CheckOptions): Promise<CheckResult> {
  const { files, unread } = await readLeniently(options.folder);
  const all = inOrder(files);
  const findings = [
    ...unread,
    ...all.flatMap((migration) => phaseFindings(migration, files[migration.folder])),
    ...(await lint(options, all)),
    // What can not be read can not be run in order either.
    ...(unread.length > 0 ? [] : await roundTrip(options.ownerUrl, files)),
  ];
  const order = new Map(all.map((migration, index) => [fileOf(migration), index]));
  const at = ({ file, line = 0 }: Finding) => (order.get(file) ?? -1) * 1e6 + line;
  return {
    files: all.length,
    findings: [...without(EXCEPTIONS, findings), ...unused(EXCEPTIONS, all, findings)].toSorted(
      (a, b) => at(a) - at(b),
    ),
  };
}

/** A folder with a bad name, gap or header is a finding, and what is in it is not looked at further. */
async function readLeniently(
  folder: string,
): Promise<{ readonly files: MigrationFiles; readonly unread: readonly Finding[] }> {
  const files: { -readonly [F in keyof MigrationFiles]: MigrationFiles[F] } = {
    global: [],
    tenant: [],
  };
  const unread: Finding[] = [];
  for (const each of MIGRATION_FOLDERS) {
    try {
      files[each] = await readMigrations(folder, each);
    } catch (error) {
      unread.push(findingOf(error, 'file'));
    }
  }
  return { files, unread };
}

/** Messages of ours begin with the file that they are about. */
function findingOf(error: unknown, rule: string): Finding {
  if (!(error instanceof MigrationError)) throw error;
  const [, file = '', message = error.message] =
    /^((?:global|tenant)\/[^:]+): ([\s\S]*)$/.exec(error.message) ?? [];
  return { file, rule, message };
}

async function lint(
  { folder, squawk }: CheckOptions,
  files: readonly Migration[],
): Promise<readonly Finding[]> {
  if (squawk !== undefined) return squawkFindings(squawk, folder, files);
  const message = 'squawk is not there; install squawk-cli and name it with PORTARIUM_SQUAWK_BIN';
  return [{ file: '', rule: 'squawk', message }];
}

async function roundTrip(ownerUrl: string, files: MigrationFiles): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  await inScratchDatabase(ownerUrl, async (sql) => {
    let ofInstance: ReadonlySet<string> = new Set();
    let columns: readonly string[] = [];
    for (const file of inOrder(files)) {
      if (file.phase !== 'expand') continue;
      await runText(sql, file, file.sql);
      const now = new Set(await columnsOf(sql));
      for (const column of columns.filter((each) => !now.has(each))) {
        const message = `takes away ${column}; a Contract does that`;
        findings.push({ file: fileOf(file), rule: 'expand-takes-away', message });
      }
      columns = [...now];
      const tables = await tablesOf(sql);
      if (file.folder === 'global') ofInstance = new Set(tables.map(({ name }) => name));
      else findings.push(...tableFindings(file, tables, ofInstance));
    }
    await inSchema(sql, files);
    await tryContracts(
      sql,
      files,
      inOrder(files).filter(({ phase }) => phase === 'contract'),
    );
  }).catch((error) => findings.push(findingOf(error, 'round-trip')));
  return findings;
}

interface Table {
  readonly name: string;
  readonly bound: boolean;
  readonly enabled: boolean;
  readonly forced: boolean;
  readonly policies: number;
}

async function tablesOf(sql: Sql): Promise<readonly Table[]> {
  const rows = await sql`
    SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
      EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'workspace_id' AND a.attnotnull) AS bound,
      (SELECT count(*)::integer FROM pg_policy p WHERE p.polrelid = c.oid) AS policies
    FROM pg_class c WHERE c.relnamespace = 'portarium'::regnamespace AND c.relkind IN ('r', 'p')`;
  return rows.map((row) => ({
    name: row.name as string,
    bound: row.bound as boolean,
    enabled: row.enabled as boolean,
    forced: row.forced as boolean,
    policies: row.policies as number,
  }));
}

/** Whatever way a file has of taking one away. @returns `TABLE.COLUMN, a TYPE` */
async function columnsOf(sql: Sql): Promise<readonly string[]> {
  const rows = await sql`
    SELECT format('%s.%s, a %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod)) AS line
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'portarium'::regnamespace AND c.relkind IN ('r', 'v', 'p', 'm') ORDER BY 1`;
  return rows.map(({ line }) => line as string);
}

/** Every table of a workspace, old and new, keeps the others out after each file. */
function tableFindings(
  migration: Migration,
  tables: readonly Table[],
  ofInstance: ReadonlySet<string>,
): readonly Finding[] {
  const file = fileOf(migration);
  const findings: Finding[] = [];
  for (const { name, bound, enabled, forced, policies } of tables) {
    if (ofInstance.has(name)) continue;
    if (!bound) {
      const message = `the table ${name} has no workspace_id NOT NULL`;
      findings.push({ file, rule: 'workspace-id', message });
    }
    if (!enabled || !forced || policies === 0) {
      const message = `the table ${name} does not keep workspaces apart: enable and force row level security, with a policy by workspace_id`;
      findings.push({ file, rule: 'row-security', message });
    }
  }
  return findings;
}

/** As a workspace of tier B has them: what a file finds only in the shared schema is missing there. */
async function inSchema(sql: Sql, files: MigrationFiles): Promise<void> {
  const schema = 'ws_scratch';
  await sql.unsafe(`CREATE SCHEMA ${schema} AUTHORIZATION portarium_schema`);
  const target = { schema, runtimeRole: 'portarium_runtime', destroyRole: 'portarium_destroy' };
  for (const file of files.tenant) {
    if (file.phase !== 'expand') continue;
    await runText(sql, file, sqlFor(target, file.sql), schema).catch((error) => {
      throw new MigrationError(
        `${(error as Error).message}, in a schema of a workspace’s own; say portarium.NAME for a global table`,
        { cause: error },
      );
    });
  }
}

function without(
  exceptions: readonly Exception[],
  findings: readonly Finding[],
): readonly Finding[] {
  return findings.filter((finding) => !exceptions.some((one) => isAbout(one, finding)));
}

/** An exception that nothing needs hides the next mistake. */
function unused(
  exceptions: readonly Exception[],
  files: readonly Migration[],
  findings: readonly Finding[],
): readonly Finding[] {
  const there = new Set(files.map(fileOf));
  const linted = !findings.some(({ rule }) => rule === 'squawk');
  return exceptions
    .filter((one) => linted && there.has(one.file) && !findings.some((each) => isAbout(one, each)))
    .map(({ file, rule }) => ({
      ...{ file, rule: 'exception' },
      message: `nothing needs its exception from ${rule}; take it out of check-exceptions.ts`,
    }));
}

const isAbout = (exception: Exception, { file, rule }: Finding) =>
  exception.file === file && exception.rule === rule;
