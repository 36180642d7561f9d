import { expect, test } from 'bun:test';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { runCount } from '@portarium/contracts/testing/run-count';
import fc from 'fast-check';
import { workspaceIds } from '../../../testing/workspace-ids.ts';
import { assertPlain, tenantNames } from './names.ts';

const names = (id: string) => tenantNames(id as WorkspaceId);
const all = (id: string) => Object.values(names(id));

test('two workspaces never have a name of a schema, a database or a role in common', () => {
  const near = ['a-b', 'ab', 'a--b', 'a-b-', 'a', 'b-a'].map((id) => `${id}x`);
  expect(new Set(near.map((id) => names(id).place)).size).toBe(near.length);
  expect(new Set(near.flatMap((id) => rolesOf(id))).size).toBe(2 * near.length);
  fc.assert(
    fc.property(workspaceIds, workspaceIds, (left, right) => {
      fc.pre(left !== right);
      expect(all(left).filter((name) => all(right).includes(name))).toEqual([]);
    }),
    { numRuns: runCount(2_000, 200_000) },
  );
});

const rolesOf = (id: string) => [names(id).runtimeRole, names(id).destroyRole];

test('a name fits into an identifier without quotes, and no two ids become one by being cut', () => {
  for (const id of [`a${'-'.repeat(38)}`, `a${'z'.repeat(38)}`, 'ab']) {
    for (const name of all(id)) {
      expect(assertPlain(name)).toBe(name);
      expect(name.length).toBeLessThan(63);
    }
  }
});

test('what is no id of a workspace has no names', () => {
  const wrong = ['a_b', 'A-b', '-a', 'a"b', 'a;b', '_instance', 'a'.repeat(40), ''];
  const named = wrong.filter((id) => {
    try {
      return names(id) !== undefined;
    } catch {
      return false;
    }
  });
  expect(named).toEqual([]);
});
