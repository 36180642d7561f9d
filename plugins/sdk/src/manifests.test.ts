import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ATTEMPT_ERRORS } from '@portarium/contracts/errors';
import { ManifestSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';

const root = join(import.meta.dir, '../..');

/** Cases as data, which are no plugin. */
const CORPUS = 'hostile/modules';

const folders = ['examples', 'hostile', 'sdk/fixtures'].flatMap((group) =>
  readdirSync(join(root, group), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(group, entry.name))
    .filter((folder) => folder !== CORPUS),
);

const read = (folder: string, file: string): unknown =>
  JSON.parse(readFileSync(join(root, folder, file), 'utf8'));

for (const folder of folders) {
  test(`the manifest of ${folder} is one that the contracts accept`, () => {
    const result = v.safeParse(ManifestSchema, read(folder, 'plugin.json'));
    expect(result.issues).toBeUndefined();
    expect(folder.endsWith(`/${(result.output as { name: string }).name}`)).toBe(true);
  });
}

const ExpectedSchema = v.strictObject({
  verdict: v.picklist(['succeeded', 'failed']),
  errorCode: v.optional(v.picklist(Object.keys(ATTEMPT_ERRORS))),
});

for (const folder of folders.filter((name) => name.startsWith('hostile/'))) {
  test(`${folder} says which verdict a sandbox must give`, () => {
    const expected = v.parse(ExpectedSchema, read(folder, 'expected.json'));
    expect(expected.errorCode !== undefined).toBe(expected.verdict === 'failed');
  });
}
