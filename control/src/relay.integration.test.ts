import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type ActionId, makeId, type WorkspaceId } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { Client, Connection } from '@temporalio/client';
import { AckPolicy, connect as connectNats, DeliverPolicy } from 'nats';
import { SYSTEM_ACTOR } from './application/context.ts';
import { forgetIdempotencyKeys, publishAll, reviveStalled, sweep } from './relay.ts';
import { pushLedger, storeSecret } from './testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from './testing/test-instance.ts';
import { uploadForm } from './testing/upload-form.ts';
import { ask, decide, look } from './testing/writes.ts';

/** The instance's clock, which a test moves. */
let skewMs = 0;
let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance({ nowMs: () => Date.now() + skewMs });
}, 60_000);
afterAll(() => instance[Symbol.asyncDispose](), 30_000);

async function workspace(id: string): Promise<WorkspaceId> {
  await instance.call('POST', '/v1/workspaces', { role: 'admin', json: { id, name: id } });
  return id as WorkspaceId;
}

interface Received {
  readonly id: string;
  readonly type: string;
  readonly tenantid: string;
  readonly actionid: string;
  readonly specversion: string;
  readonly seq: number;
}

/** What a durable consumer of another system gets, acknowledging each. */
async function consume(of: WorkspaceId, expected: number): Promise<Received[]> {
  const connection = await connectNats({ servers: instance.configuration.PORTARIUM_NATS_URL });
  try {
    const manager = await connection.jetstreamManager();
    const durable = `test-${of}-${Math.random().toString(36).slice(2)}`;
    await manager.consumers.add('PORTARIUM_RUNS', {
      durable_name: durable,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      filter_subject: `portarium.events.${of}.action.>`,
    });
    const consumer = await connection.jetstream().consumers.get('PORTARIUM_RUNS', durable);
    const received: Received[] = [];
    const messages = await consumer.fetch({ max_messages: expected + 5, expires: 1_500 });
    for await (const message of messages) {
      received.push(message.json<Received>());
      message.ack();
    }
    return received;
  } finally {
    await connection.close();
  }
}

async function tell(of: WorkspaceId, count: number): Promise<ActionId> {
  const action = makeId('action', Date.now(), crypto.getRandomValues(new Uint8Array(10)));
  for (let i = 0; i < count; i++) {
    await instance.composed.context.store.submit(of, async (tx) => {
      tx.append({
        type: 'policy.decided',
        actor: SYSTEM_ACTOR,
        subject: { action },
        data: { i },
        trace: '0af7651916cd43dd8448eb211c80319c',
      });
      tx.append({ type: 'key.created', actor: SYSTEM_ACTOR, subject: {}, data: {}, trace: null });
    });
  }
  return action;
}

test('a consumer gets each event once, in the order of the log, as a CloudEvent', async () => {
  const own = await workspace('relay-order');
  const action = await tell(own, 10);
  await publishAll(instance.composed);
  const events = await consume(own, 10);
  expect(events).toHaveLength(10);
  expect(events.map(({ seq }) => seq)).toEqual(
    [...events.map(({ seq }) => seq)].sort((a, b) => a - b),
  );
  expect(events[0]).toMatchObject({
    specversion: '1.0',
    type: 'io.portarium.policy.decided.v1',
    tenantid: own,
    actionid: action,
    traceparent: expect.stringContaining('0af7651916cd43dd8448eb211c80319c'),
  } as never);
});

test('events that a relay published and could not mark are dropped as duplicates when they are sent again', async () => {
  const own = await workspace('relay-again');
  await tell(own, 5);
  await publishAll(instance.composed);
  await instance.composed.sql`UPDATE outbox SET published_at = NULL WHERE workspace_id = ${own}`;
  await publishAll(instance.composed);
  const events = await consume(own, 5);
  expect(events).toHaveLength(5);
  expect(new Set(events.map(({ id }) => id)).size).toBe(5);
});

test('two relays at once publish everything once and in order', async () => {
  const own = await workspace('relay-two');
  await tell(own, 20);
  const run = () => publishAll(instance.composed);
  await Promise.all([run(), run(), run()]);
  await run();
  const sequence = (await consume(own, 20)).map(({ seq }) => seq);
  expect(sequence).toHaveLength(20);
  expect(sequence).toEqual([...sequence].sort((a, b) => a - b));
});

test('the sweeper starts the workflow of an action that was committed and never dispatched', async () => {
  await instance.call('POST', '/v1/workspaces/local/plugins', {
    role: 'author',
    body: uploadForm(),
  });
  const { dispatcher } = instance.composed;
  const { context } = instance.composed;
  // The crash between commit and start: nothing calls Temporal, the queue keeps the action.
  const response = await (async () => {
    const original = dispatcher.start;
    dispatcher.start = () => Promise.reject(new Error('Temporal is away'));
    try {
      return await instance.call('POST', '/v1/workspaces/local/actions', {
        role: 'operator',
        json: { plugin: 'echo', operation: 'echo', input: { text: 'a' } },
      });
    } finally {
      dispatcher.start = original;
    }
  })();
  const { id } = (await response.json()) as { id: ActionId };
  expect(response.status).toBe(202);
  const due = async () => (await context.directory.dueDispatches(0)).map(({ action }) => action);
  expect(await due()).toContain(id);
  await sweep(context, 0);
  await sweep(context, 0);
  expect(await due()).not.toContain(id);
  const client = new Client({
    connection: await Connection.connect({
      address: instance.configuration.PORTARIUM_TEMPORAL_ADDRESS,
    }),
  });
  const description = await client.workflow.getHandle(id).describe();
  expect(description.status.name).toBe('RUNNING');
  await client.connection.close();
});

test('an action whose workflow id a stranger took is told of, holds up nothing, and is given up', async () => {
  const { context } = instance.composed;
  await storeSecret(instance);
  await pushLedger(instance);
  const connection = await Connection.connect({
    address: instance.configuration.PORTARIUM_TEMPORAL_ADDRESS,
  });
  try {
    const client = new Client({ connection });
    const [squatted, other] = [await ask(instance), await ask(instance)];
    for (const { id } of [squatted, other]) {
      await client.workflow.getHandle(id).terminate('the test begins');
    }
    await client.workflow.start('squatter', { workflowId: squatted.id, taskQueue: 'nobody' });
    for (const action of [squatted, other]) {
      expect((await decide(instance, action)).status).toBe(200);
    }
    const due = async () => (await context.directory.dueDispatches(0)).map(({ action }) => action);
    await sweep(context, 0);
    while ((await due()).includes(other.id as ActionId)) await sweep(context, 0);
    // It stays in the queue, and is left alone for a while.
    expect(await due()).not.toContain(squatted.id);
    expect(await context.directory.dueDispatches(-60_000)).toContainEqual(
      expect.objectContaining({ action: squatted.id }),
    );
    skewMs = (PLATFORM_LIMITS.dispatchHours + 2) * 60 * 60 * 1000;
    await reviveStalled(context);
    expect((await look(instance, squatted.id)).state).toMatch(/expired|failed/);
  } finally {
    skewMs = 0;
    await connection.close();
  }
}, 60_000);

test('an Idempotency-Key is forgotten after its time and not before', async () => {
  const send = async () => {
    const response = await instance.call('POST', '/v1/workspaces/local/actions', {
      role: 'operator',
      json: { plugin: 'echo', operation: 'echo', input: { text: 'a' } },
      headers: { 'idempotency-key': 'for-a-day' },
    });
    return ((await response.json()) as { id: string }).id;
  };
  await instance.call('POST', '/v1/workspaces/local/plugins', {
    role: 'author',
    body: uploadForm(),
  });
  const first = await send();
  await forgetIdempotencyKeys(instance.composed.context);
  expect(await send()).toBe(first);
  const { context } = instance.composed;
  const tomorrow = { ...context, clock: { nowMs: () => Date.now() + 25 * 60 * 60 * 1000 } };
  await forgetIdempotencyKeys(tomorrow);
  expect(await send()).not.toBe(first);
});
