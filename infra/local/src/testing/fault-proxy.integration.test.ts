import { expect, test } from 'bun:test';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';

interface Plane extends AsyncDisposable {
  readonly url: string;
  readonly asked: { path: string; body: string; ticket: string | undefined }[];
}

/** Answers as a Control Plane does, as far as a proxy can tell. */
async function startPlane(): Promise<Plane> {
  const asked: Plane['asked'] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      const ticket = request.headers['portarium-ticket'] as string | undefined;
      asked.push({ path, body: Buffer.concat(chunks).toString(), ticket });
      if (path.endsWith('/module')) {
        response.end(Buffer.from([0, 255, 13, 10, 13, 10, 0]));
        return;
      }
      const claim = { status: 'run', order: { attempt: 'att_1' } };
      response.writeHead(path.endsWith('/intents') ? 409 : 200, {
        'content-type': 'application/json',
      });
      response.end(JSON.stringify(path.endsWith('/claims') ? claim : { path }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    asked,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const post = (proxy: FaultProxy, path: string, body: object = {}): Promise<Response> =>
  fetch(`${proxy.url}/internal/v1${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'portarium-ticket': 't' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(5_000),
  });

test('requests and answers pass unchanged, bytes and refusals too', async () => {
  await using plane = await startPlane();
  await using proxy = await startFaultProxy();
  proxy.forwardTo(plane.url);
  const path = '/attempts/att_1/heartbeat?x=1';
  const answer = await post(proxy, path, { call: 0, name: 'ä' });
  expect([answer.status, await answer.json()]).toEqual([200, { path: `/internal/v1${path}` }]);
  expect((await post(proxy, '/attempts/att_1/intents')).status).toBe(409);
  expect(plane.asked[0]).toEqual({
    path: `/internal/v1${path}`,
    body: '{"call":0,"name":"ä"}',
    ticket: 't',
  });
  const module = await fetch(`${proxy.url}/internal/v1/attempts/att_1/module`);
  expect([...new Uint8Array(await module.arrayBuffer())]).toEqual([0, 255, 13, 10, 13, 10, 0]);
});

test('hooks see the exchange with its action, at each point once, and it waits for them', async () => {
  await using plane = await startPlane();
  await using proxy = await startFaultProxy();
  proxy.forwardTo(plane.url);
  const told: unknown[] = [];
  const open = Promise.withResolvers<void>();
  proxy.at('intents', 'before-forward', async ({ action, body }) => {
    told.push(['asked', plane.asked.length, action, body]);
    await open.promise;
  });
  proxy.at('intents', 'before-answer', ({ answer }) => {
    told.push(['answered', plane.asked.length, answer?.status]);
  });
  proxy.at('intents', 'delivered', () => {
    told.push(['delivered']);
  });
  await post(proxy, '/claims', { action: 'act_1' });
  const intent = post(proxy, '/attempts/att_1/intents', { call: 3 });
  while (told.length === 0) await Bun.sleep(1);
  await Bun.sleep(30);
  expect(told).toEqual([['asked', 1, 'act_1', { call: 3 }]]);
  open.resolve();
  await intent;
  while (told.length < 3) await Bun.sleep(1);
  expect(told.slice(1)).toEqual([['answered', 2, 409], ['delivered']]);
});

test('a request or an answer can be lost, and a hook taken away again', async () => {
  await using plane = await startPlane();
  await using proxy = await startFaultProxy();
  proxy.forwardTo(plane.url);
  const free = proxy.at('heartbeat', 'before-forward', () => 'drop');
  await expect(post(proxy, '/attempts/a/heartbeat')).rejects.toThrow();
  expect(plane.asked).toHaveLength(0);
  free();
  proxy.at('heartbeat', 'before-answer', () => 'drop');
  await expect(post(proxy, '/attempts/a/heartbeat')).rejects.toThrow();
  expect(plane.asked).toHaveLength(1);
  expect((await post(proxy, '/attempts/a/outcome')).status).toBe(200);
});

test('a Control Plane that is away gives no answer, and is found again when it is back', async () => {
  await using proxy = await startFaultProxy();
  await expect(post(proxy, '/claims')).rejects.toThrow();
  proxy.forwardTo('http://127.0.0.1:1');
  await expect(post(proxy, '/claims')).rejects.toThrow();
  await using plane = await startPlane();
  proxy.forwardTo(plane.url);
  expect((await post(proxy, '/claims')).status).toBe(200);
});
