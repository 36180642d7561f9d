import { afterEach, beforeEach, expect, test } from 'bun:test';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DataFolder, dataFolderAt, prepareDataFolder } from '../data-folder.ts';
import { readStatus } from '../running-stack.ts';
import { startDetached } from '../start-detached.ts';
import { folderOwner } from './folder-owner.ts';
import { Supervisor } from './supervisor.ts';

let folder: DataFolder;
beforeEach(() => {
  folder = dataFolderAt(join(mkdtempSync(join(tmpdir(), 'portarium-owner-')), 'data'));
  prepareDataFolder(folder);
});
afterEach(() => rmSync(join(folder.path, '..'), { recursive: true, force: true }));

test('a folder whose lock file was removed still belongs to its live supervisor', async () => {
  const first = await Supervisor.take(folder, () => undefined);
  first.becomeReady('http://127.0.0.1:1');
  rmSync(folder.lock);
  expect(folderOwner(folder)?.pid).toBe(process.pid);
  expect(readStatus(folder.path)).toMatchObject({ state: 'ready', url: 'http://127.0.0.1:1' });
  await expect(Supervisor.take(folder, () => undefined)).rejects.toThrow('A stack already runs');
  await first.stop();
  expect(folderOwner(folder)).toBeUndefined();
  const next = await Supervisor.take(folder, () => undefined);
  await next.stop();
});

test('a supervisor stops its parts and ends well although its folder is gone', async () => {
  const supervisor = await Supervisor.take(folder, () => undefined);
  rmSync(folder.path, { recursive: true });
  supervisor.becomeReady('');
  await supervisor.stop();
  expect(folderOwner(folder)).toBeUndefined();
});

test('the loser of two simultaneous starts is told so, and not what the winner logged', async () => {
  const log = join(folder.logs, 'supervisor.log');
  appendFileSync(log, 'of an earlier start\n');
  const losing = startDetached({ dataDir: folder.path }).catch((error: unknown) => error);
  const winner = await Supervisor.take(folder, () => undefined);
  winner.becomeReady('http://127.0.0.1:1');
  appendFileSync(log, 'nats: ready, says the winner\n');
  const told = await losing;
  await winner.stop();
  expect(told).toMatchObject({ code: 'already-running' });
  expect(String(told)).toContain(`process ${process.pid}`);
  expect(String(told)).not.toContain('says the winner');
}, 30_000);

test('a background start that can not begin shows its own lines only', async () => {
  appendFileSync(join(folder.logs, 'supervisor.log'), 'of an earlier start\n');
  appendFileSync(folder.secrets, 'damaged');
  const told = await startDetached({ dataDir: folder.path }).catch((error: unknown) => error);
  expect(told).toMatchObject({ code: 'part-failed' });
  expect(String(told)).toContain('secrets.json is damaged');
  expect(String(told)).not.toContain('of an earlier start');
}, 30_000);
