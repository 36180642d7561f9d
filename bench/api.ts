/**
 * The HTTP API beside a bare Hono handler that makes one statement on the same database: creation in one
 * workspace and over 16, reading one, and a page of a list. Then pages of lists as the table grows to a
 * million actions.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { readEnvironment } from '@portarium/local/environment';
import { type RunningStack, startStack } from '@portarium/local/start-stack';
import { callStack, pushPlugin } from '@portarium/local/testing/stack-calls';
import { buildPlugin } from '@portarium/sdk/build';
import postgres from 'postgres';
import { alternate, type Case, type Measured, type Ratio, type Subject } from './measure.ts';

const IN_FLIGHT = 16;
const WORKSPACES = 16;
const SIZES = [1_000, 10_000, 100_000, 1_000_000];
/** No limit of rate is measured here. */
const FREE = { PORTARIUM_RATE_PER_KEY: '999999', PORTARIUM_RATE_PER_WORKSPACE: '999999' };

export async function benchApi(tell: (text: string) => void): Promise<Measured> {
  tell('starting the stack');
  const folder = await mkdtemp(join(tmpdir(), 'portarium-bench-api-'));
  const environment = readEnvironment({ ...process.env, ...FREE });
  const stack = await startStack({ dataDir: folder, environment });
  try {
    const bare = await startBare(stack.services.postgres.ownerUrl);
    try {
      return await measure(asAdmin(stack), bare.url, tell);
    } finally {
      bare.stop();
    }
  } finally {
    await stack.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** One key for everything: permissions are not what is measured. */
function asAdmin(stack: RunningStack): RunningStack {
  const { admin } = stack.keys;
  return { ...stack, keys: { ...stack.keys, operator: admin, author: admin } };
}

async function startBare(ownerUrl: string): Promise<{ url: string; stop(): void }> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./bare-hono.ts', import.meta.url))],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, BARE_DATABASE_URL: ownerUrl },
    },
  );
  for await (const port of createInterface({ input: child.stdout })) {
    return { url: `http://127.0.0.1:${port}`, stop: () => child.kill() };
  }
  throw new Error('the bare handler did not start');
}

async function measure(
  stack: RunningStack,
  bare: string,
  tell: (text: string) => void,
): Promise<Measured> {
  const spaces = Array.from({ length: WORKSPACES }, (_, i) => ({
    ...stack,
    workspace: `bench-${i}`,
  }));
  const [one = stack] = spaces;
  for (const space of spaces) {
    await ask(`${stack.url}/v1/workspaces`, stack, { id: space.workspace, name: space.workspace });
    await pushPlugin(space, 'plugins/examples/stripe-refunds');
    await pushManual(space);
  }
  let next = 0;
  const create = (space: RunningStack, plugin = MANUAL) =>
    ask(`${space.url}/v1/workspaces/${space.workspace}/actions`, stack, body(plugin));
  const bareId = ((await post(`${bare}/actions`, body(MANUAL))) as { id: string }).id;
  const { id } = (await create(one)) as { id: string };
  const root = `${stack.url}/v1/workspaces/${one.workspace}/actions`;
  tell(`creation, ${IN_FLIGHT} in flight`);
  const creations = await alternate(
    [
      {
        name: 'create, bare Hono and one insert',
        run: () => post(`${bare}/actions`, body(MANUAL)),
      },
      { name: 'create, one workspace', run: () => create(one) },
      {
        name: `create, over ${WORKSPACES} workspaces`,
        run: () => create(spaces[next++ % WORKSPACES] ?? one),
      },
    ],
    { blocks: 6, blockSize: 300, concurrency: IN_FLIGHT, warmUp: 100 },
  );
  tell('creation that starts a workflow');
  const [waiting] = await alternate(
    [
      {
        name: 'create and start its workflow',
        run: () => create(one, 'stripe-refunds'),
      },
    ],
    { blocks: 2, blockSize: 150, concurrency: IN_FLIGHT, warmUp: 20 },
  );
  tell('reading');
  const reads = await alternate(
    [
      { name: 'get, bare', run: () => get(`${bare}/actions/${bareId}`) },
      { name: 'get', run: () => get(`${root}/${id}`, stack) },
      { name: 'list of 50, bare', run: () => get(`${bare}/actions`) },
      { name: 'list of 50', run: () => get(`${root}?limit=50`, stack) },
    ],
    { blocks: 6, blockSize: 300, concurrency: IN_FLIGHT, warmUp: 100 },
  );
  const lists = await measureLists(stack, tell);
  const [bareCreate, single, spread] = creations;
  return {
    cases: [...creations, ...(waiting ? [waiting] : []), ...reads, ...lists],
    ratios: [
      throughput('creation in one workspace, of bare', single, bareCreate, 0.2),
      throughput(`creation over ${WORKSPACES} workspaces, of bare`, spread, bareCreate, 0.35),
      flat('first page', lists),
      flat('page in the middle', lists),
      flat('by state and plugin', lists),
    ],
  };
}

/** The plugin whose operation a person carries out: neither Temporal nor a sandbox is measured along. */
const MANUAL = 'manual-refunds';

/** The same module under another name, with an operation that is `destructive`. */
async function pushManual(stack: RunningStack): Promise<void> {
  const folder = fileURLToPath(new URL('../plugins/examples/stripe-refunds', import.meta.url));
  const { manifest, module } = await buildPlugin(folder, join(stack.dataDir, 'built', MANUAL));
  const operations = manifest.operations.map((operation) =>
    operation.name === 'createRefund' ? { ...operation, effect: 'destructive' } : operation,
  );
  const form = new FormData();
  const text = JSON.stringify({ ...manifest, name: MANUAL, operations });
  form.set('manifest', new Blob([text], { type: 'application/json' }));
  form.set(
    'module',
    new Blob([new Uint8Array(module)], { type: 'application/wasm' }),
    'plugin.wasm',
  );
  const pushed = await callStack(stack, 'author', 'POST', '/plugins', { body: form });
  if (!pushed.ok) throw new Error(`${MANUAL} was not admitted: ${await pushed.text()}`);
}

function body(plugin: string): object {
  return {
    ...{ plugin, operation: 'createRefund' },
    input: { charge: `ch_${Math.random().toString(36).slice(2)}`, amount: 40 },
  };
}

function throughput(
  name: string,
  ours: Case | undefined,
  peer: Case | undefined,
  aim: number,
): Ratio {
  const value = (ours?.perSecond ?? Number.NaN) / (peer?.perSecond ?? Number.NaN);
  const ok = value >= aim;
  return { name, value, aim, ok, ...(ok ? {} : { missed: 'see docs/reference/proofs.md' }) };
}

function flat(page: string, lists: readonly Case[]): Ratio {
  const own = lists.filter(({ name }) => name.includes(page)).map(({ p50Ms }) => p50Ms);
  const value = (own.at(-1) ?? Number.NaN) / (own[0] ?? Number.NaN);
  const ok = value <= 2;
  return {
    ...{ name: `list, ${page}: a million actions beside a thousand`, value, aim: 2, ok },
    ...(ok ? {} : { missed: 'see docs/reference/proofs.md' }),
  };
}

async function measureLists(
  stack: RunningStack,
  tell: (text: string) => void,
): Promise<readonly Case[]> {
  const sql = postgres(stack.services.postgres.ownerUrl, { max: 1, onnotice: () => {} });
  const root = `${stack.url}/v1/workspaces/local/actions`;
  const cases: Case[] = [];
  let size = 0;
  try {
    for (const wanted of SIZES) {
      tell(`lists of ${wanted.toLocaleString('en')} actions`);
      await fill(sql, size, wanted);
      size = wanted;
      const [middle] = await sql.begin(async (tx) => {
        await tx`SELECT set_config('portarium.workspace', 'local', true)`;
        return tx`SELECT id FROM portarium.actions WHERE workspace_id = 'local' ORDER BY id DESC OFFSET ${Math.floor(wanted / 2)} LIMIT 1`;
      });
      const cursor = `act_${String(middle?.id).replaceAll('-', '')}`;
      const of = `of ${wanted.toLocaleString('en')}`;
      const subjects: Subject[] = [
        { name: `list ${of}, first page`, run: () => get(`${root}?limit=50`, stack) },
        {
          name: `list ${of}, page in the middle`,
          run: () => get(`${root}?limit=50&cursor=${cursor}`, stack),
        },
        {
          name: `list ${of}, by state and plugin`,
          run: () => get(`${root}?limit=50&state=failed&plugin=plugin-7`, stack),
        },
      ];
      cases.push(
        ...(await alternate(subjects, { blocks: 4, blockSize: 100, concurrency: 1, warmUp: 30 })),
      );
    }
  } finally {
    await sql.end();
  }
  return cases;
}

/** Ids as the API makes them: in the order of time. One in ten failed; ten plugins. */
async function fill(sql: postgres.Sql, from: number, to: number): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`SELECT set_config('portarium.workspace', 'local', true)`;
    await tx`
      INSERT INTO portarium.actions (workspace_id, id, state, tier, plugin, version, plugin_digest, operation, effect, input_digest,
        contract_digest, contract, limits, seed, labels, requested_by, policy_version, created_at, finished_at)
      SELECT 'local', uuidv7(make_interval(secs => (n - 2000000) * 0.01)), CASE WHEN n % 10 = 0 THEN 'failed' ELSE 'succeeded' END, 'auto',
        'plugin-' || (n / 10) % 10, '1.0.0', 'sha256:' || repeat('a', 64), 'look', 'read', 'sha256:' || repeat('b', 64), 'sha256:' || repeat('c', 64),
        '{"plugin":[],"operator":[],"networks":[],"approval":[]}', '{}', repeat('0', 64), '{}', gen_random_uuid(), 1, now(), now()
      FROM generate_series(${from + 1}::int, ${to}::int) n`;
  });
  await sql`ANALYZE portarium.actions`;
}

async function get(url: string, stack?: RunningStack): Promise<unknown> {
  const headers = stack ? { authorization: `Bearer ${stack.keys.admin}` } : {};
  return answer(await fetch(url, { headers }));
}

function ask(url: string, stack: RunningStack, json: object): Promise<unknown> {
  return post(url, json, { authorization: `Bearer ${stack.keys.admin}` });
}

async function post(
  url: string,
  json: object,
  more: Record<string, string> = {},
): Promise<unknown> {
  const headers = { 'content-type': 'application/json', ...more };
  return answer(await fetch(url, { method: 'POST', headers, body: JSON.stringify(json) }));
}

async function answer(response: Response): Promise<unknown> {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${text}`);
  return JSON.parse(text);
}
