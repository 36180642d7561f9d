import { expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

test('each promise of the README names a test that is in that file', () => {
  const [, table = ''] =
    /<!-- The table of promises\.(.*)<!-- End of the table/s.exec(readme) ?? [];
  const rows = table.split('\n').filter((line) => line.includes('.test.ts › '));
  expect(rows.length).toBeGreaterThan(10);
  const proofs = readFileSync(join(root, 'docs/reference/proofs.md'), 'utf8');
  for (const row of rows) {
    const [, file = '', name = ''] = /`([^`]+\.test\.ts) › ([^`]+)` \|$/.exec(row) ?? [];
    expect(existsSync(join(root, file))).toBe(true);
    // Names that are built in a loop stand in the proofs, whose check needs a run.
    const known = [readFileSync(join(root, file), 'utf8'), proofs].some((text) =>
      text.includes(name),
    );
    expect([name !== '', known]).toEqual([true, true]);
  }
  const promises = table.split('\n').filter((line) => /^\| [A-Z].* \| /.test(line));
  expect(promises.filter((line) => line.endsWith('| |'))).toEqual([]);
});

test('the contract that the README prints is the one of the manifest', () => {
  const printed = /<!-- The contract of github-issues;[^>]*-->\n```json\n(.*?)```/s.exec(
    readme,
  )?.[1];
  const file = join(root, 'plugins/examples/github-issues/plugin.json');
  const { egress } = JSON.parse(readFileSync(file, 'utf8')) as { egress: unknown[] };
  expect(egress.length).toBeGreaterThan(0);
  expect(JSON.parse(printed ?? 'null')).toEqual(egress);
});

test('every file that the README, the guides and the references link to is there', () => {
  const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'];
  for (const folder of ['tutorial', 'how-to', 'explanation', 'reference']) {
    const names = readdirSync(join(root, 'docs', folder)).filter((name) => name.endsWith('.md'));
    pages.push(...names.map((name) => `docs/${folder}/${name}`));
  }
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)) {
      expect([page, target, existsSync(join(root, page, '..', target))]).toEqual([
        page,
        target,
        true,
      ]);
    }
  }
});
