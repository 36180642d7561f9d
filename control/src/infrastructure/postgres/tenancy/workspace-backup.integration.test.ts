import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { sealLog } from '../../../application/seal-log.ts';
import { MIGRATIONS } from '../../../compose.ts';
import { createIn } from '../../../testing/provision.ts';
import { startTestInstance, type TestInstance } from '../../../testing/test-instance.ts';
import { uploadForm } from '../../../testing/upload-form.ts';
import { connect } from '../connect.ts';
import { type MigrationFiles, readAllMigrations } from '../migrations/migration-files.ts';
import {
  databaseTarget,
  type MigrationTarget,
  schemaTarget,
  sharedTargets,
} from './migration-target.ts';
import { drill, restoreWorkspace } from './restore-workspace.ts';
import { backUpWorkspace, checkBackup } from './workspace-backup.ts';

let instance: TestInstance;
let folder = '';
let files: MigrationFiles;
const TIERS = ['A', 'B', 'C'] as const;
type Tier = (typeof TIERS)[number];
const idOf = (tier: Tier) => `kept-${tier.toLowerCase()}` as WorkspaceId;
const fileOf = (tier: Tier) => join(folder, `${tier}.backup`);

beforeAll(async () => {
  instance = await startTestInstance();
  folder = await mkdtemp(join(tmpdir(), 'portarium-backup-'));
  files = await readAllMigrations(MIGRATIONS);
  for (const tier of TIERS) {
    expect((await createIn(instance, idOf(tier), tier)).status).toBe(201);
    await ask(tier, 3);
  }
}, 120_000);
afterAll(async () => {
  await instance[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
}, 30_000);

const send = (tier: Tier, method: string, path: string, more: object = {}) =>
  instance.call(method, `/v1/workspaces/${idOf(tier)}${path}`, { role: 'admin', ...more });

async function ask(tier: Tier, times: number): Promise<void> {
  await send(tier, 'POST', '/plugins', { body: uploadForm() });
  for (let i = 0; i < times; i++) {
    const text = `tabs\tand\nlines \\ of ${tier} ${i} \\.`;
    const json = { plugin: 'echo', operation: 'echo', input: { text }, labels: { text: '\\N' } };
    expect((await send(tier, 'POST', '/actions', { json })).status).toBe(202);
  }
}

const actionsOf = async (tier: Tier) =>
  ((await (await send(tier, 'GET', '/actions')).json()) as { items: { id: string }[] }).items;

function placeOf(tier: Tier) {
  const [, shared] = sharedTargets(instance.ownerUrl);
  const target: MigrationTarget | undefined =
    tier === 'A'
      ? shared
      : (tier === 'B' ? schemaTarget : databaseTarget)(instance.ownerUrl, idOf(tier));
  if (!target) throw new Error('no target');
  return { workspace: idOf(tier), tier, target };
}
const backUp = (tier: Tier) =>
  backUpWorkspace(
    placeOf(tier),
    { product: 'test', schemaVersion: files.tenant.length },
    fileOf(tier),
  );
const restore = (tier: Tier, replace = true, file = fileOf(tier)) =>
  restoreWorkspace(instance.ownerUrl, placeOf(tier), files, { file, replace });

for (const tier of TIERS) {
  test(`a backup of tier ${tier} holds every row of its workspace and no other, and the drill verifies its log`, async () => {
    await sealLog(instance.composed.context, idOf(tier), { keep: true });
    const made = await backUp(tier);
    expect(await checkBackup(fileOf(tier))).toEqual(made);
    const { size } = (await instance.composed.context.store.read(idOf(tier), (tx) =>
      tx.checkpoint(),
    )) ?? { size: 0 };
    const rows = Object.fromEntries(made.tables.map((table) => [table.table, table.rows]));
    expect(rows).toMatchObject({ actions: 3, plugins: 1, log_heads: 1 });
    const text = gunzipSync(await readFile(fileOf(tier))).toString();
    for (const other of TIERS) if (other !== tier) expect(text).not.toContain(idOf(other));
    const drilled = await drill(instance.ownerUrl, files, fileOf(tier));
    expect(drilled.problems).toEqual([]);
    expect(drilled.checkpoint?.size).toBe(size);
    expect(drilled.entries).toBe(rows.log_entries ?? 0);
  }, 60_000);
}

test('a backup with one changed byte is refused, and one whose digests were made to fit does not verify', async () => {
  const whole = gunzipSync(await readFile(fileOf('B')));
  const file = join(folder, 'changed.backup');
  const at = whole.indexOf('tabs\\\\tand');
  const write = (bytes: Uint8Array) => writeFile(file, gzipSync(bytes));
  for (const position of [10, at === -1 ? Math.floor(whole.length / 2) : at, whole.length - 20]) {
    const changed = Buffer.from(whole);
    changed[position] = (changed[position] ?? 0) ^ 1;
    await write(changed);
    await expect(drill(instance.ownerUrl, files, file)).rejects.toThrow('no whole backup');
  }
  await write(whole.subarray(0, whole.length - 5));
  await expect(checkBackup(file)).rejects.toThrow('no whole backup');
  await writeFile(file, (await readFile(fileOf('B'))).subarray(0, 500));
  await expect(checkBackup(file)).rejects.toThrow('no whole backup');
  // Somebody who rewrites an entry and every digest of the file.
  const lines = whole.toString('latin1').split('\n');
  const section = lines.findIndex((line) => line.startsWith('{"table":"log_entries"'));
  const entry = section + 2;
  lines[entry] = (lines[entry] ?? '').replace(/7b22/, '7b20');
  const { createHash } = await import('node:crypto');
  const end = lines.indexOf('\\.', section);
  const body = `${lines.slice(section + 1, end).join('\n')}\n`;
  const sha256 = createHash('sha256').update(Buffer.from(body, 'latin1')).digest('hex');
  const trailer = JSON.parse(lines.at(-2) ?? '') as { tables: { table: string; sha256: string }[] };
  for (const table of trailer.tables) if (table.table === 'log_entries') table.sha256 = sha256;
  lines[lines.length - 2] = JSON.stringify(trailer);
  await write(Buffer.from(lines.join('\n'), 'latin1'));
  await checkBackup(file);
  const outcome = await drill(instance.ownerUrl, files, file).then(
    ({ problems }) => problems.join(' '),
    (error: Error) => error.message,
  );
  expect(outcome).toMatch(/is not what its hash says|JSON/);
  await expect(restore('B', true, file)).rejects.toThrow();
  expect(await actionsOf('B')).toHaveLength(3);
}, 60_000);

for (const tier of ['B', 'C'] as const) {
  test(`a restore of tier ${tier} is as the backup was; its log is held against the evidence store before its next entry`, async () => {
    const before = await actionsOf(tier);
    await ask(tier, 2);
    expect(await actionsOf(tier)).toHaveLength(5);
    await expect(restore(tier, false)).rejects.toThrow('say --replace');
    await sealLog(instance.composed.context, idOf(tier), { keep: true });
    const restored = await restore(tier);
    expect(restored.problems).toEqual([]);
    expect((await actionsOf(tier)).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    // The store knows more than what was restored.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const json = { plugin: 'echo', operation: 'echo', input: { text: 'after' } };
    const refused = await send(tier, 'POST', '/actions', { json });
    expect([refused.status, (await refused.json()).code]).toEqual([503, 'evidence.rolled-back']);
    const recovered = await send(tier, 'POST', '/evidence/recovery', { json: { rationale: 'x' } });
    expect(recovered.status).toBe(200);
    expect((await send(tier, 'POST', '/actions', { json })).status).toBe(202);
    const path = `/v1/workspaces/${idOf(tier)}/evidence/export`;
    const bundle = await (await instance.call('GET', path, { role: 'admin' })).arrayBuffer();
    const [pin] = instance.composed.context.signer.verifierKeys(idOf(tier));
    const report = await verifyBundle(new Uint8Array(bundle), { pin });
    expect([report.verdict, report.findings]).toEqual(['verified', []]);
    const owner = connect(placeOf(tier).target.ownerUrl, { max: 1, name: 'test' });
    const left = await owner`SELECT FROM pg_namespace WHERE nspname LIKE '%_before'`;
    await owner.end();
    expect(left).toHaveLength(0);
  }, 60_000);
}

test('tier A is restored where there is none of it, and refused where there is', async () => {
  await expect(restore('A')).rejects.toThrow('a log is never taken away');
  const other = await startTestInstance();
  try {
    const [, target] = sharedTargets(other.ownerUrl);
    if (!target) throw new Error('no target');
    const place = { workspace: idOf('A'), tier: 'A' as const, target };
    const restored = await restoreWorkspace(other.ownerUrl, place, files, {
      ...{ file: fileOf('A'), replace: false },
    });
    expect(restored.problems).toEqual([]);
    const found = await other.composed.context.sealerStore.read(idOf('A'), (tx) =>
      tx.listActions({ limit: 10 }),
    );
    expect(found).toHaveLength(3);
  } finally {
    await other[Symbol.asyncDispose]();
  }
}, 60_000);

test('a backup of another schema, tier or workspace is refused before anything is changed', async () => {
  const older = { ...files, tenant: files.tenant.slice(0, -1) };
  await expect(drill(instance.ownerUrl, older, fileOf('B'))).rejects.toThrow(
    'restore it with that release',
  );
  await expect(restore('C', true, fileOf('B'))).rejects.toThrow('is of kept-b, not of kept-c');
});
