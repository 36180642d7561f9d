/** A sandbox host of a test's own beside the supervised one: nobody starts it again or asks after it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { bunArguments } from '../bun-arguments.ts';
import { dataFolderAt } from '../data-folder.ts';
import { inheritedVariables, readEnvironment } from '../environment.ts';
import { randomFreePort } from '../free-ports.ts';
import { probeHttp } from '../probes/http-probe.ts';
import { REPOSITORY_ROOT } from '../repository.ts';
import type { RunningStack } from '../start-stack.ts';

export interface OwnHost extends AsyncDisposable {
  readonly pid: number;
}

const READY_WITHIN_MS = 30_000;

/**
 * Resolves when it asks for work. @param controlUrl where it finds the Control Plane, such as a proxy's
 * address
 */
export async function startOwnHost(stack: RunningStack, controlUrl: string): Promise<OwnHost> {
  const healthPort = await randomFreePort();
  const folder = dataFolderAt(stack.dataDir);
  const child = spawn(process.execPath, bunArguments('sandbox/src/main.ts', 'serve'), {
    cwd: REPOSITORY_ROOT,
    env: {
      ...inheritedVariables(readEnvironment()),
      PORTARIUM_CONTROL_URL: controlUrl,
      PORTARIUM_HOST_KEY_FILE: folder.hostKey,
      PORTARIUM_TEMPORAL_ADDRESS: stack.services.temporal.address,
      PORTARIUM_TEMPORAL_NAMESPACE: 'default',
      PORTARIUM_TASK_QUEUE: 'sandbox.default',
      PORTARIUM_HEALTH_PORT: String(healthPort),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(join(folder.logs, 'own-host.log'), { flags: 'a' });
  child.stdout?.pipe(log);
  child.stderr?.pipe(log);
  const { pid } = child;
  if (pid === undefined) throw new Error('the sandbox host could not be started');
  const deadline = performance.now() + READY_WITHIN_MS;
  while ((await probeHttp(healthPort, '/readyz')).status !== 200) {
    if (performance.now() > deadline) {
      await end(child);
      throw new Error(`the sandbox host is not ready; see ${folder.logs}/own-host.log`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { pid, [Symbol.asyncDispose]: () => end(child) };
}

/** SIGKILL ends a stopped process as well. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
