import { beforeAll, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunningStack } from '@portarium/local/start-stack';
import { children } from '@portarium/local/testing/descendants';
import { startCounterpart } from '@portarium/local/testing/http-counterpart';
import { sharedStack } from '@portarium/local/testing/shared-services';
import { callStack, pushPlugin, requestAction } from '@portarium/local/testing/stack-calls';

let stack: RunningStack;
beforeAll(async () => {
  stack = await sharedStack();
}, 120_000);

/** Those with tests of their own. */
const OTHERS = ['modules', 'redirect-follower', 'requests'];

const ATTACKS = readdirSync(import.meta.dir, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !OTHERS.includes(entry.name))
  .map((entry) => entry.name);

interface Expected {
  readonly verdict: string;
  readonly errorCode?: string;
}

for (const name of ATTACKS) {
  test(`the attack ${name} gets the verdict that stands beside it, twice`, async () => {
    const folder = join(import.meta.dir, name);
    const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Expected;
    const manifest = JSON.parse(readFileSync(join(folder, 'plugin.json'), 'utf8')) as {
      operations: { name: string; encoding?: string }[];
    };
    const plugin = await pushPlugin(stack, `plugins/hostile/${name}`);
    const [operation] = manifest.operations;
    for (let i = 0; i < 2; i++) {
      const action = await requestAction(
        stack,
        plugin,
        operation?.name ?? '',
        operation?.encoding === 'bytes' ? '' : {},
        30,
      );
      expect([action.state, action.error?.code]).toEqual([expected.verdict, expected.errorCode]);
      if (name === 'memory-bomb') {
        expect((action.output as { pages: number }).pages).toBeLessThanOrEqual(256);
      }
      if (name === 'global-state')
        expect(action.output).toEqual({ count: 1, memory: 1, variable: 1 });
    }
  }, 60_000);
}

test('a plugin that asks for it gets a process of its own for every attempt, and evidence names its isolation', async () => {
  const host = () => children(stack.pidOf('sandbox') ?? -1);
  /** Processes of cells that an attempt leaves behind which were not there before, and that it took away. */
  const counted = async (plugin: string) => {
    const before = host();
    const action = await requestAction(stack, plugin, 'count', {}, 30);
    expect(action.state).toBe('succeeded');
    const after = host();
    const came = after.filter((pid) => !before.includes(pid)).length;
    return { action, came, went: before.filter((pid) => !after.includes(pid)).length };
  };
  const push = (name: string, isolation?: 'attempt') =>
    pushPlugin(stack, 'plugins/hostile/global-state', undefined, (manifest) => ({
      ...manifest,
      ...{ name, ...(isolation === undefined ? {} : { isolation }) },
    }));

  const shared = await push('shared-cell');
  await counted(shared);
  expect((await counted(shared)).came).toBe(0);

  const alone = await push('own-cell', 'attempt');
  const port = stack.status().find(({ part }) => part === 'sandbox')?.port;
  const health = await (await fetch(`http://127.0.0.1:${port}/healthz`)).json();
  for (let i = 0; i < 2; i++) {
    const { action, came, went } = await counted(alone);
    expect(came).toBeGreaterThan(0);
    expect(went).toBeGreaterThan(0);
    const path = `/evidence?action=${action.id}`;
    const { items } = (await (await callStack(stack, 'auditor', 'GET', path)).json()) as {
      items: { entry: { type: string; data: Record<string, unknown> } }[];
    };
    const started = items.find(({ entry }) => entry.type === 'attempt.started');
    expect(started?.entry.data.isolation).toBe((health as { isolation: string }).isolation);
  }
}, 60_000);

test('a redirect to a host outside the grant is refused, and the denial is evidence with its reason', async () => {
  await using open = await startCounterpart();
  const plugin = await pushPlugin(stack, 'plugins/hostile/redirect-follower', {
    scheme: 'http',
    host: '127.0.0.1',
    port: open.port,
  });
  const action = await requestAction(
    stack,
    plugin,
    'fetch',
    {
      url: `http://127.0.0.1:${open.port}/redirect/${btoa('http://127.0.0.1:1/secret').replaceAll('=', '')}`,
    },
    30,
  );
  expect(action.error?.code).toBe('egress.denied');
  const evidence = await (
    await callStack(stack, 'auditor', 'GET', `/evidence?action=${action.id}`)
  ).json();
  const denial = (
    evidence as { items: { entry: { type: string; data: Record<string, unknown> } }[] }
  ).items.find(({ entry }) => entry.type === 'egress.denied');
  expect(denial?.entry.data).toMatchObject({ host: '127.0.0.1', port: 1, path: '/secret' });
  const journal = (await (
    await callStack(stack, 'operator', 'GET', `/actions/${action.id}/journal`)
  ).json()) as { items: { verdict: string; status?: number }[] };
  expect(journal.items.map(({ verdict }) => verdict)).toEqual(['allowed', 'denied']);
}, 60_000);

test('what a plugin was not granted by the operator is refused, whatever its manifest asks for', async () => {
  await using open = await startCounterpart();
  const plugin = await pushPlugin(stack, 'plugins/hostile/redirect-follower', {
    scheme: 'http',
    host: '127.0.0.1',
    port: open.port,
  });
  await callStack(stack, 'operator', 'PUT', `/plugins/${plugin}/egress`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ rules: [], networks: ['loopback'] }),
  });
  const action = await requestAction(
    stack,
    plugin,
    'fetch',
    { url: `http://127.0.0.1:${open.port}/` },
    30,
  );
  expect(action.error?.code).toBe('egress.denied');
  expect(open.asked).toEqual([]);
}, 60_000);
