/** The Temporal worker of the Control Plane: the workflows and its own activities. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ControlActivities } from '@portarium/contracts/activities';
import {
  bundleWorkflowCode,
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
} from '@temporalio/worker';
import { CONTROL_TASK_QUEUE } from './dispatcher.ts';

const FOLDER = new URL('../../workflows/', import.meta.url);
const WORKFLOWS = fileURLToPath(new URL('all.ts', FOLDER));
const SOURCES = ['all.ts', 'action.ts', 'admission.ts'];

export interface RunningWorker {
  /** Stops polling, lets running tasks end, and resolves. */
  stop(): Promise<void>;
  /** Rejects when the worker dies. */
  readonly done: Promise<void>;
}

let runtimeInstalled = false;

export async function startWorker(
  options: {
    readonly address: string;
    readonly namespace: string;
    readonly cacheFolder: string;
    /** File with the bundled workflow code, where it was made ahead. */
    readonly bundle?: string | undefined;
  },
  activities: ControlActivities,
): Promise<RunningWorker> {
  if (!runtimeInstalled) {
    Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: [] });
    runtimeInstalled = true;
  }
  const [connection, code] = await Promise.all([
    NativeConnection.connect({ address: options.address }),
    options.bundle === undefined
      ? workflowBundle(options.cacheFolder)
      : readFile(options.bundle, 'utf8'),
  ]);
  const worker = await Worker.create({
    connection,
    namespace: options.namespace,
    taskQueue: CONTROL_TASK_QUEUE,
    workflowBundle: { code },
    activities: { ...activities },
    shutdownGraceTime: '5 seconds',
  });
  const done = worker.run().finally(() => connection.close());
  done.catch(() => undefined);
  return {
    done,
    async stop() {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await done.catch(() => undefined);
    },
  };
}

/** The bundled workflow code, made once for each version of its sources and of the SDK. */
export async function workflowBundle(cacheFolder: string): Promise<string> {
  const sdk = createRequire(import.meta.url)('@temporalio/worker/package.json') as {
    version: string;
  };
  const hash = createHash('sha256').update(sdk.version);
  for (const name of SOURCES) hash.update(await readFile(new URL(name, FOLDER)));
  const key = hash.digest('hex').slice(0, 32);
  const path = join(cacheFolder, `workflows-${key}.js`);
  try {
    return await readFile(path, 'utf8');
  } catch {
    const code = await bundleWorkflows();
    await mkdir(dirname(path), { recursive: true });
    const aside = `${path}.${process.pid}.part`;
    await writeFile(aside, code);
    await rename(aside, path);
    return code;
  }
}

export async function bundleWorkflows(): Promise<string> {
  const logger = new DefaultLogger('ERROR');
  return (await bundleWorkflowCode({ workflowsPath: WORKFLOWS, logger })).code;
}
