import { afterAll, beforeAll, expect, test } from 'bun:test';
import { randomFreePort } from '@portarium/local/free-ports';
import { serve } from './serve.ts';
import { pushLedger, storeSecret } from './testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from './testing/test-instance.ts';

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
  await storeSecret(instance);
  await pushLedger(instance);
}, 60_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

test('a Control Plane that stops answers who waits, ends streams, and takes nobody else', async () => {
  const port = await randomFreePort();
  const url = `http://127.0.0.1:${port}`;
  const running = await serve(
    { ...instance.configuration, PORTARIUM_HTTP_PORT: port },
    new Set(['api'] as const),
  );
  const as = (role: string) => ({ authorization: `Bearer ${instance.keys[role]}` });
  const stream = await fetch(`${url}/v1/workspaces/local/events`, { headers: as('operator') });
  expect(stream.status).toBe(200);
  const streamed = stream.text();
  // No host runs here: it would be held for a minute.
  const waiting = fetch(`${url}/v1/workspaces/local/actions`, {
    method: 'POST',
    headers: { ...as('operator'), 'content-type': 'application/json', prefer: 'wait=60' },
    body: JSON.stringify({ plugin: 'ledger', operation: 'look', input: {} }),
  });
  await Bun.sleep(300);
  const startedMs = performance.now();
  const stopped = running.stop();
  const answer = await waiting;
  expect(answer.status).toBe(202);
  const action = (await answer.json()) as { id: string; state: string };
  expect(action.state).toBe('dispatched');
  expect(await streamed).toContain('event: open');
  await stopped;
  expect(performance.now() - startedMs).toBeLessThan(8_000);
  expect(fetch(`${url}/livez`)).rejects.toThrow();
  // What was taken is kept: another replica knows of it.
  const kept = await instance.call('GET', `/v1/workspaces/local/actions/${action.id}`, {
    role: 'operator',
  });
  expect(kept.status).toBe(200);
}, 30_000);
