import { afterAll, beforeAll, expect, test } from 'bun:test';
import { PERMISSIONS, ROLES, type Role } from '../domain/permissions.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { DOCUMENT_CSP } from './documentation.ts';
import openapi from './openapi.json' with { type: 'json' };
import { OPERATIONS, type Operation } from './operations.ts';

const operations = Object.values<Operation>(OPERATIONS);
/** Keys by role that reach the workspace `own` only. */
const keys = new Map<Role, string>();

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
  for (const id of ['own', 'foreign']) {
    await instance.call('POST', '/v1/workspaces', { role: 'admin', json: { id, name: id } });
  }
  for (const role of ROLES) {
    const made = await instance.call('POST', '/v1/workspaces/own/keys', {
      role: 'admin',
      json: { name: role, owner: role, role },
    });
    keys.set(role, ((await made.json()) as { key: string }).key);
  }
}, 60_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

/** The operation's path about things that are not there. */
function pathOf({ path }: Operation, workspace: string): string {
  return path
    .replace('{ws}', workspace)
    .replace('{id}', `none_${'0'.repeat(32)}`)
    .replace('{name}', 'none');
}

/** 403 is the answer to a caller without the permission, and to no other. */
async function isForbidden(operation: Operation, role: Role, workspace: string) {
  const response = await instance.call(
    operation.method.toUpperCase(),
    pathOf(operation, workspace),
    { key: keys.get(role) ?? '', ...(operation.body ? { json: {} } : {}) },
  );
  const endless = response.headers.get('content-type')?.startsWith('text/event-stream');
  if (endless) await response.body?.cancel();
  const text = endless ? '' : await response.text();
  const where = `${role} ${operation.id} in ${workspace}: ${response.status} ${text.slice(0, 200)}`;
  expect(response.status, where).not.toBe(401);
  expect(response.status, where).toBeLessThan(500);
  return { forbidden: response.status === 403, where };
}

test('each role may use exactly the operations of its column, in its own workspace', async () => {
  for (const operation of operations) {
    // A key that is bound to a workspace never has what belongs to the instance.
    const ofInstance = !operation.path.includes('{ws}');
    for (const role of ROLES) {
      const { forbidden, where } = await isForbidden(operation, role, 'own');
      const roles: readonly string[] = PERMISSIONS[operation.permission];
      expect(forbidden, where).toBe(ofInstance || !roles.includes(role));
    }
  }
}, 60_000);

test('no role may use any operation in a foreign workspace, nor learn what is there', async () => {
  for (const operation of operations.filter(({ path }) => path.includes('{ws}'))) {
    for (const role of ROLES) {
      for (const workspace of ['foreign', 'nowhere']) {
        const { forbidden, where } = await isForbidden(operation, role, workspace);
        expect(forbidden, where).toBe(true);
      }
    }
  }
}, 60_000);

test('every operation is routed as the document has it, and refuses a caller without a key', async () => {
  const documented = Object.entries(openapi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => [operationId, method, path]),
  );
  expect(documented).toEqual(
    expect.arrayContaining(operations.map(({ id, method, path }) => [id, method, path])),
  );
  expect(documented).toHaveLength(operations.length);
  for (const operation of operations) {
    const response = await instance.call(
      operation.method.toUpperCase(),
      pathOf(operation, 'own'),
      operation.body ? { json: {} } : {},
    );
    expect([operation.id, response.status]).toEqual([operation.id, 401]);
  }
});

test('the document and its page are served without a key, and the page runs nothing', async () => {
  const served = await instance.call('GET', '/openapi.json');
  expect(await served.json()).toEqual(openapi);
  const page = await instance.call('GET', '/docs/api');
  expect(page.headers.get('content-security-policy')).toBe(DOCUMENT_CSP);
  const text = await page.text();
  for (const { id, summary } of operations) {
    expect(text).toContain(`id="${id}"`);
    expect(text).toContain(summary);
  }
  expect(text).not.toContain('<script');
});
