import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { choosePorts } from './free-ports.ts';
import { startServices } from './start-services.ts';

const root = mkdtempSync(join(tmpdir(), 'portarium-ports-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function occupy(port: number): Promise<() => Promise<void>> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return () => new Promise((resolve) => server.close(() => resolve()));
}

test('ports differ, and a resume gets the same ones while they are free', async () => {
  const file = join(root, 'resume.json');
  const first = await choosePorts(file, { wanted: { http: 0 } });
  expect(new Set(Object.values(first)).size).toBe(Object.keys(first).length);
  expect(await choosePorts(file, { wanted: { http: 0 } })).toEqual(first);
});

test('only a port that was taken meanwhile is replaced', async () => {
  const file = join(root, 'moved.json');
  const first = await choosePorts(file, { wanted: { http: 0 } });
  const free = await occupy(first.nats);
  const second = await choosePorts(file, { wanted: { http: 0 } });
  await free();
  expect(second).toEqual({ ...first, nats: second.nats });
  expect(second.nats).not.toBe(first.nats);
});

test('a wanted port that is taken is refused by number', async () => {
  const file = join(root, 'wanted.json');
  const { http } = await choosePorts(file, { wanted: { http: 0 } });
  const free = await occupy(http);
  await expect(choosePorts(file, { wanted: { http } })).rejects.toThrow(`Port ${http} (http)`);
  await free();
});

test('a port that is taken between its choice and the start is chosen anew, once', async () => {
  const dataDir = join(root, 'stolen');
  let steal: Promise<() => Promise<void>> | undefined;
  let stolen = 0;
  const services = await startServices({
    dataDir,
    parts: ['nats'],
    onProgress: (event) => {
      if (event.state !== 'resolving' || steal !== undefined) return;
      stolen = JSON.parse(readFileSync(join(dataDir, 'ports.json'), 'utf8')).nats;
      steal = occupy(stolen);
    },
  });
  expect(stolen).toBeGreaterThan(0);
  expect(services.nats.url).not.toContain(`:${stolen}`);
  expect(services.status()).toMatchObject([{ part: 'nats', state: 'ready' }]);
  await services.stop();
  await (await steal)?.();
}, 60_000);
