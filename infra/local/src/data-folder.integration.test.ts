import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readBootstrap } from './bootstrap-file.ts';
import { dataFolderAt, prepareDataFolder } from './data-folder.ts';
import { runsAsRoot } from './postgres-user.ts';
import { ensureMasterKey, ensureSecrets } from './secrets.ts';

const OTHER = 54_321;
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'portarium-folder-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function prepared(): ReturnType<typeof dataFolderAt> {
  const folder = dataFolderAt(join(root, 'data'));
  prepareDataFolder(folder);
  return folder;
}

test.skipIf(!runsAsRoot())("root refuses another user's folder and leaves it as it was", () => {
  const folder = dataFolderAt(join(root, 'data'));
  mkdirSync(folder.path, { mode: 0o755 });
  chownSync(folder.path, OTHER, OTHER);
  symlinkSync(join(root, 'victim'), join(folder.path, '.gitignore'));
  mkdirSync(folder.logs);
  expect(() => prepareDataFolder(folder)).toThrow('belongs to another user');
  expect(existsSync(join(root, 'victim'))).toBe(false);
  expect(statSync(folder.path)).toMatchObject({ uid: OTHER, gid: OTHER });
  expect(statSync(folder.path).mode & 0o777).toBe(0o755);
});

test.skipIf(!runsAsRoot())("root refuses another user's empty folder and link", () => {
  const empty = join(root, 'empty');
  mkdirSync(empty);
  chownSync(empty, OTHER, OTHER);
  expect(() => prepareDataFolder(dataFolderAt(empty))).toThrow('belongs to another user');
  const link = join(root, 'link');
  symlinkSync(empty, link);
  expect(() => prepareDataFolder(dataFolderAt(link))).toThrow('belongs to another user');
  expect(statSync(empty).uid).toBe(OTHER);
});

test('a folder that every user can write to is refused', () => {
  const path = join(root, 'open');
  mkdirSync(path);
  chmodSync(path, 0o777);
  expect(() => prepareDataFolder(dataFolderAt(path))).toThrow('Every user can write');
  expect(statSync(path).mode & 0o777).toBe(0o777);
});

test('links in the folder are replaced and never followed', () => {
  const folder = prepared();
  const victim = join(root, 'victim');
  writeFileSync(victim, 'untouched');
  rmSync(join(folder.path, '.gitignore'));
  symlinkSync(join(root, 'made'), join(folder.path, '.gitignore'));
  prepareDataFolder(folder);
  expect(existsSync(join(root, 'made'))).toBe(false);
  symlinkSync(victim, folder.hostKey);
  const keys = { admin: '', operator: '', approver: '', auditor: '', author: '', agent: '' };
  writeFileSync(folder.bootstrap, JSON.stringify({ workspace: 'w', keys, hostKey: 'secret' }));
  readBootstrap(folder);
  expect(readFileSync(victim, 'utf8')).toBe('untouched');
  expect(lstatSync(folder.hostKey).isFile()).toBe(true);
  expect(statSync(folder.hostKey).mode & 0o777).toBe(0o600);
  expect(readFileSync(folder.hostKey, 'utf8')).toBe('secret');
});

test('secrets are made once, and not anew over an existing database', () => {
  const folder = prepared();
  const made = ensureSecrets(folder);
  expect(ensureSecrets(folder)).toEqual(made);
  mkdirSync(folder.postgres);
  writeFileSync(join(folder.postgres, 'PG_VERSION'), '18\n');
  rmSync(folder.secrets);
  expect(() => ensureSecrets(folder)).toThrow('Restore it from a backup');
  expect(existsSync(folder.secrets)).toBe(false);
});

test('the master key is made once, checked, and not anew over an existing vault', () => {
  const folder = prepared();
  ensureMasterKey(folder);
  expect(statSync(folder.masterKey).mode & 0o777).toBe(0o600);
  const made = readFileSync(folder.masterKey, 'utf8');
  expect(made).toMatch(/^[0-9a-f]{64}$/);
  ensureMasterKey(folder);
  expect(readFileSync(folder.masterKey, 'utf8')).toBe(made);
  writeFileSync(folder.masterKey, made.slice(1));
  expect(() => ensureMasterKey(folder)).toThrow('is damaged: expected 64');
  rmSync(folder.masterKey);
  writeFileSync(join(folder.vault, 'vault.json'), '{}');
  expect(() => ensureMasterKey(folder)).toThrow('Restore it from a backup');
  expect(existsSync(folder.masterKey)).toBe(false);
});
