/**
 * The files of `migrations/global` and `migrations/tenant`: plain SQL under a header that says what they are. A file
 * that was applied never changes.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export const MIGRATION_FOLDERS = ['global', 'tenant'] as const;
export type MigrationFolder = (typeof MIGRATION_FOLDERS)[number];

export interface Migration {
  readonly folder: MigrationFolder;
  readonly version: number;
  /** Of the file. */
  readonly name: string;
  /** `expand` adds and harms nobody; `contract` takes away what no running release needs. */
  readonly phase: 'expand' | 'contract';
  readonly description: string;
  readonly reversible: boolean;
  /** How long its statements may wait for a lock each; they are tried again after it. */
  readonly lockBudgetMs: number;
  /** Statements run one by one, outside of a transaction: for indexes that are built while others write. */
  readonly transaction: boolean;
  /** Name of the Expand that a Contract ends. */
  readonly requires: string | undefined;
  readonly sql: string;
  readonly rollback: string | undefined;
  /** SHA-256 of the file, in hexadecimal. */
  readonly checksum: string;
}

/** A defect of the files, of a journal or of a target; `message` names it and says what to do. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

const FILE = /^(\d{4})_(expand|contract)_([a-z0-9_]+)\.sql$/;
const ROLLBACK = /^-- rollback\s*$/m;
/** Longer waits queue whoever comes behind them. */
const MAX_LOCK_BUDGET_MS = 500;

/** Reads the files of one folder, by version. @throws MigrationError for a bad name, a gap or a bad header */
export async function readMigrations(
  root: string,
  folder: MigrationFolder,
): Promise<readonly Migration[]> {
  const files = (await readdir(join(root, folder))).filter((file) => file.endsWith('.sql')).sort();
  const migrations: Migration[] = [];
  for (const file of files) {
    const named = `${folder}/${file}`;
    const match = FILE.exec(file);
    if (!match) {
      throw new MigrationError(`${named}: name it NNNN_expand_what.sql or NNNN_contract_what.sql`);
    }
    const version = Number(match[1]);
    if (version !== migrations.length + 1) {
      throw new MigrationError(
        `${named}: expected version ${migrations.length + 1}; versions have no gaps`,
      );
    }
    const text = await readFile(join(root, folder, file), 'utf8');
    const phase = match[2] as Migration['phase'];
    migrations.push({ folder, version, name: file, ...parsed(named, phase, text) });
  }
  return migrations;
}

function parsed(
  named: string,
  phase: Migration['phase'],
  text: string,
): Omit<Migration, 'folder' | 'version' | 'name'> {
  const wrong = (what: string) => new MigrationError(`${named}: ${what}`);
  const header = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (!line.startsWith('--')) break;
    const match = /^-- ([a-z-]+)(?::\s*(.*))?$/.exec(line);
    if (match?.[1]) header.set(match[1], match[2]?.trim() ?? '');
  }
  const [sql = '', ...rest] = text.split(ROLLBACK);
  const rollback = rest.length === 0 ? undefined : rest.join('');
  if (header.get('phase') !== phase) throw wrong(`its header needs "-- phase: ${phase}"`);
  const description = header.get('description') ?? '';
  if (description === '') throw wrong('its header needs "-- description: …"');
  const reversible = header.get('reversible');
  if (reversible !== 'yes' && reversible !== 'no') {
    throw wrong('its header needs "-- reversible: yes" or "no"');
  }
  const lockBudgetMs = Number(header.get('lock-budget-ms') ?? Number.NaN);
  if (!(lockBudgetMs > 0 && lockBudgetMs <= MAX_LOCK_BUDGET_MS)) {
    throw wrong(`its header needs "-- lock-budget-ms: N", at most ${MAX_LOCK_BUDGET_MS}`);
  }
  const requires = header.get('requires');
  if (phase === 'contract' && !requires) {
    throw wrong('a Contract names the Expand that it ends: "-- requires: NNNN_expand_what.sql"');
  }
  if (phase === 'contract' && !rollback?.trim()) {
    throw wrong('a Contract needs a part behind "-- rollback" that puts back what it takes away');
  }
  return {
    ...{ phase, description, lockBudgetMs, requires, sql, rollback },
    reversible: reversible === 'yes',
    transaction: !header.has('no-transaction'),
    checksum: createHash('sha256').update(text).digest('hex'),
  };
}

export type MigrationFiles = { readonly [F in MigrationFolder]: readonly Migration[] };

/** Both folders. @throws MigrationError */
export async function readAllMigrations(root: string): Promise<MigrationFiles> {
  const [global, tenant] = await Promise.all(
    MIGRATION_FOLDERS.map((folder) => readMigrations(root, folder)),
  );
  return { global: global ?? [], tenant: tenant ?? [] };
}

/** The statements of a file that runs without a transaction; it has no functions, so a semicolon ends each. */
export function statementsOf(sql: string): readonly string[] {
  return sql
    .replaceAll(/^--.*$/gm, '')
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}
