import { beforeAll, expect, test } from 'bun:test';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunningStack } from '@portarium/local/start-stack';
import { startRecordingCounterpart } from '@portarium/local/testing/recording-counterpart';
import { sharedStack } from '@portarium/local/testing/shared-services';
import { pushPlugin, requestAction } from '@portarium/local/testing/stack-calls';
import { approveWrite, requestWrite, untilEnded } from '@portarium/local/testing/write-rig';
import { Client, Connection } from '@temporalio/client';
import { historyFromJSON, historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { workflowBundle } from '../infrastructure/temporal/worker.ts';

/** Recorded from a real stack by this file under UPDATE_HISTORIES=1; changed by nothing else. */
const HISTORIES = fileURLToPath(new URL('./histories/', import.meta.url));

let stack: RunningStack;
let code: string;
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  stack = await sharedStack();
  code = await workflowBundle(await mkdtemp(join(tmpdir(), 'portarium-bundle-')));
}, 120_000);

async function historyOf(id: string) {
  const connection = await Connection.connect({ address: stack.services.temporal.address });
  try {
    const handle = new Client({ connection }).workflow.getHandle(id);
    await handle.result();
    return await handle.fetchHistory();
  } finally {
    await connection.close();
  }
}

test('the history of a real action replays, and nothing but ids stands in it', async () => {
  const plugin = await pushPlugin(stack, 'plugins/examples/csv-insights');
  const action = await requestAction(stack, plugin, 'summarise', { csv: 'secret-column\n1\n' }, 30);
  expect(action.state).toBe('succeeded');
  const history = await historyOf(action.id);
  await Worker.runReplayHistory({ workflowBundle: { code } }, history, action.id);
  const text = historyToJSON(history);
  const payloads = [...text.matchAll(/"data":\s*"([^"]+)"/g)].map((match) => atob(match[1] ?? ''));
  expect(payloads.join('\n')).toContain(action.id);
  expect(payloads.join('\n')).not.toContain('secret-column');
  await record('action-succeeded.json', text);
}, 60_000);

test('the history of a write that people approved replays, and tells Temporal nothing of the decision', async () => {
  await using counterpart = await startRecordingCounterpart();
  const target = { scheme: 'http', host: '127.0.0.1', port: counterpart.port } as const;
  await pushPlugin(stack, 'plugins/sdk/fixtures/ledger', target);
  const action = await requestWrite(stack, `history-${Date.now()}`, true);
  await approveWrite(stack, action);
  expect((await untilEnded(stack, action.id, 30_000)).state).toBe('succeeded');
  const history = await historyOf(action.id);
  await Worker.runReplayHistory({ workflowBundle: { code } }, history, action.id);
  const text = historyToJSON(history);
  const payloads = [...text.matchAll(/"data":\s*"([^"]+)"/g)].map((match) => atob(match[1] ?? ''));
  expect(payloads.join('\n')).toContain(action.id);
  expect(payloads.join('\n')).not.toMatch(/a test of writes|sha256:|apr_/);
  await record('action-approved.json', text);
}, 60_000);

async function record(file: string, text: string): Promise<void> {
  if (process.env.UPDATE_HISTORIES === '1') await writeFile(join(HISTORIES, file), `${text}\n`);
}

test('every recorded history replays with the workflow code of today', async () => {
  const files = (await readdir(HISTORIES)).filter((file) => file.endsWith('.json'));
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) {
    const history = historyFromJSON(JSON.parse(await readFile(join(HISTORIES, file), 'utf8')));
    await Worker.runReplayHistory({ workflowBundle: { code } }, history, 'recorded');
  }
}, 60_000);

test('workflow code that does something else is found out by a recorded history', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'portarium-other-'));
  const other = join(folder, 'other.ts');
  await writeFile(
    other,
    "import { sleep } from '@temporalio/workflow';\nexport async function action() { await sleep(1000); return 'other'; }\n",
  );
  const logger = new DefaultLogger('ERROR');
  const bundle = await bundleWorkflowCode({
    workflowsPath: other,
    logger,
    webpackConfigHook: (config) => ({
      ...config,
      resolve: {
        ...config.resolve,
        modules: [fileURLToPath(new URL('../../../node_modules', import.meta.url))],
      },
    }),
  });
  const history = historyFromJSON(
    JSON.parse(await readFile(join(HISTORIES, 'action-succeeded.json'), 'utf8')),
  );
  await expect(
    Worker.runReplayHistory({ workflowBundle: bundle }, history, 'recorded'),
  ).rejects.toThrow(/determinism|nondeterminism/i);
}, 60_000);
