/** What crashes, outages and hands leave behind between PostgreSQL, Temporal, store and log. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { readdir, rename, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type ActionId, INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import { WATCH_LIMITS } from '@portarium/contracts/limits';
import { Client, Connection } from '@temporalio/client';
import { connect, type Sql } from '../infrastructure/postgres/connect.ts';
import { startMetrics, type Telemetry } from '../infrastructure/telemetry/metrics.ts';
import { publishAll, reviveStalled } from '../relay.ts';
import { claimed, report, USAGE } from '../testing/as-host.ts';
import { asOwner } from '../testing/as-owner.ts';
import { type Collector, startCollector } from '../testing/collector.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { uploadForm } from '../testing/upload-form.ts';
import { verifyLog } from '../testing/verify-log.ts';
import { watchLog } from './watch-log.ts';

const WS = 'local' as WorkspaceId;
const MINUTE = 60_000;

interface Report {
  readonly ranAt?: string;
  readonly dryRun: boolean;
  readonly checks: readonly {
    readonly check: string;
    readonly looked: number;
    readonly repaired: readonly { readonly subject: string; readonly repair: string }[];
    readonly failed?: string;
  }[];
  readonly findings: readonly { readonly rule: string; readonly subject?: string }[];
}

/** The instance's clock, which a test moves. */
let skewMs = 0;
let collector: Collector;
let telemetry: Telemetry;
let instance: TestInstance;
let owner: Sql;
let connection: Connection;
let temporal: Client;

beforeAll(async () => {
  collector = await startCollector();
  telemetry = startMetrics(collector.endpoint, 300);
  instance = await startTestInstance({ nowMs: () => Date.now() + skewMs });
  owner = connect(instance.ownerUrl, { max: 1, name: 'test' });
  const address = instance.configuration.PORTARIUM_TEMPORAL_ADDRESS;
  connection = await Connection.connect({ address });
  temporal = new Client({ connection });
  const path = '/v1/workspaces/local/plugins';
  await instance.call('POST', path, { role: 'author', body: uploadForm() });
}, 180_000);
afterAll(async () => {
  await connection.close();
  await owner.end();
  await instance[Symbol.asyncDispose]();
  await telemetry.close();
  await collector.stop();
}, 30_000);
beforeEach(async () => {
  skewMs = 0;
  // No relay runs here.
  await publishAll(instance.composed);
});

async function askEcho(): Promise<ActionId> {
  const response = await instance.call('POST', '/v1/workspaces/local/actions', {
    role: 'operator',
    json: { plugin: 'echo', operation: 'echo', input: { text: crypto.randomUUID() } },
  });
  expect(response.status).toBe(202);
  return ((await response.json()) as { id: ActionId }).id;
}

async function reconciled(json: object = {}): Promise<Report> {
  const path = '/v1/workspaces/local/reconciliation';
  const response = await instance.call('POST', path, { role: 'operator', json });
  expect(response.status).toBe(200);
  const done = (await response.json()) as Report;
  expect(done.checks.filter(({ failed }) => failed !== undefined)).toEqual([]);
  return done;
}

const repairs = ({ checks }: Report, of: string) =>
  checks.flatMap(({ check, repaired }) =>
    repaired.filter(({ subject }) => subject === of).map(({ repair }) => `${check}: ${repair}`),
  );
const left = ({ findings }: Report) =>
  findings.map(({ rule, subject }) => `${rule} ${subject ?? ''}`.trim());
const statusOf = async (id: string) =>
  (await temporal.workflow.getHandle(id).describe()).status.name;

/** `data` of the events of that type in the log of `of`. */
async function events(type: string, of = WS): Promise<readonly Record<string, unknown>[]> {
  const all = await instance.composed.context.store.read(of, (tx) =>
    tx.listEvents({ after: -1, limit: 10_000 }),
  );
  return all
    .filter((event) => event.type === `io.portarium.${type}.v1`)
    .map(({ envelope }) => JSON.parse(envelope).data);
}

async function measured(name: string, attributes: Record<string, string>, expected: number) {
  for (let tries = 0; tries < 40; tries++) {
    if (collector.value(name, attributes) === expected) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(collector.value(name, attributes)).toBe(expected);
}

async function succeed(action: ActionId): Promise<void> {
  const order = await claimed(instance, action);
  const outcome = {
    ...{ verdict: 'succeeded', output: Buffer.from('{}').toString('base64'), calls: [], logs: [] },
    usage: USAGE,
  };
  const { status, body } = await report(instance, order, 'outcome', outcome);
  expect([status, body]).toEqual([200, expect.objectContaining({ state: 'succeeded' })]);
}

test('where all agrees nothing is repaired and nothing left over', async () => {
  await succeed(await askEcho());
  await publishAll(instance.composed);
  const done = await reconciled();
  expect(done).toMatchObject({ dryRun: false, findings: [] });
  expect(done.checks.find(({ check }) => check === 'action.state')?.looked).toBeGreaterThan(0);
  const path = '/v1/workspaces/local/reconciliation';
  const seen = await instance.call('GET', path, { role: 'auditor' });
  expect(await seen.json()).toEqual(done as never);
  expect((await instance.call('POST', path, { role: 'auditor', json: {} })).status).toBe(403);
  expect((await instance.call('GET', path, { role: 'approver' })).status).toBe(403);
}, 120_000);

test('a workflow that was terminated is started again, and that is on record', async () => {
  const action = await askEcho();
  await temporal.workflow.getHandle(action).terminate('somebody’s hand');
  skewMs = 2 * MINUTE;
  const planned = await reconciled({ dryRun: true });
  const repair = 'workflow.missing: its workflow was started again';
  expect(repairs(planned, action)).toEqual([repair]);
  expect(await statusOf(action)).toBe('TERMINATED');
  const repaired = async () =>
    (await events('reconciliation.repaired')).filter(({ subject }) => subject === action);
  expect(await repaired()).toEqual([]);
  expect(repairs(await reconciled(), action)).toEqual([repair]);
  expect(await statusOf(action)).toBe('RUNNING');
  expect(await repaired()).toEqual([
    expect.objectContaining({ check: 'workflow.missing' }) as never,
  ]);
  await measured('portarium.reconciliation.repairs', { check: 'workflow.missing' }, 1);
  expect(repairs(await reconciled(), action)).toEqual([]);
  // The quickest check, which runs every few seconds, does the same and says so.
  await temporal.workflow.getHandle(action).terminate('once more');
  await reviveStalled(instance.composed.context);
  expect(await statusOf(action)).toBe('RUNNING');
  expect(await repaired()).toHaveLength(2);
  await reviveStalled(instance.composed.context);
  expect(await repaired()).toHaveLength(2);
  await succeed(action);
}, 120_000);

test('a workflow that goes on after its action has ended is terminated', async () => {
  const action = await askEcho();
  await succeed(action);
  // No worker runs here: nothing tells the workflow.
  expect(await statusOf(action)).toBe('RUNNING');
  skewMs = 2 * MINUTE;
  let done = await reconciled();
  // The list of running workflows may lag behind.
  const ended = 'workflow.left-over: its workflow was terminated';
  for (let tries = 0; tries < 20 && !repairs(done, action).includes(ended); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    done = await reconciled();
  }
  expect(repairs(done, action)).toContain(ended);
  expect(await statusOf(action)).toBe('TERMINATED');
  expect(repairs(await reconciled(), action)).toEqual([]);
}, 120_000);

test('a dispatch that never reached Temporal is delivered', async () => {
  const { dispatcher } = instance.composed;
  const { start } = dispatcher;
  dispatcher.start = () => Promise.reject(new Error('Temporal is away'));
  const action = await askEcho().finally(() => {
    dispatcher.start = start;
  });
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  expect(repairs(await reconciled(), action)).toEqual(['dispatch.undelivered: started']);
  expect(await statusOf(action)).toBe('RUNNING');
  await succeed(action);
}, 120_000);

test('an attempt whose lease lapsed is told of until a host takes the action over', async () => {
  const action = await askEcho();
  const { attempt } = await claimed(instance, action);
  skewMs = 20 * MINUTE;
  await publishAll(instance.composed);
  expect(left(await reconciled())).toContain(`attempt.lapsed ${attempt}`);
  await succeed(action);
  expect(left(await reconciled())).not.toContain(`attempt.lapsed ${attempt}`);
}, 120_000);

test('a state that its entries contradict is told once, with an event, and goes away when it is put right', async () => {
  const action = await askEcho();
  await succeed(action);
  const setState = (state: string) =>
    asOwner(owner, WS, async (sql) => {
      await sql`UPDATE actions SET state = ${state} WHERE workspace_id = ${WS} AND id = ${action.slice(4)}`;
    });
  await setState('failed');
  expect(left(await reconciled({ dryRun: true }))).toEqual([`action.state ${action}`]);
  expect(await events('reconciliation.left-over', INSTANCE_WORKSPACE)).toEqual(
    expect.not.arrayContaining([
      expect.objectContaining({ findings: [expect.objectContaining({ subject: action })] }),
    ]) as never,
  );
  const done = await reconciled();
  expect(done.findings).toEqual([
    expect.objectContaining({
      ...{ rule: 'action.state', subject: action },
      message: 'is failed; its entries say succeeded',
    }) as never,
  ]);
  await reconciled();
  const about = (list: readonly Record<string, unknown>[]) =>
    list.filter((data) => JSON.stringify(data).includes(action));
  expect(about(await events('reconciliation.left-over', INSTANCE_WORKSPACE))).toHaveLength(1);
  expect(about(await events('reconciliation.left-over'))).toHaveLength(1);
  const attributes = { source: 'reconciliation', 'portarium.workspace': WS };
  await measured('portarium.watch.findings', attributes, 1);
  await setState('succeeded');
  await publishAll(instance.composed);
  expect(left(await reconciled())).toEqual([]);
  await measured('portarium.watch.findings', attributes, 0);
}, 120_000);

test('an artifact that the store lacks, and an old object that nobody names, are told of', async () => {
  const { context } = instance.composed;
  await watchLog(context, WS);
  const folder = join(instance.configuration.PORTARIUM_EVIDENCE_DIR, WS, 'sha256');
  const [gone = ''] = (await readdir(folder)).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const stray = await context.objects.put(WS, new TextEncoder().encode('a stray'), 'compliance');
  expect(left(await reconciled())).toEqual([]);
  await rename(join(folder, gone), join(folder, `${gone}.part`));
  const old = (Date.now() - 25 * 60 * MINUTE) / 1000;
  await utimes(join(folder, stray.slice('sha256:'.length)), old, old);
  expect(left(await reconciled()).toSorted()).toEqual([
    `artifact.missing sha256:${gone}`,
    `object.unnamed ${stray}`,
  ]);
  await rename(join(folder, `${gone}.part`), join(folder, gone));
  expect(left(await reconciled())).toEqual([`object.unnamed ${stray}`]);
  // Once an entry names it, it is as it should be.
  await context.store.submit(WS, async (tx) => {
    const artifact = { digest: stray, bytes: 7, mediaType: 'text/plain' } as const;
    tx.append({
      type: 'key.created',
      actor: { kind: 'system', id: 'test' },
      ...{ subject: {}, data: {}, trace: null },
      artifacts: [{ ...artifact, retention: 'compliance' }],
    });
  });
  await watchLog(context, WS);
  expect(left(await reconciled())).toEqual([]);
}, 120_000);

test('a check that can not be made clears nothing, and no rule takes the room of another', async () => {
  const { context } = instance.composed;
  await reconciled();
  const folder = join(instance.configuration.PORTARIUM_EVIDENCE_DIR, WS, 'sha256');
  const [gone = ''] = (await readdir(folder)).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const old = (Date.now() - 25 * 60 * MINUTE) / 1000;
  const strays = Array.from({ length: WATCH_LIMITS.findings + 5 }, (_, i) => `stray ${i}`);
  for (const stray of strays) {
    const digest = await context.objects.put(WS, new TextEncoder().encode(stray), 'operational');
    await utimes(join(folder, digest.slice('sha256:'.length)), old, old);
  }
  const rules = (done: Report) => done.findings.map(({ rule }) => rule);
  const unnamed = rules(await reconciled()).filter((rule) => rule === 'object.unnamed');
  expect(unnamed).toHaveLength(WATCH_LIMITS.findings);
  await rename(join(folder, gone), join(folder, `${gone}.part`));
  expect(left(await reconciled())).toContain(`artifact.missing sha256:${gone}`);
  const { catchUp } = context.catalogue;
  const catalogue = context.catalogue as { catchUp: typeof catchUp };
  catalogue.catchUp = () => Promise.reject(new SyntaxError('an entry is no JSON'));
  const path = '/v1/workspaces/local/reconciliation';
  const response = await instance.call('POST', path, { role: 'operator', json: {} }).finally(() => {
    catalogue.catchUp = catchUp;
  });
  const done = (await response.json()) as Report;
  expect(done.checks.find(({ check }) => check === 'objects')?.failed).toContain('can not be read');
  expect(left(done)).toContain(`artifact.missing sha256:${gone}`);
  await rename(join(folder, `${gone}.part`), join(folder, gone));
  expect(left(await reconciled())).not.toContain(`artifact.missing sha256:${gone}`);
}, 120_000);

test('events that nobody publishes are told of until somebody does', async () => {
  await succeed(await askEcho());
  skewMs = 10 * MINUTE;
  expect(left(await reconciled())).toContain('event.unpublished');
  await publishAll(instance.composed);
  expect(left(await reconciled())).not.toContain('event.unpublished');
}, 120_000);

test('one part that is away says nothing about the others, and clears nothing', async () => {
  const { dispatcher } = instance.composed;
  const { listRunning } = dispatcher;
  dispatcher.listRunning = () => Promise.reject(new Error('Temporal is away'));
  const path = '/v1/workspaces/local/reconciliation';
  const response = await instance.call('POST', path, { role: 'operator', json: {} }).finally(() => {
    dispatcher.listRunning = listRunning;
  });
  const { checks } = (await response.json()) as Report;
  const failed = checks.filter((check) => check.failed !== undefined);
  expect(failed.map(({ check }) => check)).toEqual(['workflow.missing', 'workflow.left-over']);
  expect(failed[0]?.failed).toBe(
    'a part that it asks is away; the log of the Control Plane says which',
  );
}, 120_000);

test('after all that the log verifies offline', async () => {
  expect(await verifyLog(instance)).toMatchObject({ verdict: 'verified', findings: [] });
}, 120_000);
