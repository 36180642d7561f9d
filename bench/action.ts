/**
 * An `auto` action over HTTP (policy, evidence, Temporal, sandbox, WebAssembly) beside a bare Temporal
 * workflow with one activity, on the same Temporal server in the same run.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type RunningStack, startStack } from '@portarium/local/start-stack';
import { buildPlugin } from '@portarium/sdk/build';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { alternate, type Case, type Measured, type Subject } from './measure.ts';

const AIM = 1.5;
const CSV = 'order,amount\n1,10.5\n2,20\n3,7.25\n';

export async function benchAction(tell: (text: string) => void): Promise<Measured> {
  const dataDir = await mkdtemp(join(tmpdir(), 'portarium-bench-'));
  tell('starting the stack');
  const stack = await startStack({ dataDir });
  let peer: Awaited<ReturnType<typeof bareTemporal>> | undefined;
  try {
    await pushCsvInsights(stack);
    peer = await bareTemporal(stack.services.temporal.address);
    const ours: Subject = { name: 'portarium action over HTTP', run: () => runAction(stack) };
    tell('one at a time');
    const alone = await alternate([ours, peer], {
      blocks: 10,
      blockSize: 20,
      concurrency: 1,
      warmUp: 20,
    });
    tell('eight at a time');
    const together = await alternate([ours, peer], {
      blocks: 5,
      blockSize: 40,
      concurrency: 8,
      warmUp: 16,
    });
    const cases = [
      ...alone,
      ...together.map((each) => ({ ...each, name: `${each.name}, 8 at a time` })),
    ];
    return { cases, ratios: [latencyRatio(alone)] };
  } finally {
    await peer?.stop();
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

function latencyRatio([ours, peer]: readonly Case[]) {
  const value = (ours?.p50Ms ?? Number.NaN) / (peer?.p50Ms ?? Number.NaN);
  const ok = value <= AIM;
  return {
    name: 'p50 latency, action / bare workflow',
    value,
    aim: AIM,
    ok,
    ...(ok ? {} : { missed: 'see docs/reference/proofs.md' }),
  };
}

async function pushCsvInsights(stack: RunningStack): Promise<void> {
  const folder = fileURLToPath(new URL('../plugins/examples/csv-insights', import.meta.url));
  const { manifestText, module } = await buildPlugin(folder, join(stack.dataDir, 'bench-plugin'));
  const form = new FormData();
  form.set('manifest', new Blob([manifestText], { type: 'application/json' }));
  form.set(
    'module',
    new Blob([module as Uint8Array<ArrayBuffer>], { type: 'application/wasm' }),
    'plugin.wasm',
  );
  const response = await fetch(`${stack.url}/v1/workspaces/${stack.workspace}/plugins`, {
    method: 'POST',
    headers: { authorization: `Bearer ${stack.keys.author}` },
    body: form,
  });
  if (!response.ok) throw new Error(`the plugin was not admitted: ${await response.text()}`);
}

async function runAction(stack: RunningStack): Promise<void> {
  const response = await fetch(`${stack.url}/v1/workspaces/${stack.workspace}/actions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${stack.keys.operator}`,
      'content-type': 'application/json',
      prefer: 'wait=30',
    },
    body: JSON.stringify({ plugin: 'csv-insights', operation: 'summarise', input: { csv: CSV } }),
  });
  const action = (await response.json()) as { state: string };
  if (action.state !== 'succeeded') throw new Error(`an action ended ${JSON.stringify(action)}`);
}

async function bareTemporal(address: string): Promise<Subject & { stop(): Promise<void> }> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection,
    taskQueue: 'bench-bare',
    workflowsPath: fileURLToPath(new URL('./bare-workflow.ts', import.meta.url)),
    activities: { bare: async (text: string) => text },
  });
  const running = worker.run();
  const client = new Client({ connection: await Connection.connect({ address }) });
  let n = 0;
  return {
    name: 'bare Temporal workflow, 1 activity',
    run: () =>
      client.workflow.execute('bareWorkflow', {
        taskQueue: 'bench-bare',
        workflowId: `bare-${process.pid}-${n++}`,
        args: [CSV],
      }),
    async stop() {
      worker.shutdown();
      await running;
      await client.connection.close();
      await connection.close();
    },
  };
}
