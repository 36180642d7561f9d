import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const http = join(root, 'control/src/http');

/** `METHOD path permission` of each route that the code registers. */
function routesOfCode(): string[] {
  return readdirSync(http)
    .filter((name) => name.endsWith('.ts') && !name.includes('.test.'))
    .flatMap((name) => routesIn(readFileSync(join(http, name), 'utf8')));
}

function routesIn(source: string): string[] {
  const parts = source.split(/\bapp\.(?=(?:get|post|put|patch|delete)\(\s*')/).slice(1);
  return parts.map((part) => {
    const [, method = '', path = ''] = /^(\w+)\(\s*'([^']+)'/.exec(part) ?? [];
    const allowed = /\ballow(?:InWorkspace)?\(\s*context,\s*exchange,\s*'([^']+)'/.exec(part)?.[1];
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
