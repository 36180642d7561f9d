import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { RunningStack } from '@portarium/local/start-stack';
import {
  type RecordingCounterpart,
  startRecordingCounterpart,
} from '@portarium/local/testing/recording-counterpart';
import { sharedStack } from '@portarium/local/testing/shared-services';
import { callStack, pushPlugin } from '@portarium/local/testing/stack-calls';
import {
  approveWrite,
  requestWrite,
  untilEnded,
  type WriteAction,
} from '@portarium/local/testing/write-rig';
import { Client, Connection } from '@temporalio/client';

/** What somebody can do who reaches Temporal and nothing else. */
let stack: RunningStack;
let counterpart: RecordingCounterpart;
let connection: Connection;
let client: Client;
beforeAll(async () => {
  stack = await sharedStack();
  counterpart = await startRecordingCounterpart();
  const target = { scheme: 'http', host: '127.0.0.1', port: counterpart.port } as const;
  await pushPlugin(stack, 'plugins/sdk/fixtures/ledger', target);
  connection = await Connection.connect({ address: stack.services.temporal.address });
  client = new Client({ connection });
}, 180_000);
afterAll(async () => {
  await connection?.close();
  await counterpart?.[Symbol.asyncDispose]();
});

const look = async (id: string) =>
  (await (await callStack(stack, 'operator', 'GET', `/actions/${id}`)).json()) as WriteAction & {
    attempts: number;
    evidence: { to: number };
  };
let made = 0;
const ask = async (keyed = true) => {
  const id = `forged-${Date.now()}-${++made}`;
  return { id, action: await requestWrite(stack, id, keyed) };
};

/** Waits until the workflow has looked, and waits to be woken. */
async function settled(id: string): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const history = await client.workflow
      .getHandle(id)
      .fetchHistory()
      .catch(() => undefined);
    const looked = (history?.events ?? []).some(
      (event) => event.activityTaskCompletedEventAttributes,
    );
    if (looked) return;
    await Bun.sleep(50);
  }
  throw new Error(`the workflow of ${id} did not look`);
}

test('forged updates, signals and queries do not run an action that waits for approval', async () => {
  const { id, action } = await ask();
  await settled(action.id);
  const handle = client.workflow.getHandle(action.id);
  const before = await look(action.id);
  const forged = [{ decision: 'approve', approval: action.approval, state: 'dispatched' }];
  for (let i = 0; i < 5; i++) {
    await handle.executeUpdate('wake', { args: forged as never }).catch(() => undefined);
  }
  for (const name of ['wake', 'approve', 'decision', 'dispatch']) await handle.signal(name, forged);
  await handle.executeUpdate('approve', { args: forged as never }).catch(() => undefined);
  await Bun.sleep(1_000);
  const after = await look(action.id);
  expect([after.state, after.attempts, after.evidence.to]).toEqual([
    'waiting-approval',
    0,
    before.evidence.to,
  ]);
  expect(counterpart.requests(id)).toEqual([]);
  await approveWrite(stack, action);
  expect((await untilEnded(stack, action.id, 30_000)).state).toBe('succeeded');
  expect(counterpart.effects(id)).toBe(1);
}, 60_000);

test('a forged workflow and a forged attempt run nothing that was not approved', async () => {
  const { id, action } = await ask();
  await settled(action.id);
  const dispatch = { workspace: 'local', action: action.id };
  const name = `forged-${action.id}`;
  const direct = await client.workflow.start('action', {
    taskQueue: 'control',
    workflowId: name,
    args: [dispatch],
  });
  await Bun.sleep(2_000);
  const state = await look(action.id);
  expect([state.state, state.attempts]).toEqual(['waiting-approval', 0]);
  expect(counterpart.requests(id)).toEqual([]);
  await direct.terminate('the test is over');
  // An action that nobody asked for is nothing at all.
  const nobody = await client.workflow.start('action', {
    taskQueue: 'control',
    workflowId: `${name}-nobody`,
    args: [{ workspace: 'local', action: `act_${'0'.repeat(12)}70008${'0'.repeat(15)}` }, true],
  });
  expect(await nobody.result()).toBe('unknown');
}, 60_000);

test('a forged completion or failure of an attempt’s activity changes nothing of what it did', async () => {
  for (const forge of ['complete', 'fail'] as const) {
    const { id, action } = await ask(false);
    const arrived = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    counterpart.plan(id, {
      answering: ({ method }) => {
        if (method !== 'POST') return;
        arrived.resolve();
        return go.promise;
      },
    });
    await approveWrite(stack, action);
    await arrived.promise;
    const description = await client.workflow.getHandle(action.id).describe();
    const [pending] = description.raw.pendingActivities ?? [];
    const activity = { workflowId: action.id, activityId: pending?.activityId ?? '' };
    expect(activity.activityId).not.toBe('');
    if (forge === 'complete') await client.activity.complete(activity, { state: 'failed' });
    else {
      await client.activity.fail(activity, new Error('forged: the attempt is over'));
    }
    await Bun.sleep(1_000);
    expect((await look(action.id)).state).toBe('running');
    go.resolve();
    expect((await untilEnded(stack, action.id, 60_000)).state).toBe('succeeded');
    expect([counterpart.effects(id), (await look(action.id)).attempts]).toEqual([1, 1]);
  }
}, 120_000);

test('a decision made while Temporal is down reaches the workflow when it is back, exactly once', async () => {
  const { id, action } = await ask();
  await settled(action.id);
  process.kill(stack.pidOf('temporal') ?? -1, 'SIGKILL');
  await approveWrite(stack, action);
  expect((await look(action.id)).state).toBe('dispatched');
  expect((await untilEnded(stack, action.id, 90_000)).state).toBe('succeeded');
  expect(counterpart.effects(id)).toBe(1);
  const fresh = await Connection.connect({ address: stack.services.temporal.address });
  try {
    const handle = new Client({ connection: fresh }).workflow.getHandle(action.id);
    await handle.result();
    const { events = [] } = await handle.fetchHistory();
    const accepted = (events ?? []).filter(
      (event) => event.workflowExecutionUpdateAcceptedEventAttributes,
    );
    expect(accepted).toHaveLength(1);
  } finally {
    await fresh.close();
  }
}, 180_000);

test('an action whose workflow was terminated is started anew and runs once', async () => {
  const { id, action } = await ask();
  await settled(action.id);
  await new Client({
    connection: await Connection.connect({ address: stack.services.temporal.address }),
  }).workflow
    .getHandle(action.id)
    .terminate('by somebody who reaches Temporal');
  await approveWrite(stack, action);
  expect((await untilEnded(stack, action.id, 60_000)).state).toBe('succeeded');
  expect(counterpart.effects(id)).toBe(1);
}, 90_000);
