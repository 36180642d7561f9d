import { expect, test } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSecret, usableSecret } from './read-secret.ts';

test('the line feed that ends a file is no part of the value, and nothing else is taken away', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'portarium-secret-'));
  try {
    const file = join(dir, 'key.txt');
    await writeFile(file, 'sk_test_0123456789\n');
    expect(await readSecret(file)).toBe('sk_test_0123456789');
    await writeFile(file, 'sk_test_0123456789\n\n');
    await expect(readSecret(file)).rejects.toThrow('The value is not usable');
  } finally {
    await rm(dir, { recursive: true });
  }
  expect(usableSecret('sk_test_0123456789\r\n')).toBe('sk_test_0123456789');
});

test('a value that can not be stored is refused without a word of it', () => {
  const short = 'fifteen_letters';
  expect(() => usableSecret('\n')).toThrow('what was read is empty');
  for (const value of [short, ` ${short}${short}`, `${short}é${short}`, 'a'.repeat(16_385)]) {
    const refuse = () => usableSecret(value);
    expect(refuse).toThrow('16 to 16384 visible ASCII characters');
    expect(refuse).not.toThrow(short);
  }
  expect(usableSecret('a'.repeat(16_384))).toHaveLength(16_384);
});
