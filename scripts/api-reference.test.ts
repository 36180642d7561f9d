import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OPERATIONS, type Operation } from '@portarium/control/http/operations';

const root = join(import.meta.dirname, '..');
const http = join(root, 'control/src/http');

/** `METHOD path permission` of each operation, and of each route beside them. */
function routesOfCode(): string[] {
  const operations = Object.values<Operation>(OPERATIONS).map(
    ({ method, path, permission }) => `${method.toUpperCase()} ${path} ${permission}`,
  );
  const others = readdirSync(http)
    .filter((name) => name.endsWith('.ts') && !name.includes('.test.'))
    .flatMap((name) => routesIn(readFileSync(join(http, name), 'utf8')));
  return [...operations, ...others];
}

/** Routes that are registered by themselves: what hosts use, health, and this documentation. */
function routesIn(source: string): string[] {
  const parts = source.split(/\bapp\.(?=(?:get|post|put|patch|delete)\(\s*')/).slice(1);
  return parts.map((part) => {
    const [, method = '', path = ''] = /^(\w+)\(\s*'([^']+)'/.exec(part) ?? [];
    const allowed = /\ballow\(\s*context,\s*exchange,\s*'([^']+)'/.exec(part)?.[1];
    const permission = part.includes('ticketed(') ? 'attempt.run' : (allowed ?? 'none');
    return `${method.toUpperCase()} ${path.replaceAll(/:(\w+)/g, '{$1}')} ${permission}`;
  });
}

test('the page of the API has each route with its method and permission, and no other', () => {
  const page = readFileSync(join(root, 'docs/reference/api.md'), 'utf8');
  const rows = [...page.matchAll(/^\| ([A-Z]+) \| `([^`]+)` \| `?([a-z.-]+)`? \|$/gm)];
  const told = rows.map(([, method, path, permission]) => `${method} ${path} ${permission}`);
  const code = routesOfCode();
  expect(code.length).toBeGreaterThan(20);
  expect(told.toSorted()).toEqual(code.toSorted());
});
