import { afterAll, expect, test } from 'bun:test';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CasesSchema } from '@portarium/contracts/plugin-cases';
import * as v from 'valibot';
import { LANGUAGES, newPlugin } from './new-plugin.ts';
import { readManifest } from './plugin-manifest.ts';

const scratch = mkdtempSync(join(tmpdir(), 'portarium-new-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test('a new plugin has a manifest with a read and an example, cases that name it, and its name throughout', async () => {
  for (const language of LANGUAGES) {
    const folder = await newPlugin(join(scratch, 'deep/er', language), 'my-plugin', language);
    const text = (file: string) => readFileSync(join(folder, file), 'utf8');
    const manifest = readManifest(text('plugin.json'), 'plugin.json');
    expect([manifest.name, manifest.version]).toEqual(['my-plugin', '0.1.0']);
    expect(JSON.parse(text('plugin.json'))).toMatchObject({
      operations: [{ name: 'greet', effect: 'read', examples: [{ input: { name: 'Ada' } }] }],
    });
    const cases = v.parse(CasesSchema, JSON.parse(text('cases.json')));
    expect(new Set(cases.map(({ operation }) => operation))).toEqual(new Set(['greet']));
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      expect(readFileSync(join(entry.parentPath, entry.name), 'utf8')).not.toContain('{{');
    }
  }
});

test('an empty folder is filled as it is: a shell that stands in it stays there', async () => {
  const folder = join(scratch, 'empty');
  mkdirSync(folder);
  const { ino } = statSync(folder);
  expect(await newPlugin(folder, 'my-plugin', 'assemblyscript')).toBe(folder);
  expect(statSync(folder).ino).toBe(ino);
  expect(readdirSync(folder).toSorted()).toEqual(
    ['.gitignore', 'README.md', 'assembly', 'cases.json', 'plugin.json'].toSorted(),
  );
});

test('a folder that holds something, and a file, are refused and left as they were', async () => {
  const folder = join(scratch, 'full');
  mkdirSync(folder);
  writeFileSync(join(folder, '.hidden'), 'mine');
  const made = (dir: string) => newPlugin(dir, 'my-plugin', 'rust').catch((error) => error.message);
  expect(await made(folder)).toContain(`${folder} is not empty. Name another folder with --dir`);
  expect(readdirSync(folder)).toEqual(['.hidden']);
  expect(await made(join(folder, '.hidden'))).toContain('can not be used');
});
