/**
 * Everything of one workspace that is in PostgreSQL, as one file: gzip over lines of text. A header, then each tenant table
 * as `COPY` writes it behind a line that names its columns, then a trailer with rows and digests. Artifacts are in the
 * evidence store, keys and events with the instance.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import type { WorkspaceId } from '@portarium/contracts/ids';
import * as v from 'valibot';
import { connect, type Sql, type TransactionSql } from '../connect.ts';
import type { MigrationTarget } from './migration-target.ts';
import { assertPlain } from './names.ts';
import { ProvisionError } from './provision.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const HeaderSchema = v.object({
  portarium: v.literal('workspace-backup'),
  v: v.literal(1),
  workspace: v.string(),
  tier: v.picklist(['A', 'B', 'C']),
  /** Of the product that wrote it. */
  product: v.string(),
  /** The newest tenant migration of what was backed up. */
  schemaVersion: count,
  /** RFC 3339. */
  takenAt: v.string(),
});
export type BackupHeader = v.InferOutput<typeof HeaderSchema>;

const SectionSchema = v.object({ table: v.string(), columns: v.array(v.string()) });
const TableSchema = v.object({ table: v.string(), rows: count, sha256: v.string() });
const TrailerSchema = v.object({ tables: v.array(TableSchema) });
export type BackedUpTable = v.InferOutput<typeof TableSchema>;

export interface BackupSummary extends BackupHeader {
  readonly tables: readonly BackedUpTable[];
}

/** What `COPY` ends with; its own backslashes are doubled, so no row looks like it. */
const END = '\\.';

export interface WorkspacePlace {
  readonly workspace: WorkspaceId;
  readonly tier: 'A' | 'B' | 'C';
  readonly target: Pick<MigrationTarget, 'ownerUrl' | 'schema'>;
}

/**
 * Writes `file` as it was at one moment, complete or not at all.
 * @param onTable told of each table before it is read
 */
export async function backUpWorkspace(
  place: WorkspacePlace,
  about: Pick<BackupHeader, 'product' | 'schemaVersion'>,
  file: string,
  onTable: (table: string) => void = () => undefined,
): Promise<BackupSummary> {
  const sql = connect(place.target.ownerUrl, { max: 1, name: 'portarium-backup' });
  const part = `${file}.part`;
  try {
    return await sql.begin('ISOLATION LEVEL REPEATABLE READ READ ONLY', async (tx) => {
      await tx`SET LOCAL statement_timeout = 0`;
      await assertSeesAll(tx);
      const { workspace, tier } = place;
      const header: BackupHeader = {
        ...{ portarium: 'workspace-backup', v: 1, workspace, tier, ...about },
        takenAt: new Date().toISOString(),
      };
      const tables: BackedUpTable[] = [];
      await pipeline(
        Readable.from(linesOf(tx, place, header, tables, onTable)),
        createGzip(),
        createWriteStream(part, { mode: 0o600, flush: true }),
      );
      await rename(part, file);
      return { ...header, tables };
    });
  } finally {
    await rm(part, { force: true });
    await sql.end({ timeout: 5 });
  }
}

async function* linesOf(
  tx: TransactionSql,
  { workspace, target }: WorkspacePlace,
  header: BackupHeader,
  tables: BackedUpTable[],
  onTable: (table: string) => void,
): AsyncGenerator<Uint8Array> {
  const line = (value: unknown) => Buffer.from(`${JSON.stringify(value)}\n`);
  yield line(header);
  for (const table of await tenantTables(tx, target.schema)) {
    onTable(table);
    const columns = await columnsOf(tx, target.schema, table);
    yield line({ table, columns });
    const rows = await tx
      .unsafe(
        `COPY (SELECT ${columns.map(assertPlain).join(', ')} FROM ${target.schema}.${table} WHERE workspace_id = '${workspace}') TO STDOUT`,
      )
      .readable();
    const hash = createHash('sha256');
    let seen = 0;
    for await (const chunk of rows as AsyncIterable<Buffer>) {
      hash.update(chunk);
      for (const byte of chunk) if (byte === 10) seen += 1;
      yield chunk;
    }
    yield Buffer.from(`${END}\n`);
    tables.push({ table, rows: seen, sha256: hash.digest('hex') });
  }
  yield line({ tables });
}

/** Row-level security would leave rows out without a word, and `COPY` into its tables is refused. */
async function assertSeesAll(sql: Sql | TransactionSql): Promise<void> {
  const [row] = await sql`
    SELECT rolsuper OR rolbypassrls AS sees FROM pg_roles WHERE rolname = current_user`;
  if (row?.sees) return;
  throw new ProvisionError(
    'the owner of the database has to be a superuser or have BYPASSRLS to read every row; give it that, or back the whole database up',
  );
}

/** Tables whose rows are bound to a workspace, by the policy that all of them have. */
async function tenantTables(sql: Sql | TransactionSql, schema: string): Promise<readonly string[]> {
  const rows = await sql`
    SELECT tablename FROM pg_policies WHERE schemaname = ${schema} AND policyname = 'bound_workspace' ORDER BY tablename`;
  return rows.map(({ tablename }) => assertPlain(tablename as string));
}

/** In their order; without those that are computed. */
export async function columnsOf(
  sql: Sql | TransactionSql,
  schema: string,
  table: string,
): Promise<readonly string[]> {
  const rows = await sql`
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = ${schema} AND table_name = ${table} AND is_generated = 'NEVER' ORDER BY ordinal_position`;
  return rows.map(({ column_name }) => assertPlain(column_name as string));
}

/** A piece of a backup: the header, the begin of a table, rows of it, or the trailer. */
type Piece =
  | { readonly kind: 'header'; readonly header: BackupHeader }
  | { readonly kind: 'table'; readonly table: string; readonly columns: readonly string[] }
  | { readonly kind: 'rows'; readonly text: Buffer }
  | { readonly kind: 'end' }
  | { readonly kind: 'trailer'; readonly tables: readonly BackedUpTable[] };

const damaged = (file: string, why: string) =>
  new ProvisionError(`${file} is no whole backup of a workspace: ${why}; use another one`);

async function* piecesOf(file: string): AsyncGenerator<Piece> {
  let within = false;
  let first = true;
  for await (const text of linesIn(file)) {
    if (within) {
      within = text.toString() !== `${END}\n`;
      yield within ? { kind: 'rows', text } : { kind: 'end' };
      continue;
    }
    const value = jsonOf(file, text);
    if (first) {
      first = false;
      const header = v.safeParse(HeaderSchema, value);
      if (!header.success) throw damaged(file, 'its first line does not say what it is');
      yield { kind: 'header', header: header.output };
      continue;
    }
    const section = v.safeParse(SectionSchema, value);
    if (section.success) {
      within = true;
      yield { kind: 'table', ...section.output };
      continue;
    }
    const trailer = v.safeParse(TrailerSchema, value);
    if (!trailer.success) throw damaged(file, 'a line is neither a table nor its end');
    yield { kind: 'trailer', tables: trailer.output.tables };
    return;
  }
  throw damaged(file, 'its end is missing');
}

function jsonOf(file: string, line: Buffer): unknown {
  try {
    return JSON.parse(line.toString());
  } catch {
    throw damaged(file, 'a line is not JSON');
  }
}

async function* linesIn(file: string): AsyncGenerator<Buffer> {
  const source = createReadStream(file);
  const gunzip = createGunzip();
  source.on('error', (error) => gunzip.destroy(error));
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of source.pipe(gunzip) as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let from = 0;
      for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10, from)) {
        yield rest.subarray(from, at + 1);
        from = at + 1;
      }
      rest = rest.subarray(from);
    }
  } catch (error) {
    throw damaged(file, (error as Error).message);
  } finally {
    source.destroy();
  }
}

/** Reads the whole file and compares every digest, before anything is written. @throws ProvisionError */
export async function checkBackup(file: string): Promise<BackupSummary> {
  let header: BackupHeader | undefined;
  const tables: BackedUpTable[] = [];
  let hash = createHash('sha256');
  let open: { table: string; rows: number } | undefined;
  for await (const piece of piecesOf(file)) {
    if (piece.kind === 'header') header = piece.header;
    if (piece.kind === 'table') {
      open = { table: piece.table, rows: 0 };
      hash = createHash('sha256');
    }
    if (piece.kind === 'rows' && open) {
      hash.update(piece.text);
      open.rows += 1;
    }
    if (piece.kind === 'end' && open) tables.push({ ...open, sha256: hash.digest('hex') });
    if (piece.kind === 'trailer' && JSON.stringify(piece.tables) !== JSON.stringify(tables)) {
      throw damaged(file, 'its tables are not what its end says');
    }
  }
  if (!header) throw damaged(file, 'it has no header');
  return { ...header, tables };
}

/** Tables of a frozen log's reason: whether it is frozen is found out anew. */
const LEFT_OUT = new Set(['log_freezes']);

/** Copies every row of a checked backup into the tables of a schema, in the transaction. */
export async function copyIn(
  tx: TransactionSql,
  schema: string,
  { file, workspace }: { readonly file: string; readonly workspace: string },
): Promise<void> {
  await assertSeesAll(tx);
  await tx`
    SELECT set_config('portarium.workspace', ${workspace}, true), set_config('portarium.restoring', 'on', true),
      set_config('search_path', ${schema}, true), set_config('statement_timeout', '0', true)`;
  const known = new Set(await tenantTables(tx, schema));
  const pieces = piecesOf(file);
  for await (const piece of pieces) {
    if (piece.kind !== 'table') continue;
    const { table, columns } = piece;
    if (!known.has(table)) throw damaged(file, `this release has no table ${table}`);
    const rows = rowsOf(pieces);
    if (LEFT_OUT.has(table)) {
      for await (const _ of rows);
      continue;
    }
    const into = await tx
      .unsafe(`COPY ${schema}.${table} (${columns.map(assertPlain).join(', ')}) FROM STDIN`)
      .writable();
    await pipeline(Readable.from(rows), into);
  }
}

/** Those up to the end of the table that has begun; the rest stays in `pieces`. */
async function* rowsOf(pieces: AsyncGenerator<Piece>): AsyncGenerator<Buffer> {
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
    if (next.value.kind === 'end') return;
    if (next.value.kind === 'rows') yield next.value.text;
  }
}
