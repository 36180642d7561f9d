import { afterAll, beforeAll, expect, test } from 'bun:test';
import * as host from '../testing/as-host.ts';
import { pushLedger, storeSecret } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { ask, decide } from '../testing/writes.ts';

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
}, 60_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

const usage = (query: string, role = 'auditor') =>
  instance.call('GET', `/v1/workspaces/local/usage${query}`, { role });

test('a workspace that did nothing used nothing, and days that are not days are refused', async () => {
  const answer = await usage('?from=2026-01-01&to=2026-01-31');
  expect(await answer.json()).toEqual({
    from: '2026-01-01',
    to: '2026-01-31',
    days: [],
    operations: [],
  });
  for (const query of [
    '?from=2026-02-01&to=2026-01-01',
    '?from=2025-01-01&to=2026-01-01',
    '?from=x',
    '?to=2026-02-30',
    '?day=1',
  ]) {
    expect([query, (await usage(query)).status]).toEqual([query, 422]);
  }
  expect((await usage('', 'agent')).status).toBe(403);
});

test('actions are summed up by day and by operation, with what their attempts used', async () => {
  await storeSecret(instance);
  await pushLedger(instance);
  const ran = await ask(instance);
  await decide(instance, ran);
  const order = await host.claimed(instance, ran.id);
  await host.report(instance, order, 'outcome', {
    ...{ verdict: 'failed', error: { code: 'guest.error', message: 'no' }, calls: [] },
    usage: { ...host.USAGE, cpuMs: 7.4, egressCalls: 0 },
  });
  await ask(instance);
  const today = new Date().toISOString().slice(0, 10);
  const sums = { actions: 2, succeeded: 0, failed: 1, denied: 0, attempts: 1, cpuMs: 7 };
  const body = (await (await usage('')).json()) as { days: object[]; operations: object[] };
  expect(body.days).toMatchObject([{ day: today, ...sums }]);
  expect(body.operations).toMatchObject([{ plugin: 'ledger', operation: 'write', ...sums }]);
  const before = (await (await usage('?to=2026-01-01')).json()) as { days: object[] };
  expect(before.days).toEqual([]);
});
