import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { KEY_ROLES } from './bootstrap-file.ts';
import { type DataFolder, dataFolderAt, prepareDataFolder } from './data-folder.ts';
import { writeDataVersion } from './data-version.ts';
import { examine } from './doctor.ts';
import { type LocalEnvironment, readEnvironment } from './environment.ts';
import { examineDataFolder } from './examine-data-folder.ts';
import type { Finding } from './finding.ts';
import { ensurePostgresUser, runsAsRoot } from './postgres-user.ts';
import { identify } from './process/process-identity.ts';
import { ensureMasterKey, ensureSecrets } from './secrets.ts';
import { writeStackFile } from './stack-file.ts';

setDefaultTimeout(30_000);

const OTHER = 54_321;
let root: string;
let folder: DataFolder;

/** The files that a stack which ran leaves, with nothing in them that a server would read. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'portarium-doctor-'));
  chmodSync(root, 0o711);
  folder = dataFolderAt(join(root, 'data'));
  prepareDataFolder(folder);
  ensureSecrets(folder);
  ensureMasterKey(folder);
  mkdirSync(folder.postgres, { mode: 0o700 });
  writeFileSync(join(folder.postgres, 'PG_VERSION'), '18\n');
  const user = ensurePostgresUser();
  if (user !== undefined) chownSync(folder.postgres, user.uid, user.gid);
  writeFileSync(folder.temporalFile, '');
  writeFileSync(join(folder.vault, 'vault.json'), '{}', { mode: 0o600 });
  const keys = Object.fromEntries(KEY_ROLES.map((role) => [role, 'ptk']));
  const bootstrap = JSON.stringify({ workspace: 'local', keys, hostKey: 'ptk' });
  writeFileSync(folder.bootstrap, bootstrap, { mode: 0o600 });
  writeFileSync(folder.hostKey, 'ptk', { mode: 0o600 });
  writeDataVersion(folder);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

async function found(
  about: string,
  environment: Partial<LocalEnvironment> = {},
): Promise<Finding | undefined> {
  const all = await examine(folder.path, { ...readEnvironment(), ...environment });
  for (const { ok, fix } of all) expect(ok).toBe(fix === undefined);
  return all.find(({ name }) => name === about);
}

test('a folder that is whole is said to be, and looking leaves nothing behind', async () => {
  const before = readdirSync(folder.path);
  expect(await found('data contents')).toMatchObject({ ok: true, detail: 'whole' });
  expect(await found('stack')).toMatchObject({ ok: true, detail: 'none runs on this data folder' });
  expect(readdirSync(folder.path)).toEqual(before);
});

test('each file without which a stack can not go on is named when it is missing or damaged', async () => {
  const damages: readonly (readonly [string, (path: string) => void, string])[] = [
    [folder.secrets, rmSync, 'is missing, and the database in'],
    [folder.secrets, (path) => writeFileSync(path, '{'), 'is damaged'],
    [folder.masterKey, rmSync, 'is missing, and the vault in'],
    [folder.masterKey, (path) => writeFileSync(path, 'short'), 'expected 64 hexadecimal digits'],
    [folder.bootstrap, (path) => writeFileSync(path, '{'), 'is damaged'],
    [join(folder.postgres, 'PG_VERSION'), rmSync, 'the database'],
    [folder.temporalFile, rmSync, 'the database of Temporal'],
    [join(folder.vault, 'vault.json'), rmSync, 'credentials, and what keys are checked against'],
    [
      folder.evidence,
      (path) => rmSync(path, { recursive: true }),
      'the bodies that evidence names',
    ],
    [folder.nats, (path) => rmSync(path, { recursive: true }), 'events that were not delivered'],
  ];
  for (const [path, damage, why] of damages) {
    const kept = `${folder.path}-kept`;
    Bun.spawnSync(['cp', '-a', folder.path, kept]);
    damage(path);
    // Not the whole doctor: what it looks at beside, tools and a cell, is the same each time.
    const finding = examineDataFolder(folder.path).find(({ name }) => name === 'data contents');
    expect([path, finding]).toMatchObject([path, { ok: false, needed: true }]);
    expect(finding?.detail).toContain(path);
    expect(finding?.detail).toContain(why);
    expect(finding?.fix).toContain('portarium restore FILE');
    rmSync(folder.path, { recursive: true });
    Bun.spawnSync(['mv', kept, folder.path]);
  }
  expect(await found('data contents')).toMatchObject({ ok: true });
});

test('artifacts that are kept in S3 are not missed in the folder, and a backup is said to lack them', () => {
  const endpoint = 'https://s3.example.com:9000';
  const variables = { PORTARIUM_EVIDENCE_STORE: 'minio', PORTARIUM_EVIDENCE_ENDPOINT: endpoint };
  const contents = (all = {}) =>
    examineDataFolder(folder.path, all).filter(({ name }) => name === 'data contents');
  rmSync(folder.evidence, { recursive: true });
  expect(contents()).toMatchObject([{ ok: false, needed: true }]);
  expect(contents()[0]?.detail).toContain('the bodies that evidence names');
  const elsewhere = {
    ok: true,
    detail: `whole; artifacts are in the evidence store at ${endpoint}, and no backup of this folder has them`,
  };
  expect(contents(variables)).toMatchObject([elsewhere]);
  // As the last start had it, for whoever looks without its variables.
  const supervisor = { pid: 999_999, startTime: '1' };
  writeStackFile(folder.stack, {
    ...{ state: 'stopped', supervisor, version: '0', url: '', parts: [], processes: [] },
    startedWith: { background: true, variables },
  });
  expect(contents()).toMatchObject([elsewhere]);
  expect(contents({ PORTARIUM_EVIDENCE_STORE: 'directory' })).toMatchObject([{ ok: false }]);
  // What else is missing is missed all the same.
  rmSync(folder.nats, { recursive: true });
  expect(contents()[0]?.detail).toContain(folder.nats);
});

test('secrets that others can read, and a database that PostgreSQL would refuse, are told with the command that mends it', async () => {
  chmodSync(folder.masterKey, 0o644);
  expect(await found('data contents')).toMatchObject({
    ok: false,
    needed: false,
    detail: `${folder.masterKey} is open to other users (0644)`,
    fix: expect.stringContaining(`chmod 600 ${folder.masterKey}`),
  });
  chmodSync(folder.masterKey, 0o600);
  chmodSync(folder.postgres, 0o755);
  expect(await found('data contents')).toMatchObject({
    needed: true,
    fix: `chmod 700 ${folder.postgres}`,
  });
  chmodSync(folder.postgres, 0o700);
  writeFileSync(join(folder.postgres, 'PG_VERSION'), '12\n');
  expect((await found('data contents'))?.detail).toContain('made by PostgreSQL 12');
});

test.skipIf(!runsAsRoot())(
  'files of another user are told, and not taken for damaged',
  async () => {
    chownSync(folder.postgres, OTHER, OTHER);
    expect((await found('data contents'))?.detail).toContain(`belongs to uid ${OTHER}`);
    chownSync(folder.path, OTHER, OTHER);
    expect(await found('data folder')).toMatchObject({
      ok: false,
      detail: `${folder.path} belongs to another user (uid ${OTHER})`,
    });
    expect(await found('data contents')).toBeUndefined();
  },
);

test('a first start that did not end is no damage', async () => {
  for (const path of [folder.bootstrap, folder.hostKey, join(folder.vault, 'vault.json')]) {
    rmSync(path);
  }
  expect(await found('data contents')).toMatchObject({
    ok: true,
    detail: expect.stringContaining('the next start makes the first keys'),
  });
});

test('what became of the stack is told: failed, left over by a killed supervisor, or degraded', async () => {
  const self = identify(process.pid);
  if (self === undefined) throw new Error('this process has no identity');
  const gone = { pid: 4_194_305, startTime: 'gone' };
  const part = { part: 'nats', state: 'ready', port: 4222, restarts: 0 } as const;
  const base = { version: '0', url: 'http://127.0.0.1:23456', parts: [part], processes: [] };
  writeStackFile(folder.stack, {
    ...{ ...base, state: 'failed', supervisor: gone, error: 'control ended.\nmore' },
  });
  expect(await found('stack')).toMatchObject({
    ok: false,
    needed: false,
    detail: 'the last start failed: control ended.',
  });
  writeStackFile(folder.stack, {
    ...{ ...base, state: 'ready', supervisor: gone, processes: [{ ...self, part: 'nats' }] },
  });
  expect(await found('stack')).toMatchObject({
    ok: false,
    detail: `its supervisor was killed, and nats (${process.pid}) still run`,
    fix: expect.stringContaining('portarium down'),
  });
  writeStackFile(folder.stack, {
    ...{ ...base, state: 'ready', supervisor: self, parts: [{ ...part, state: 'restarting' }] },
  });
  expect(await found('stack')).toMatchObject({ ok: false, needed: true });
});

test('how confined cells come up here is told', async () => {
  const finding = await found('isolation');
  expect(finding?.detail).toMatch(/^(?:process|seccomp|namespaces\+seccomp)$/);
  expect(finding).toMatchObject({ needed: false });
});

test('less isolation than is required is something that the stack does not start with', async () => {
  const here = (await found('isolation'))?.detail;
  const asked = async (level: string) => {
    const environment = readEnvironment({ ...process.env, SANDBOX_REQUIRE_ISOLATION: level });
    return (await examine(folder.path, environment)).find(({ name }) => name === 'isolation');
  };
  expect(await asked('process')).toMatchObject({ needed: false, detail: here });
  expect(await asked('everything')).toMatchObject({
    ...{ ok: false, needed: true },
    detail: `${here}, and SANDBOX_REQUIRE_ISOLATION asks for everything`,
  });
});

test('memory is told, and Deno where the planes are to run on it', async () => {
  expect((await found('memory'))?.detail).toMatch(/^\d+\.\d GiB available$/);
  expect(await found('deno')).toBeUndefined();
  expect((await found('deno', { runtime: 'deno' }))?.detail).toStartWith('deno 2');
});

test('a data folder behind a link is looked at where it is', async () => {
  const link = join(root, 'link');
  symlinkSync(folder.path, link);
  const all = await examine(link, readEnvironment());
  expect(all.find(({ name }) => name === 'data contents')?.detail).toBe('whole');
  expect(dirname(link)).toBe(root);
});
