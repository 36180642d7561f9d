import { expect, test } from 'bun:test';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { VECTORS, vectorFile } from './testing/vector-cases.ts';

const FOLDER = new URL('../vectors/', import.meta.url);
/** Vectors are a promise to outside implementations: `UPDATE_VECTORS=1` and a read diff change them. */
const update = process.env.UPDATE_VECTORS === '1';

for (const [name, vector] of Object.entries(VECTORS)) {
  test(`vectors/${name}.json holds what the code computes`, async () => {
    const file = new URL(`${name}.json`, FOLDER);
    const expected = await vectorFile(vector);
    if (update) {
      await mkdir(FOLDER, { recursive: true });
      await writeFile(file, `${JSON.stringify(expected, null, 2)}\n`);
    }
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(expected);
  });
}

test('no file of vectors is without a test', async () => {
  const files = (await readdir(FOLDER)).sort();
  expect(files).toEqual(
    Object.keys(VECTORS)
      .map((name) => `${name}.json`)
      .sort(),
  );
});
