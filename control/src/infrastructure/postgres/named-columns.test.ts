import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dir, '..');
const SOURCES = readdirSync(ROOT, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
);
/** `SELECT *`, `RETURNING *`, `t.*` and `SELECT a, *`: what they give changes with the table. */
const STAR = /\b(SELECT|RETURNING)\s+(?:[^`;()]*,\s*)?(?:\w+\.)?\*/gi;

const starsOf = (text: string) => [...text.matchAll(STAR)].map(([found]) => found);

test('statements name each column that they give: while a migration runs its way through schemas, shapes differ', () => {
  expect(SOURCES.length).toBeGreaterThan(40);
  const found = SOURCES.flatMap((file) =>
    starsOf(readFileSync(join(ROOT, file), 'utf8')).map((star) => `${file}: ${star}`),
  );
  expect(found).toEqual([]);
});

test('the check of columns sees a star wherever it stands', () => {
  const starred = ['SELECT * FROM a', 'select p.* from p', 'RETURNING *', 'SELECT a, * FROM b'];
  for (const text of starred) expect([text, starsOf(text).length]).toEqual([text, 1]);
  for (const text of ['SELECT count(*) FROM a', 'SELECT a * 2 FROM b', 'SELECT a FROM b']) {
    expect([text, starsOf(text)]).toEqual([text, []]);
  }
});
