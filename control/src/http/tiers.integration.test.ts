import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { ClaimResponse } from '@portarium/contracts/internal-api';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { publishAll, sweep } from '../relay.ts';
import { USAGE } from '../testing/as-host.ts';
import { createIn } from '../testing/provision.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { uploadForm } from '../testing/upload-form.ts';

let instance: TestInstance;
const TIERS = ['A', 'B', 'C'] as const;
const ID = { A: 'team-a', B: 'team-b', C: 'team-c' } as const;
beforeAll(async () => {
  instance = await startTestInstance();
  for (const tier of TIERS) {
    const created = await createIn(instance, ID[tier], tier);
    expect([tier, created.status, await created.text()]).toEqual([tier, 201, expect.any(String)]);
  }
}, 120_000);
afterAll(() => instance[Symbol.asyncDispose](), 30_000);

async function send<T>(workspace: string, method: string, path: string, json?: unknown) {
  const response = await instance.call(method, `/v1/workspaces/${workspace}${path}`, {
    role: 'admin',
    ...(json === undefined ? {} : { json }),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as T };
}

/** An action from the request to its success, as caller and host see it. */
async function runAction(workspace: string, text: string): Promise<string> {
  const wanted = { plugin: 'echo', operation: 'echo', input: { text } };
  const { body, status } = await send<{ id: string }>(workspace, 'POST', '/actions', wanted);
  expect(status).toBe(202);
  const claim = await instance.call('POST', '/internal/v1/claims', {
    key: instance.hostKey,
    json: { workspace, action: body.id, isolation: 'process', engine: 'test' },
  });
  const claimed = (await claim.json()) as ClaimResponse;
  if (claimed.status !== 'run') throw new Error(`not claimed: ${JSON.stringify(claimed)}`);
  const { attempt, ticket } = claimed.order;
  const outcome = await instance.call('POST', `/internal/v1/attempts/${attempt}/outcome`, {
    key: instance.hostKey,
    json: { verdict: 'succeeded', output: btoa(JSON.stringify({ text })), usage: USAGE, calls: [] },
    headers: { 'portarium-ticket': ticket },
  });
  expect(outcome.status).toBe(200);
  return body.id;
}

for (const tier of TIERS) {
  const workspace = ID[tier];
  test(`in tier ${tier} an action goes from its request to a bundle that verifies`, async () => {
    const pushed = await instance.call('POST', `/v1/workspaces/${workspace}/plugins`, {
      role: 'admin',
      body: uploadForm(),
    });
    expect(pushed.status).toBe(201);
    const id = await runAction(workspace, `of ${tier}`);
    const shown = await send<{ state: string }>(workspace, 'GET', `/actions/${id}`);
    expect(shown.body.state).toBe('succeeded');
    const path = `/v1/workspaces/${workspace}/evidence/export`;
    const bundle = await (await instance.call('GET', path, { role: 'admin' })).arrayBuffer();
    const [pin] = instance.composed.context.signer.verifierKeys(workspace as WorkspaceId);
    const report = await verifyBundle(new Uint8Array(bundle), { pin });
    expect([report.verdict, report.findings]).toEqual(['verified', []]);
  }, 60_000);

  test(`in tier ${tier} a key comes and goes together with its evidence`, async () => {
    const made = await send<{ id: string; key: string }>(workspace, 'POST', '/keys', {
      ...{ name: 'k', owner: 'eve', role: 'operator' },
    });
    expect(made.status).toBe(201);
    const look = () =>
      instance.call('GET', `/v1/workspaces/${workspace}/actions`, { key: made.body.key });
    expect((await look()).status).toBe(200);
    const asked = await instance.call('POST', `/v1/workspaces/${workspace}/actions`, {
      key: made.body.key,
      json: { plugin: 'echo', operation: 'echo', input: { text: 'by a key of its own' } },
    });
    expect(asked.status).toBe(202);
    const gone = () => send(workspace, 'DELETE', `/keys/${made.body.id}`);
    expect([(await gone()).status, (await gone()).status]).toEqual([204, 404]);
    expect((await look()).status).toBe(401);
    const { body } = await send<{ items: { entry: { type: string } }[] }>(
      workspace,
      'GET',
      '/evidence?limit=200',
    );
    const told = body.items
      .map(({ entry }) => entry.type)
      .filter((type) => type.startsWith('key.'));
    expect(told).toEqual(['key.created', 'key.revoked']);
  });

  test(`in tier ${tier} events reach the bus, and what waits for Temporal is delivered`, async () => {
    const { places } = instance.composed;
    const { sql } = await places.of(workspace as never);
    const waiting = async (table: 'outbox' | 'dispatch_queue') => {
      const unsent = table === 'outbox' ? sql`AND published_at IS NULL` : sql``;
      const rows = await sql`SELECT FROM ${sql(table)} WHERE workspace_id = ${workspace} ${unsent}`;
      return rows.length;
    };
    expect(await waiting('outbox')).toBeGreaterThan(0);
    await publishAll(instance.composed);
    expect(await waiting('outbox')).toBe(0);
    await sql`
      INSERT INTO dispatch_queue (workspace_id, action_id, due_at, wake_id)
      SELECT ${workspace}, gen_random_uuid(), now() - interval '1 hour', NULL`;
    await sweep(instance.composed.context);
    const { body } = await send<{ items: unknown[] }>(workspace, 'GET', '/actions');
    expect(body.items.length).toBeGreaterThan(0);
  });
}

test('a workspace of tier B or C is not created before it is provisioned, and not for another tier', async () => {
  const create = (json: object) =>
    instance.call('POST', '/v1/workspaces', { role: 'admin', json: { name: 'x', ...json } });
  for (const json of [
    { id: 'nowhere', tenancyTier: 'B' },
    { id: 'nowhere', tenancyTier: 'C', databaseUrl: 'postgres://a:b@127.0.0.1:1/x' },
    { id: 'nowhere', tenancyTier: 'C' },
    { id: 'nowhere', tenancyTier: 'B', databaseUrl: 'postgres://a:b@127.0.0.1:1/x' },
  ]) {
    const refused = await create(json);
    expect([json, refused.status]).toEqual([json, 422]);
  }
  for (const tier of TIERS) {
    const url = tier === 'C' ? { databaseUrl: 'postgres://a:b@127.0.0.1:1/x' } : {};
    expect((await create({ id: ID[tier], tenancyTier: tier, ...url })).status).toBe(409);
  }
});
