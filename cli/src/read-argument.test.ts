import { expect, test } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readArgument, readJsonArgument } from './read-argument.ts';

test('text stands for itself and @file for what the file holds', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'portarium-argument-'));
  try {
    const file = join(dir, 'input.json');
    await writeFile(file, '{"csv":"a,b"}');
    expect(await readArgument('plain')).toBe('plain');
    expect(await readArgument(`@${file}`)).toBe('{"csv":"a,b"}');
    expect(await readJsonArgument('--input', `@${file}`)).toEqual({ csv: 'a,b' });
  } finally {
    await rm(dir, { recursive: true });
  }
});

test('a file that is not there and text that is not usable JSON are named', async () => {
  await expect(readArgument('@no/such/file')).rejects.toThrow('no/such/file');
  await expect(readJsonArgument('--input', '{"a":1,"a":2}')).rejects.toThrow('duplicate');
  await expect(readJsonArgument('--input', '{a}')).rejects.toThrow('--input is not usable JSON');
});
