/** Workspaces of all tiers on one instance with few connections, all at once: no row crosses between them. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { runCount } from '@portarium/contracts/testing/run-count';
import { createIn } from '../../../testing/provision.ts';
import { randomFrom } from '../../../testing/random-from.ts';
import { type Table, tablesOf } from '../../../testing/tenancy-rows.ts';
import { inDatabase, namesOf } from '../../../testing/tenancy-scratch.ts';
import { Boundary, createTenant, type Tenant } from '../../../testing/tenant.ts';
import { send, sendEach, type Traffic } from '../../../testing/tenant-traffic.ts';
import { startTestInstance, type TestInstance } from '../../../testing/test-instance.ts';
import { connect, type Sql } from '../connect.ts';

const SEED = 20_261_128;
const TIERS = ['A', 'B', 'C'] as const;
/** Of each tier; as near to each other as ids may be. */
const IDS = (tier: string) =>
  ['iso-', 'iso--', 'iso'].map((start) => `${start}${tier.toLowerCase()}-end`);
const CONNECTIONS = 4;
const AT_ONCE = 16;
const REQUESTS = runCount(1_000, 10_000);

let instance: TestInstance;
let traffic: Traffic;
let tenants: readonly Tenant[];
let owner: Sql;

beforeAll(async () => {
  const rates = { PORTARIUM_RATE_PER_KEY: '100000', PORTARIUM_RATE_PER_WORKSPACE: '100000' };
  instance = await startTestInstance(undefined, rates, undefined, CONNECTIONS);
  owner = connect(instance.ownerUrl, { max: 1, name: 'test-isolation' });
  const made: Tenant[] = [];
  for (const tier of TIERS) {
    for (const id of IDS(tier)) {
      const created = await createIn(instance, id, tier);
      expect([id, created.status]).toEqual([id, 201]);
      made.push(await createTenant(instance, { id, tier, number: 101 + made.length }));
    }
  }
  tenants = made;
  const common = await instance.call('GET', '/v1/keys', { role: 'admin' });
  const { items } = (await common.json()) as { items: { id: string }[] };
  const boundary = new Boundary(
    tenants,
    items.map(({ id }) => id),
  );
  traffic = { instance, boundary, tenants, random: randomFrom(SEED) };
}, 240_000);
afterAll(async () => {
  await owner.end({ timeout: 5 });
  await instance[Symbol.asyncDispose]();
}, 60_000);

const of = (tier: string) => tenants.filter((one) => one.tier === tier);

/** Requests whose answers have to hold the mark of who asked, or they would prove nothing. */
const MARKED = [
  ...['action', 'actions', 'action with its output', 'claimed input', 'key', 'keys'],
  ...['evidence', 'entry', 'export', 'credential', 'credentials'],
  ...['approval', 'approvals', 'decision', 'hold', 'holds', 'plugins'],
];

for (const tier of TIERS) {
  test(`tier ${tier}: generated requests of three workspaces, ${AT_ONCE} at once, are answered with their own alone (seed ${SEED})`, async () => {
    const { boundary } = traffic;
    boundary.marked.clear();
    const failed = [
      ...(await sendEach(traffic, of(tier))),
      ...(await send(traffic, of(tier), { count: REQUESTS, atOnce: AT_ONCE })),
    ];
    expect(failed).toEqual([]);
    expect(boundary.found).toEqual([]);
    expect(MARKED.filter((kind) => !boundary.marked.has(kind))).toEqual([]);
  }, 1_800_000);
}

test('workspaces of all tiers at once are answered with their own alone', async () => {
  const count = Math.ceil(REQUESTS / 4);
  expect(await send(traffic, tenants, { count, atOnce: AT_ONCE })).toEqual([]);
  expect(traffic.boundary.found).toEqual([]);
}, 1_800_000);

test('tier B: while tables of its schemas get columns, one schema after the other, no request fails', async () => {
  const schemas = of('B').map(({ id }) => namesOf(id).place);
  const tables = ['actions', 'credentials', 'plugins', 'approvals', 'legal_holds', 'log_entries'];
  let over = false;
  const change = async () => {
    for (const [at, table] of [...tables, ...tables].entries()) {
      for (const schema of schemas) {
        await owner.unsafe(`ALTER TABLE ${schema}.${table} ADD COLUMN later_${at} text`);
        await Bun.sleep(20);
      }
    }
    over = true;
  };
  const ask = async () => {
    const failed: string[] = [];
    while (!over) failed.push(...(await send(traffic, of('B'), { count: 50, atOnce: 8 })));
    return failed;
  };
  const [failed] = await Promise.all([ask(), change()]);
  expect(failed).toEqual([]);
  expect(traffic.boundary.found).toEqual([]);
}, 1_800_000);

/** Rows of a table in which the mark of somebody else stands, as text or as bytes. */
async function strangers(sql: Sql, { schema, name, columns }: Table, own: Tenant) {
  const others = tenants.filter((one) => one !== own).map(({ mark }) => mark);
  const marks = [...others, ...others.map((mark) => Buffer.from(mark).toString('hex'))];
  const mine = columns.some((column) => column.name === 'workspace_id')
    ? sql`workspace_id = ${own.id}`
    : sql`true`;
  const rows = await sql`
    SELECT left(t::text, 200) AS row FROM ${sql(schema)}.${sql(name)} t WHERE ${mine} AND t::text ~ ${marks.join('|')}`;
  return rows.map(({ row }) => `${own.id} in ${schema}.${name}: ${row}`);
}

test('in the databases every row with a mark is a row of the workspace whose mark it is', async () => {
  const found: string[] = [];
  for (const tenant of tenants) {
    const inside =
      tenant.tier === 'C'
        ? connect(inDatabase(instance.ownerUrl, namesOf(tenant.id).place), { max: 1, name: 'test' })
        : owner;
    const schema = tenant.tier === 'B' ? namesOf(tenant.id).place : 'portarium';
    const tables = [
      ...(await tablesOf(inside, schema)),
      ...(await tablesOf(owner, 'portarium', 'global')).filter(({ name }) =>
        ['api_keys', 'outbox'].includes(name),
      ),
    ];
    for (const table of tables) found.push(...(await strangers(inside, table, tenant)));
    // And none of its rows is anywhere else.
    if (tenant.tier !== 'A') {
      for (const table of await tablesOf(owner, 'portarium')) {
        const rows =
          await owner`SELECT FROM portarium.${owner(table.name)} t WHERE workspace_id = ${tenant.id} OR t::text LIKE ${`%${tenant.mark}%`}`;
        if (rows.length > 0) found.push(`${tenant.id} is in portarium.${table.name}`);
      }
    }
    if (tenant.tier === 'B') {
      const own =
        await owner`SELECT FROM ${owner(schema)}.actions WHERE workspace_id <> ${tenant.id}`;
      if (own.length > 0) found.push(`${schema}.actions has rows of others`);
    }
    if (inside !== owner) await inside.end({ timeout: 5 });
  }
  expect(found).toEqual([]);
}, 120_000);
