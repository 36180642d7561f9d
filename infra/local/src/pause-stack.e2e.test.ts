import { afterAll, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backupStack } from './backup-stack.ts';
import { configuringVariables, readEnvironment } from './environment.ts';
import { randomFreePort } from './free-ports.ts';
import { outsideOf } from './outside.ts';
import { pauseStack } from './pause-stack.ts';
import { readStatus, stopStack } from './running-stack.ts';
import { startDetached } from './start-detached.ts';
import { startStack } from './start-stack.ts';

const root = mkdtempSync(join(tmpdir(), 'portarium-pause-'));
chmodSync(root, 0o711);
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('a stack behind a proxy that is stopped for a backup comes back as it was started', async () => {
  const dataDir = join(root, 'background');
  const listen = `127.0.0.1:${await randomFreePort()}`;
  const httpPort = await randomFreePort();
  const variables = { ...configuringVariables(readEnvironment()), PORTARIUM_RATE_PER_KEY: '1' };
  const outside = outsideOf({ listen, behindProxy: true });
  const { keys } = await startDetached({ dataDir, httpPort, outside, variables });
  const status = async (path: string, headers: Record<string, string> = {}) => {
    const bearer = { authorization: `Bearer ${keys.operator}` };
    return (await fetch(`http://${listen}${path}`, { headers: { ...bearer, ...headers } })).status;
  };
  try {
    expect(await status('/v1/workspaces/local')).toBe(200);
    expect(await status('/internal/v1/attempts/claim')).toBe(404);
    const resume = await pauseStack(dataDir);
    expect(readStatus(dataDir).state).toBe('stopped');
    await backupStack(dataDir, join(root, 'b.tar.gz'));
    expect((await resume?.())?.url).toBe(`http://127.0.0.1:${httpPort}`);
    // One request a second, ten at once: whoever says to come from elsewhere has the same limit.
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, at) =>
        status('/v1/workspaces/local', {
          ...{ 'x-forwarded-for': `192.0.2.${at}`, forwarded: `for=192.0.2.${at}` },
          'x-real-ip': `192.0.2.${at}`,
        }),
      ),
    );
    expect(new Set(answers)).toEqual(new Set([200, 429]));
  } finally {
    await stopStack(dataDir);
  }
}, 180_000);

test('a stack that ends with its terminal or service is not stopped for a backup', async () => {
  const dataDir = join(root, 'foreground');
  expect(await pauseStack(dataDir)).toBeUndefined();
  const stack = await startStack({ dataDir });
  try {
    await expect(pauseStack(dataDir)).rejects.toThrow('It was not started with --detach');
    expect(readStatus(dataDir).state).toBe('ready');
  } finally {
    await stack.stop();
  }
}, 120_000);
