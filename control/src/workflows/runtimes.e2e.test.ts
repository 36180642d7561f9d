import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { planeCommand } from '@portarium/local/parts/plane-command';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import { sharedServices } from '@portarium/local/testing/shared-services';
import { Client, Connection } from '@temporalio/client';
import {
  bundleControl,
  bundleProgram,
  type ControlBundle,
} from '../../../scripts/bundle-control.ts';
import { childEnvironment } from '../testing/child-environment.ts';
import { pushLedger, storeSecret } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { ask, decide } from '../testing/writes.ts';

const HISTORIES = fileURLToPath(new URL('./histories/', import.meta.url));
const REPLAY = 'control/src/testing/replay-histories.ts';
const RUNTIMES = ['bun', 'deno', 'node'] as const;
type Runtime = (typeof RUNTIMES)[number];
const NODE = Bun.which('node');

let instance: TestInstance;
let connection: Connection;
let folder: string;
let bundle: ControlBundle;
let replay: string;
beforeAll(async () => {
  // Packages are found from within the repository.
  folder = await mkdtemp(join(REPOSITORY_ROOT, 'control/build-'));
  bundle = await bundleControl(folder);
  replay = join(folder, 'replay.mjs');
  await bundleProgram(REPLAY, replay);
  instance = await startTestInstance();
  await storeSecret(instance);
  await pushLedger(instance);
  connection = await Connection.connect({ address: (await sharedServices()).temporal.address });
}, 120_000);
afterAll(async () => {
  await connection?.close();
  await instance?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Node runs the bundle, the others the sources. */
function command(runtime: Runtime, source: string, bundled: string, ...args: string[]) {
  if (runtime === 'node') return { file: NODE ?? 'node', args: [bundled, ...args] };
  return planeCommand({ runtime }, source, ...args);
}

async function stop(worker: ChildProcess): Promise<number | null> {
  const ended = new Promise<number | null>((resolve) => worker.once('exit', resolve));
  worker.kill('SIGTERM');
  return ended;
}

for (const runtime of RUNTIMES) {
  const on = test.skipIf(runtime === 'node' && NODE === null);

  on(
    `the workflow worker carries an action to its end on ${runtime}`,
    async () => {
      const { file, args } = command(runtime, 'control/src/main.ts', bundle.main, 'worker');
      const { PATH = '', HOME = '' } = process.env;
      const env = { PATH, HOME, ...childEnvironment(instance.configuration) };
      const worker = spawn(file, args, {
        cwd: REPOSITORY_ROOT,
        env: { ...env, PORTARIUM_WORKFLOW_BUNDLE: bundle.workflows },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let said = '';
      for (const pipe of [worker.stdout, worker.stderr]) pipe.on('data', (text) => (said += text));
      try {
        const action = await ask(instance, { id: runtime });
        const handle = new Client({ connection }).workflow.getHandle(action.id);
        expect((await decide(instance, action, { decision: 'deny' })).status).toBe(200);
        expect(await handle.result(), said).toBe('denied');
        const { events } = await handle.fetchHistory();
        const by = events?.flatMap(
          ({ workflowTaskCompletedEventAttributes: done }) => done?.identity ?? [],
        );
        expect(by?.every((identity) => identity.startsWith(`${worker.pid}@`))).toBe(true);
      } finally {
        expect(await stop(worker), said).toBe(0);
      }
    },
    60_000,
  );

  on(
    `the same recorded histories replay on ${runtime}`,
    () => {
      const { file, args } = command(runtime, REPLAY, replay, bundle.workflows, HISTORIES);
      const { stdout, stderr } = spawnSync(file, args, { cwd: REPOSITORY_ROOT, encoding: 'utf8' });
      const names = ['action-approved.json', 'action-succeeded.json'];
      expect(JSON.parse(stdout || stderr)).toEqual({ replayed: names });
    },
    60_000,
  );
}
