import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createRateTokens } from '../infrastructure/postgres/rate-tokens.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { createApp } from './app.ts';
import { RateLimiter } from './rate-limiter.ts';

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance(undefined, {
    PORTARIUM_RATE_PER_KEY: '2',
    PORTARIUM_RATE_PER_WORKSPACE: '3',
  });
}, 60_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

async function ask(key: string, app = instance.app): Promise<Response> {
  const headers = { authorization: `Bearer ${key}` };
  return app.fetch(new Request('http://control.test/v1/workspaces/local', { headers }));
}

test('a key has its burst, over two replicas together, and is told when to come back', async () => {
  // A second replica: its own memory, the same database.
  const other = createApp(instance.composed.context, {
    required: {},
    optional: {},
    rates: { key: { perSecond: 2, burst: 20 }, workspace: { perSecond: 1_000, burst: 10_000 } },
  });
  const key = instance.keys.auditor ?? '';
  const answers: Response[] = [];
  for (let i = 0; i < 30; i++) answers.push(await ask(key, other), await ask(key, other));
  const fine = answers.filter(({ status }) => status === 200).length;
  // 20 at once, and 2 a second while this ran.
  expect(fine).toBeGreaterThanOrEqual(20);
  expect(fine).toBeLessThan(30);
  const refused = answers.find(({ status }) => status === 429);
  expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(refused?.headers.get('ratelimit-policy')).toBe('"key";q=20;w=10');
  expect(refused?.headers.get('ratelimit')).toMatch(/^"key";r=0;t=\d+$/);
  const problem = (await refused?.json()) as { code: string; detail: string };
  expect(problem.code).toBe('rate.limited');
  expect(problem.detail).toBe('This key sends more than 2 requests a second.');
  // The first replica knows of it from the database alone.
  expect((await ask(key)).status).toBe(429);
});

test('the keys of a workspace share its rate, and a stranger takes nothing of it', async () => {
  const foreign = await instance.call('POST', '/v1/workspaces', {
    role: 'admin',
    json: { id: 'elsewhere', name: 'Elsewhere' },
  });
  expect(foreign.status).toBe(201);
  const made = await instance.call('POST', '/v1/workspaces/elsewhere/keys', {
    role: 'admin',
    json: { name: 'stranger', owner: 'eve', role: 'admin' },
  });
  const stranger = ((await made.json()) as { key: string }).key;
  for (let i = 0; i < 18; i++) expect((await ask(stranger)).status).toBe(403);
  const statuses: number[] = [];
  for (const role of ['operator', 'approver', 'author', 'agent']) {
    for (let i = 0; i < 15; i++) {
      const response = await ask(instance.keys[role] ?? '');
      statuses.push(response.status);
      if (response.status === 200) {
        expect(response.headers.get('ratelimit-policy')).toBe(
          '"key";q=20;w=10, "workspace";q=30;w=10',
        );
      }
    }
  }
  const fine = statuses.filter((status) => status === 200).length;
  expect(fine).toBeGreaterThanOrEqual(25);
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(15);
});

test('tokens come back with time, and never more than the burst', async () => {
  const tokens = createRateTokens(instance.composed.sql);
  const limit = { perSecond: 100, burst: 10 };
  expect(await tokens.lease('t', limit, 25)).toEqual({ granted: 10, left: 0 });
  await Bun.sleep(50);
  const some = await tokens.lease('t', limit, 25);
  expect(some.granted).toBeGreaterThanOrEqual(4);
  await Bun.sleep(300);
  expect((await tokens.lease('t', limit, 25)).granted).toBe(10);
  await tokens.forget(-1_000);
  expect((await tokens.lease('t', limit, 1)).left).toBe(9);
});

test('requests of one key that come together lease in blocks and keep to the limit', async () => {
  let leases = 0;
  const tokens = createRateTokens(instance.composed.sql);
  const counting: typeof tokens = {
    ...tokens,
    lease: (...asked) => {
      leases += 1;
      return tokens.lease(...asked);
    },
  };
  const limiter = new RateLimiter(counting, () => performance.now());
  const limit = { perSecond: 100, burst: 100 };
  const taken = await Promise.all(
    Array.from({ length: 300 }, () => limiter.take('together', limit)),
  );
  const allowed = taken.filter((verdict) => verdict.allowed).length;
  expect(allowed).toBeGreaterThanOrEqual(100);
  expect(allowed).toBeLessThan(200);
  expect(leases).toBeLessThan(allowed / 4);
});
