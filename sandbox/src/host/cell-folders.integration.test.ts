import { expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { makeCellFolder, removeOldCellFolders } from './cell-folders.ts';

test('folders of dead hosts are removed, those of living hosts and of others stay', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'portarium-folders-'));
  try {
    const mine = basename(await makeCellFolder(parent));
    const dead = spawnSync(process.execPath, ['-e', '0']).pid;
    const gone = mine.replace(`-${process.pid}-`, `-${dead}-`);
    const foreign = gone.replace('portarium-cell-', 'portarium-cell-9');
    for (const name of [gone, foreign, 'portarium-cell-abc', 'other'])
      mkdirSync(join(parent, name));
    writeFileSync(join(parent, gone, 'main.js'), 'x');
    expect(await removeOldCellFolders(parent)).toEqual([gone]);
    expect(readdirSync(parent).sort()).toEqual(
      [mine, foreign, 'portarium-cell-abc', 'other'].sort(),
    );
  } finally {
    rmSync(parent, { recursive: true });
  }
});

test('a parent that is not there has nothing to remove', async () => {
  expect(await removeOldCellFolders('/nonexistent')).toEqual([]);
});
