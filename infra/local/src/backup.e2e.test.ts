import { afterAll, beforeAll, expect, test } from 'bun:test';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { migrate } from '@portarium/control/infrastructure/postgres/migrations/migrate';
import postgres from 'postgres';
import { backupStack } from './backup-stack.ts';
import { dataFolderAt } from './data-folder.ts';
import { ageOf, ownVersion, readDataVersion } from './data-version.ts';
import { examine } from './doctor.ts';
import { readEnvironment } from './environment.ts';
import { REPOSITORY_ROOT } from './repository.ts';
import { restoreStack } from './restore-stack.ts';
import { readStatus } from './running-stack.ts';
import { startServices } from './start-services.ts';
import { type RunningStack, startStack } from './start-stack.ts';
import { callStack, pushPlugin } from './testing/stack-calls.ts';
import { unfinishedUpgrade } from './upgrade.ts';

const root = mkdtempSync(join(tmpdir(), 'portarium-backup-'));
chmodSync(root, 0o711);
const first = join(root, 'first');
const file = join(root, 'backups/one.tar.gz');
let pin = '';
let entries = 0;

async function run(stack: RunningStack): Promise<{ state: string }> {
  const response = await callStack(stack, 'operator', 'POST', '/actions', {
    headers: { 'content-type': 'application/json', prefer: 'wait=30' },
    body: JSON.stringify({
      ...{ plugin: 'csv-insights', operation: 'summarise', input: { csv: 'a\n1\n' } },
    }),
  });
  return (await response.json()) as { state: string };
}

async function verified(stack: RunningStack): Promise<number> {
  const bundle = await callStack(stack, 'auditor', 'GET', '/evidence/export');
  const report = await verifyBundle(new Uint8Array(await bundle.arrayBuffer()), { pin });
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
  return report.entries;
}

async function doctorSays(path: string, about: string): Promise<string | undefined> {
  const findings = await examine(path, readEnvironment());
  return findings.find(({ name }) => name === about)?.detail;
}

beforeAll(async () => {
  const stack = await startStack({ dataDir: first });
  try {
    await pushPlugin(stack, 'plugins/examples/csv-insights');
    expect((await run(stack)).state).toBe('succeeded');
    const keys = await callStack(stack, 'auditor', 'GET', '/evidence/vkeys');
    pin = (await keys.text()).split('\n')[0] ?? '';
    entries = await verified(stack);
    await expect(backupStack(first, file)).rejects.toThrow('portarium down');
  } finally {
    await stack.stop();
  }
}, 300_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('a backup is one private file, and restored elsewhere it goes on where it was', async () => {
  const backup = await backupStack(first, file);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(backup.manifest.version).toEqual(ownVersion());
  expect(existsSync(join(first, 'backup.json'))).toBe(false);
  await expect(backupStack(first, file)).rejects.toThrow('is there already');

  const second = join(root, 'second');
  const told: string[] = [];
  await restoreStack(file, second, { onProgress: ({ step }) => told.push(step) });
  expect(new Set(told)).toEqual(new Set(['unpacking', 'verifying']));
  const stack = await startStack({ dataDir: second });
  try {
    expect(await doctorSays(second, 'stack')).toBe(`runs at ${stack.url} (process ${process.pid})`);
    expect(await verified(stack)).toBe(entries);
    expect((await run(stack)).state).toBe('succeeded');
    expect(await verified(stack)).toBeGreaterThan(entries);
  } finally {
    await stack.stop();
  }
  expect(await doctorSays(second, 'stack')).toBe('none runs on this data folder');
  expect(await doctorSays(second, 'data contents')).toBe('whole');
}, 180_000);

test('a backup with one changed byte, one that is cut off, and what is none at all are refused, and nothing is left', async () => {
  const bytes = gunzipSync(readFileSync(file));
  const at = bytes.indexOf('"masterKey');
  const secret = bytes.indexOf('postgresOwnerPassword', bytes.indexOf('secrets.json', at + 1));
  expect(secret).toBeGreaterThan(0);
  const changed = Buffer.from(bytes);
  changed[secret + 30] = (changed[secret + 30] ?? 0) ^ 1;
  const damages: [string, Buffer, RegExp][] = [
    ['changed', gzipSync(changed), /secrets\.json has other bytes/],
    ['short', readFileSync(file).subarray(0, statSync(file).size / 2), /is no whole backup/],
    ['other', gzipSync(Buffer.from('nothing like a backup')), /is no whole backup/],
  ];
  for (const [name, content, why] of damages) {
    const bad = join(root, `${name}.tar.gz`);
    writeFileSync(bad, content);
    const target = join(root, `from-${name}`);
    await expect(restoreStack(bad, target)).rejects.toThrow(why);
    expect(existsSync(target)).toBe(false);
  }
  expect(readdirSync(root).filter((name) => name.includes('.restore-'))).toEqual([]);
}, 60_000);

test('nothing is written over, nothing is made of a newer version, and nothing is backed up of nothing', async () => {
  await expect(restoreStack(file, first)).rejects.toThrow('is not empty');
  await expect(restoreStack(join(root, 'none'), join(root, 'x'))).rejects.toThrow(
    'There is no file',
  );
  await expect(backupStack(join(root, 'nowhere'), join(root, 'y'))).rejects.toThrow(
    'nothing to back up',
  );
  const newer = join(root, 'newer');
  cpSync(first, newer, { recursive: true });
  const version = ownVersion();
  const { migrations } = version;
  writeFileSync(
    dataFolderAt(newer).version,
    JSON.stringify({
      product: '9.0.0',
      migrations: { ...migrations, tenant: migrations.tenant + 1 },
    }),
  );
  await expect(startStack({ dataDir: newer })).rejects.toThrow('newer version (9.0.0)');
  const finding = (await examine(newer, readEnvironment())).find(
    ({ name }) => name === 'data version',
  );
  expect(finding).toMatchObject({ ok: false, needed: true });
  expect(finding?.fix).toContain('restore a backup');
  const made = join(root, 'newer.tar.gz');
  await backupStack(newer, made);
  await expect(restoreStack(made, join(root, 'z'))).rejects.toThrow(
    'made by a newer version (9.0.0',
  );
}, 60_000);

/** A folder whose database has the migrations before `before` only, and a row of a workspace. */
async function olderFolder(path: string, before: string): Promise<void> {
  const older = `${path}-migrations`;
  for (const part of ['global', 'tenant']) {
    mkdirSync(join(older, part), { recursive: true });
    for (const name of readdirSync(join(REPOSITORY_ROOT, 'migrations', part))) {
      if (name < before)
        cpSync(join(REPOSITORY_ROOT, 'migrations', part, name), join(older, part, name));
    }
  }
  const services = await startServices({ dataDir: path });
  try {
    const { url, ownerUrl } = services.postgres;
    await migrate({ ownerUrl, runtimeUrl: url, folder: older, toolVersion: '0.0.9' });
    const sql = postgres(ownerUrl, { max: 1, onnotice: () => {} });
    await sql`INSERT INTO portarium.workspaces (id, name, tenancy_tier, created_at) VALUES ('heirloom', 'Of before', 'A', now())`;
    await sql.end();
  } finally {
    await services.stop();
  }
}

for (const before of ['0002', '0003']) {
  test(`a folder whose migrations end before ${before} is backed up, then upgraded, and what it holds is there`, async () => {
    const old = join(root, `old-${before}`);
    await olderFolder(old, before);
    const folder = dataFolderAt(old);
    expect([ageOf(folder), readDataVersion(folder)]).toEqual(['older', undefined]);
    expect(await doctorSays(old, 'data version')).toContain(
      'the next start backs it up and upgrades it',
    );

    const said: string[] = [];
    const stack = await startStack({
      dataDir: old,
      onProgress: ({ part, detail }) => {
        if (part === 'migrate' && detail !== undefined) said.push(detail);
      },
    });
    try {
      const found = await fetch(`${stack.url}/v1/workspaces/heirloom`, {
        headers: { authorization: `Bearer ${stack.keys.admin}` },
      });
      expect(await found.json()).toMatchObject({ id: 'heirloom', name: 'Of before' });
    } finally {
      await stack.stop();
    }
    expect(said.join('\n')).toContain('older version; backing it up to');
    expect([ageOf(folder), readDataVersion(folder)]).toEqual(['same', ownVersion()]);
    expect(unfinishedUpgrade(folder)).toBeUndefined();
    const [kept = ''] = readdirSync(folder.backups);
    // What was before the upgrade can be had again, and upgraded again.
    const again = join(root, `again-${before}`);
    const { version } = await restoreStack(join(folder.backups, kept), again);
    expect(version).toBeNull();
    expect(ageOf(dataFolderAt(again))).toBe('older');
  }, 180_000);
}

test('an upgrade that fails names the backup of before, which later tries neither push out nor repeat', async () => {
  const old = join(root, 'stubborn');
  await olderFolder(old, '0002');
  const folder = dataFolderAt(old);
  // Something of somebody's own stands where the next migration wants to put a table.
  const services = await startServices({ dataDir: old });
  const sql = postgres(services.postgres.ownerUrl, { max: 1, onnotice: () => {} });
  const [taken = ''] = tablesOf('tenant/0002_expand_safe_writes.sql');
  await sql.unsafe(`CREATE TABLE portarium.${taken} (mine integer)`);
  await sql.end();
  await services.stop();

  for (const _ of [1, 2, 3, 4, 5]) {
    const failed = await startStack({ dataDir: old }).catch(String);
    const [kept = '', ...others] = readdirSync(folder.backups);
    expect([failed, others]).toEqual([
      expect.stringContaining(`as it was before is in ${join(folder.backups, kept)}`),
      [],
    ] as never);
    expect(failed).toContain('already exists');
    expect(readStatus(old).error).toContain(kept);
  }
  expect(await doctorSays(old, 'data version')).toContain('its upgrade did not end');
  expect(await doctorSays(old, 'stack')).toContain('the last start failed');
  const { version } = await restoreStack(
    join(folder.backups, readdirSync(folder.backups)[0] ?? ''),
    join(root, 'as-before'),
  );
  expect(version).toBeNull();

  const mended = await startServices({ dataDir: old });
  const owner = postgres(mended.postgres.ownerUrl, { max: 1, onnotice: () => {} });
  await owner.unsafe(`DROP TABLE portarium.${taken}`);
  await owner.end();
  await mended.stop();
  await (await startStack({ dataDir: old })).stop();
  expect([ageOf(folder), unfinishedUpgrade(folder)]).toEqual(['same', undefined]);
}, 240_000);

function tablesOf(migration: string): string[] {
  const text = readFileSync(join(REPOSITORY_ROOT, 'migrations', migration), 'utf8');
  return [...text.matchAll(/CREATE TABLE (?:portarium\.)?(\w+)/g)].map(([, name = '']) => name);
}

test('a first start that is interrupted leaves no folder of unknown age', async () => {
  const dataDir = join(root, 'interrupted');
  const stop = new AbortController();
  const starting = startStack({
    ...{ dataDir, signal: stop.signal },
    onProgress: ({ part, state }) => {
      if (part === 'postgres' && state === 'ready') stop.abort();
    },
  });
  await expect(starting).rejects.toThrow('interrupted');
  expect(ageOf(dataFolderAt(dataDir))).toBe('same');
}, 120_000);
