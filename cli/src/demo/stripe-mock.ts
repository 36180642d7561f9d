/** Stripe's own mock server, started for the demo and stopped with it. Loopback only. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { resolveBinary } from '@portarium/local/binaries/resolve-binary';
import type { OnProgress } from '@portarium/local/progress';

export interface StripeMock {
  readonly port: number;
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 20_000;
const STARTS = 5;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string')
    throw new Error('no port is free on loopback');
  return address.port;
}

/** @throws Error when the server does not answer in time, or never gets a port */
export async function startStripeMock(onProgress: OnProgress): Promise<StripeMock> {
  const { path } = await resolveBinary('stripe-mock', { onProgress });
  for (let start = 1; start <= STARTS; start++) {
    const [port, unused] = [await freePort(), await freePort()];
    // Unless told where, it listens for HTTPS too: on every address, and one port for all that run.
    const args = ['-http-addr', `127.0.0.1:${port}`, '-https-addr', `127.0.0.1:${unused}`];
    const child = spawn(path, args, { stdio: 'ignore' });
    if (await answers(port, child)) return { port, stop: () => stopChild(child) };
    // It ended by itself: somebody else took the port in between.
    if (child.exitCode !== null) continue;
    await stopChild(child);
    const seconds = READY_WITHIN_MS / 1_000;
    throw new Error(`stripe-mock did not answer on port ${port} within ${seconds} s`);
  }
  throw new Error(`stripe-mock ended ${STARTS} times before it answered`);
}

async function answers(port: number, child: ChildProcess): Promise<boolean> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline && child.exitCode === null) {
    const response = await fetch(`http://127.0.0.1:${port}/v1/refunds`, {
      headers: { authorization: 'Bearer sk_test_123' },
    }).catch(() => undefined);
    if (response?.ok === true) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGKILL');
  await gone;
}
