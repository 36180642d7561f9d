import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Entry, entryHash } from '@portarium/contracts/evidence-entry';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';

const EVIDENCE = '/v1/workspaces/_instance/evidence';

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
}, 120_000);
afterAll(() => instance[Symbol.asyncDispose](), 60_000);

async function textOf(path: string): Promise<string> {
  const response = await instance.call('GET', path, { role: 'admin' });
  expect([path, response.status]).toEqual([path, 200]);
  return response.text();
}

test('the log of the instance is read by an administrator: migrations, bootstrap, workspaces', async () => {
  const json = { id: 'acme', name: 'Acme' };
  expect((await instance.call('POST', '/v1/workspaces', { role: 'admin', json })).status).toBe(201);
  const { items } = JSON.parse(await textOf(`${EVIDENCE}?limit=200`)) as {
    items: readonly { seq: number; hash: string; bytes: string; entry: Entry }[];
  };
  for (const [i, { seq, hash, bytes, entry }] of items.entries()) {
    expect([seq, entry.workspace, await entryHash(Buffer.from(bytes, 'base64'))]).toEqual([
      ...[i, '_instance', hash],
    ]);
  }
  const of = (type: string) => items.filter(({ entry }) => entry.type === type);
  expect(of('migration.applied').length).toBeGreaterThan(10);
  expect(of('instance.bootstrapped')).toHaveLength(1);
  expect(of('workspace.created').map(({ entry }) => entry.data.workspace)).toEqual([
    ...['local', 'acme'],
  ]);
});

test('the log of the instance is exported like any other, and verifies offline under its key', async () => {
  const [pin = ''] = (await textOf(`${EVIDENCE}/vkeys`)).split('\n');
  const since = await textOf(`${EVIDENCE}/log/checkpoint`);
  expect(since).toStartWith('test/_instance\n');
  const exported = await instance.call('GET', `${EVIDENCE}/export`, { role: 'admin' });
  const bundle = new Uint8Array(await exported.arrayBuffer());
  const report = await verifyBundle(bundle, { pin, since });
  expect([report.exitCode, report.findings]).toEqual([0, []]);
});

test('a key of one workspace does not reach it, and nothing else of a workspace is there', async () => {
  for (const role of ['operator', 'approver', 'auditor', 'author', 'agent']) {
    const response = await instance.call('GET', EVIDENCE, { role });
    expect([role, response.status]).toEqual([role, 403]);
  }
  const others = ['', '/actions', '/plugins', '/keys', '/events', '/usage', '/approvals'];
  for (const path of others) {
    const response = await instance.call('GET', `/v1/workspaces/_instance${path}`, {
      role: 'admin',
    });
    expect([path, response.status]).toEqual([path, 404]);
  }
});
