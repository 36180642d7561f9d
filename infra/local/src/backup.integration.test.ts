import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from 'tar';
import { backupStack } from './backup-stack.ts';
import { dataFolderAt } from './data-folder.ts';
import { writeDataVersion } from './data-version.ts';
import { restoreStack } from './restore-stack.ts';
import { beginUpgrade } from './upgrade.ts';

let root: string;
let data: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'portarium-files-'));
  chmodSync(root, 0o711);
  data = join(root, 'data');
  const folder = dataFolderAt(data);
  for (const part of [folder.postgres, folder.evidence, folder.logs]) {
    mkdirSync(part, { recursive: true, mode: 0o700 });
  }
  writeFileSync(join(folder.postgres, 'PG_VERSION'), '18\n');
  writeFileSync(join(folder.logs, 'control.log'), 'not in a backup');
  writeFileSync(folder.secrets, '{"secret":true}', { mode: 0o600 });
  writeDataVersion(folder);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Names in a folder but for those that it had. */
const besides = (folder: string, ...known: string[]) =>
  readdirSync(folder).filter((name) => !known.includes(name));

test('nobody else can read a backup at any moment, nor what an interrupted one leaves: nothing', async () => {
  const modes = new Set<number>();
  const stop = new AbortController();
  const onProgress = ({ step }: { readonly step: string }) => {
    for (const name of besides(root, 'data')) modes.add(statSync(join(root, name)).mode & 0o777);
    if (step === 'packing') stop.abort();
  };
  const interrupted = backupStack(data, join(root, 'b.tar.gz'), {
    onProgress,
    signal: stop.signal,
  });
  await expect(interrupted).rejects.toThrow('was interrupted. Nothing is left of it');
  expect([...modes]).toEqual([0o600]);
  expect(besides(root, 'data')).toEqual([]);
  expect(existsSync(join(data, 'backup.json'))).toBe(false);
});

test('an interrupted restore leaves nothing, and what killed ones left is removed', async () => {
  const file = join(root, 'b.tar.gz');
  writeFileSync(join(root, 'b.tar.gz.4194305.0123456789ab.part'), 'half');
  await backupStack(data, file);
  const abandoned = join(root, '.there.restore-4194305-abcdef');
  mkdirSync(abandoned);
  const stop = new AbortController();
  const restoring = restoreStack(file, join(root, 'there'), {
    onProgress: ({ step }) => {
      if (step === 'verifying') stop.abort();
    },
    signal: stop.signal,
  });
  await expect(restoring).rejects.toThrow('was interrupted. Nothing is left of it');
  expect(besides(root, 'data', 'b.tar.gz')).toEqual([]);
});

test('evidence on another disk is in the backup, and logs are not', async () => {
  const disk = join(root, 'disk');
  mkdirSync(disk);
  writeFileSync(join(disk, 'object'), 'precious');
  rmSync(join(data, 'evidence'), { recursive: true });
  symlinkSync(disk, join(data, 'evidence'));
  const { manifest } = await backupStack(data, join(root, 'b.tar.gz'));
  expect(manifest.files.map(({ path }) => path)).toContain('evidence/object');
  const target = join(root, 'there');
  await restoreStack(join(root, 'b.tar.gz'), target);
  expect(readFileSync(join(target, 'evidence/object'), 'utf8')).toBe('precious');
  expect(existsSync(join(target, 'logs/control.log'))).toBe(false);
  expect(statSync(join(target, 'secrets.json')).mode & 0o777).toBe(0o600);
});

test('what a backup can not hold is named, and none is written without it', async () => {
  symlinkSync(root, join(data, 'postgres', 'pg_elsewhere'));
  await expect(backupStack(data, join(root, 'b.tar.gz'))).rejects.toThrow(
    /pg_elsewhere is neither a file nor a folder/,
  );
  rmSync(join(data, 'postgres', 'pg_elsewhere'));
  const socket = createServer().listen(join(data, 'socket'));
  await new Promise((resolve) => socket.once('listening', resolve));
  await expect(backupStack(data, join(root, 'b.tar.gz'))).rejects.toThrow(/socket is neither/);
  socket.close();
  expect(besides(root, 'data')).toEqual([]);
});

test('a backup inside the folder that it is of is refused, also through a link', async () => {
  symlinkSync(data, join(root, 'link'));
  for (const file of [join(data, 'b.tar.gz'), join(root, 'link', 'evidence', 'b.tar.gz')]) {
    await expect(backupStack(data, file)).rejects.toThrow('lies in the data folder itself');
  }
});

test('an archive with files that its manifest does not name, or names that lead elsewhere, is refused', async () => {
  const made = join(root, 'made');
  mkdirSync(made);
  const sha256 = 'a'.repeat(64);
  const manifests = [
    [[], /holds stack\.json, which backup\.json does not name/],
    [[{ path: '../outside', bytes: 1, sha256 }], /does not begin with a backup\.json/],
    [[{ path: '/etc/passwd', bytes: 1, sha256 }], /does not begin with a backup\.json/],
  ] as const;
  writeFileSync(join(made, 'stack.json'), '{}');
  for (const [files, why] of manifests) {
    const manifest = { v: 1, version: null, createdAt: '', folders: [], files };
    writeFileSync(join(made, 'backup.json'), JSON.stringify(manifest));
    const file = join(root, 'odd.tar.gz');
    await create({ file, cwd: made, gzip: true }, ['backup.json', 'stack.json']);
    await expect(restoreStack(file, join(root, 'there'))).rejects.toThrow(why);
  }
  writeFileSync(join(made, 'backup.json'), '{"v":2}');
  await create({ file: join(root, 'odd.tar.gz'), cwd: made, gzip: true }, ['backup.json']);
  await expect(restoreStack(join(root, 'odd.tar.gz'), join(root, 'there'))).rejects.toThrow(
    'Restore it with that version',
  );
  expect(besides(root, 'data', 'made', 'odd.tar.gz')).toEqual([]);
});

test('upgrades keep the three newest backups, and take away what killed ones left', async () => {
  const folder = dataFolderAt(data);
  mkdirSync(folder.backups);
  const names = [1, 2, 3, 4].map((day) => `before-0.0.${9 - day}-2026-01-0${day}T00-00-00Z.tar.gz`);
  for (const name of [...names, 'before-0.0.1-x.tar.gz.1.0123456789ab.part', 'mine.tar.gz']) {
    writeFileSync(join(folder.backups, name), '');
  }
  rmSync(folder.version);
  const made = await beginUpgrade(folder, () => undefined);
  const kept = readdirSync(folder.backups).map((name) => join(folder.backups, name));
  expect(new Set(kept)).toEqual(
    new Set([
      made ?? '',
      ...[...names.slice(2), 'mine.tar.gz'].map((n) => join(folder.backups, n)),
    ]),
  );
  // It did not end: the next start makes no other.
  expect(await beginUpgrade(folder, () => undefined)).toBe(made);
});
