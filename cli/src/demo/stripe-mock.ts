/** Stripe's own mock server, started for the demo and stopped with it. Loopback only. */
import { type ChildProcess, spawn } from 'node:child_process';
import { resolveBinary } from '@portarium/local/binaries/resolve-binary';
import { randomFreePort } from '@portarium/local/free-ports';
import type { OnProgress } from '@portarium/local/progress';

export interface StripeMock {
  readonly port: number;
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 20_000;

/** @throws Error when the server does not answer in time */
export async function startStripeMock(onProgress: OnProgress): Promise<StripeMock> {
  const { path } = await resolveBinary('stripe-mock', { onProgress });
  const port = await randomFreePort();
  const unused = await randomFreePort(new Set([port]));
  // Unless told where, it listens for HTTPS too: on every address, and one port for all that run.
  const args = ['-http-addr', `127.0.0.1:${port}`, '-https-addr', `127.0.0.1:${unused}`];
  const child = spawn(path, args, { stdio: 'ignore' });
  const stop = () => stopChild(child);
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline && child.exitCode === null) {
    const response = await fetch(`http://127.0.0.1:${port}/v1/refunds`, {
      headers: { authorization: 'Bearer sk_test_123' },
    }).catch(() => undefined);
    if (response?.ok === true) return { port, stop };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await stop();
  throw new Error(`stripe-mock did not answer on port ${port} within ${READY_WITHIN_MS / 1_000} s`);
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGKILL');
  await gone;
}
