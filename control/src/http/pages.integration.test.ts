import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect } from '../infrastructure/postgres/connect.ts';
import { pushLedger, storeSecret } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { ask, decide, send } from '../testing/writes.ts';

let instance: TestInstance;
/** Ids in the order in which they were asked for, with whether they were denied. */
const asked: { id: string; denied: boolean }[] = [];
beforeAll(async () => {
  instance = await startTestInstance();
  await storeSecret(instance);
  await pushLedger(instance);
  for (let i = 0; i < 40; i++) {
    const action = await ask(instance, { id: String(i) });
    const denied = i % 4 === 0;
    if (denied) await decide(instance, action, { decision: 'deny' });
    asked.push({ id: action.id, denied });
  }
}, 60_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

interface Page {
  readonly items: readonly { readonly id: string }[];
  readonly next?: string;
}

/** Every id of the list, page by page; `between` runs after each page. */
async function allOf(path: string, between: () => Promise<unknown> = async () => undefined) {
  const ids: string[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const query = cursor === undefined ? '' : `&cursor=${cursor}`;
    const { body } = await send<Page>(instance, 'operator', 'GET', `${path}${query}`);
    ids.push(...body.items.map(({ id }) => id));
    cursor = body.next;
    pages += 1;
    await between();
  } while (cursor !== undefined);
  return { ids, pages };
}

const newestFirst = (keep: (one: (typeof asked)[number]) => boolean) =>
  asked
    .filter(keep)
    .map(({ id }) => id)
    .toReversed();

test('a list comes page by page: each once, newest first, whatever is added meanwhile', async () => {
  const before = newestFirst(() => true);
  const { ids, pages } = await allOf('/actions?limit=7', () => ask(instance, { id: 'meanwhile' }));
  expect(ids).toEqual(before);
  expect(pages).toBe(6);
});

test('filters hold on every page, and the page after the last one is none', async () => {
  const { ids, pages } = await allOf('/actions?limit=5&state=denied&plugin=ledger');
  expect(ids).toEqual(newestFirst(({ denied }) => denied));
  expect(pages).toBe(2);
  expect((await allOf('/actions?limit=5&plugin=nothing')).ids).toEqual([]);
  const approvals = await allOf('/approvals?limit=4&state=denied');
  expect(approvals.ids).toHaveLength(10);
});

test('workspaces come page by page, too, and a cursor that is none is refused', async () => {
  for (const id of ['ws-a', 'ws-b', 'ws-c']) {
    await instance.call('POST', '/v1/workspaces', { role: 'admin', json: { id, name: id } });
  }
  const page = async (query: string) => {
    const response = await instance.call('GET', `/v1/workspaces${query}`, { role: 'admin' });
    return (await response.json()) as Page;
  };
  const first = await page('?limit=2');
  expect(first.items.map(({ id }) => id)).toEqual(['local', 'ws-a']);
  const second = await page(`?limit=2&cursor=${first.next}`);
  expect(second).toEqual({ items: [expect.anything(), expect.anything()] } as never);
  expect(second.items.map(({ id }) => id)).toEqual(['ws-b', 'ws-c']);
  const bad = await instance.call('GET', '/v1/workspaces?cursor=No+Slug', { role: 'admin' });
  expect(bad.status).toBe(422);
});

test('each filter is an index scan that ends with the page, in a table of many', async () => {
  const owner = connect(instance.ownerUrl, { max: 1, name: 'test' });
  await owner
    .begin(async (tx) => {
      await tx`SELECT set_config('portarium.workspace', 'local', true)`;
      await tx`INSERT INTO portarium.actions (workspace_id, id, state, tier, plugin, version, plugin_digest, operation, effect, input_digest,
        contract_digest, contract, limits, seed, labels, requested_by, policy_version, created_at)
      SELECT 'local', gen_random_uuid(), CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'succeeded' END, 'auto', CASE WHEN n % 500 = 0 THEN 'rare' ELSE 'ledger' END,
        '1.0.0', 'd', 'look', 'read', 'i', 'c', '{}', '{}', 's', '{}', gen_random_uuid(), 1, now() FROM generate_series(1, 20000) n`;
      await tx`ANALYZE portarium.actions`;
      for (const filter of [
        tx``,
        tx`AND state = 'failed'`,
        tx`AND plugin = 'rare'`,
        tx`AND state = 'failed' AND plugin = 'ledger'`,
      ]) {
        const plan =
          await tx`EXPLAIN SELECT id FROM portarium.actions WHERE workspace_id = 'local' ${filter} ORDER BY id DESC LIMIT 51`;
        const text = plan.map((row) => row['QUERY PLAN']).join('\n');
        expect(text).toMatch(/Index (Only )?Scan Backward/);
        expect(text).not.toMatch(/Sort|Seq Scan|Bitmap/);
      }
      throw new Error('nothing of this is kept');
    })
    .catch((error) => expect(String(error)).toContain('nothing of this is kept'));
  await owner.end();
});
