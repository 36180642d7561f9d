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

test('a file that is not there and text that is not JSON are named', async () => {
  await expect(readArgument('@no/such/file')).rejects.toThrow('no/such/file');
  await expect(readJsonArgument('--input', '{a}')).rejects.toThrow('--input is not usable');
});

test('JSON that two readers would read in two ways is refused, and said why', async () => {
  const twice = '{"charge":"ch_1","charge":"ch_2"}';
  await expect(readJsonArgument('--input', twice)).rejects.toThrow('duplicate key "charge"');
  await expect(readJsonArgument('--input', '{"a":9007199254740993}')).rejects.toThrow('2^53');
});
