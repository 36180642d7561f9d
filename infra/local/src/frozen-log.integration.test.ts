import { expect, test } from 'bun:test';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { frozenLogAt } from './frozen-log.ts';

async function saidOf(body: string, status = 200): Promise<string | undefined> {
  const server = createServer((_, response) => response.writeHead(status).end(body));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await frozenLogAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
  }
}

const health = (said: string) => JSON.stringify({ version: '1', parts: { 'evidence-log': said } });

test('frozen logs of a running stack are told, and nothing else is', async () => {
  const frozen = 'frozen: 2 (evidence.rolled-back)';
  expect(await saidOf(health(frozen))).toBe(frozen);
  for (const said of ['ok', 'evidence-log: no answer']) {
    expect(await saidOf(health(said))).toBeUndefined();
  }
  expect(await saidOf(health(frozen), 503)).toBeUndefined();
  expect(await saidOf('no JSON')).toBeUndefined();
  expect(await frozenLogAt('http://127.0.0.1:1')).toBeUndefined();
});
