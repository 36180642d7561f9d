/** Disposal from a directory; its kill matrix, what no order excuses, and the database role that it works as. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { connect } from '../infrastructure/postgres/connect.ts';
import { childEnvironment } from '../testing/child-environment.ts';
import { disposalSuite } from '../testing/disposal-suite.ts';
import {
  dispose,
  endedAction,
  entries,
  LOCAL,
  NO_DAYS,
  outcomes,
  pastRetention,
  placeHold,
  present,
  short,
} from '../testing/keep-and-dispose.ts';
import { pushLedger } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { send } from '../testing/writes.ts';

const CHILD = fileURLToPath(new URL('../testing/dispose-until-killed.ts', import.meta.url));
const TIMEOUT_MS = 120_000;

disposalSuite('the directory store', () => startTestInstance(undefined, {}, short), 60_000);

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance(undefined, {}, short);
  await pushLedger(instance);
}, 60_000);
afterAll(() => instance?.[Symbol.asyncDispose](), 30_000);

async function verify(query = '') {
  const answer = await instance.call('GET', `/v1/workspaces/${LOCAL}/evidence/export${query}`, {
    role: 'admin',
  });
  const [pin] = instance.composed.context.signer.verifierKeys(LOCAL);
  return verifyBundle(new Uint8Array(await answer.arrayBuffer()), { pin, retentionDays: NO_DAYS });
}

for (const [what, count] of [
  ['seal', 1],
  ['remove', 1],
  ['remove', 2],
  ['finish', 1],
] as const) {
  test(
    `killed at ${what} number ${count}, the log says why what is missing is gone, and the next run ends it`,
    async () => {
      const action = await endedAction(instance);
      await pastRetention();
      const env = childEnvironment({ ...process.env, ...instance.configuration });
      const args = [process.execPath, CHILD, what, String(count)];
      const child = Bun.spawn(args, { env, stdout: 'pipe', stderr: 'pipe' });
      await child.exited;
      expect([child.signalCode, await new Response(child.stdout).text()]).toEqual(['SIGKILL', '']);
      const cut = (await entries(instance)).findLast(({ type }) => type.startsWith('disposal.'));
      expect(cut?.type).toBe('disposal.ordered');
      expect((await verify()).verdict).toBe('verified');
      // A dry run ends nothing.
      expect(await dispose(instance, { dryRun: true })).toMatchObject({ resumed: 0 });
      expect((await dispose(instance)).resumed).toBeGreaterThanOrEqual(2);
      expect(await present(instance, action)).toEqual([false]);
      const finished = (await entries(instance)).at(-1);
      expect(finished).toMatchObject({
        type: 'disposal.finished',
        data: { order: cut?.seq, kept: [] },
      });
      expect((await dispose(instance)).resumed).toBe(0);
      expect((await verify()).verdict).toBe('verified');
    },
    TIMEOUT_MS,
  );
}

test(
  'a hold that is placed after a killed disposal keeps what had not gone yet',
  async () => {
    const action = await endedAction(instance);
    await pastRetention();
    const env = childEnvironment({ ...process.env, ...instance.configuration });
    const child = Bun.spawn([process.execPath, CHILD, 'seal', '1'], { env, stderr: 'pipe' });
    await child.exited;
    await placeHold(instance, { kind: 'action', action: action.id });
    await dispose(instance);
    expect(await present(instance, action)).toEqual([true]);
    const finished = (await entries(instance)).findLast(({ type }) => type === 'disposal.finished');
    expect(finished?.data.kept).toEqual(
      expect.arrayContaining(action.digests.map((digest) => ({ digest, why: 'hold' }))),
    );
    expect((await verify()).verdict).toBe('verified');
  },
  TIMEOUT_MS,
);

test(
  'a range whose artifacts were disposed of long after it verifies',
  async () => {
    const action = await endedAction(instance);
    const last = (await entries(instance)).length - 1;
    await instance.composed.context.store.submit(LOCAL, async (tx) => {
      const actor = { kind: 'system', id: 'test' } as const;
      for (let i = 0; i < 256; i++) {
        tx.append({ type: 'key.created', actor, subject: {}, data: {}, trace: null });
      }
    });
    await pastRetention();
    expect(outcomes(await dispose(instance), action)).toEqual(['removed']);
    const { verdict, findings, artifacts, range } = await verify(`?from=${last}&to=${last}`);
    expect(range?.to).toBeLessThan((await entries(instance)).length - 2);
    expect([verdict, findings]).toEqual(['verified', []]);
    expect(artifacts.disposed).toBeGreaterThanOrEqual(action.digests.length);
  },
  TIMEOUT_MS,
);

test(
  'what somebody deleted is not excused by a disposal',
  async () => {
    const action = await endedAction(instance);
    await pastRetention();
    const { PORTARIUM_EVIDENCE_DIR } = instance.configuration;
    for (const digest of action.digests) {
      await rm(join(PORTARIUM_EVIDENCE_DIR, LOCAL, 'sha256', digest.slice(7)));
    }
    expect(outcomes(await dispose(instance), action)).toEqual(['missing']);
    for (const { type, data } of await entries(instance)) {
      if (type !== 'disposal.ordered') continue;
      for (const digest of action.digests) expect(data.digests).not.toContain(digest);
    }
    expect((await verify()).verdict).toBe('incomplete');
  },
  TIMEOUT_MS,
);

test('pages go on where the one before ended, and a step takes no more than it is told', async () => {
  await Promise.all([1, 2, 3].map(() => endedAction(instance)));
  await pastRetention();
  const seen: string[] = [];
  for (let after: string | undefined; ; ) {
    const page = await dispose(instance, {
      ...{ dryRun: true, limit: 2 },
      ...(after === undefined ? {} : { after }),
    });
    expect(page.items.length).toBeLessThanOrEqual(2);
    seen.push(...page.items.map(({ digest }) => digest));
    if (page.next === undefined) break;
    after = page.next;
  }
  expect(seen).toEqual([...new Set(seen)].sort());
  expect(seen.length).toBeGreaterThanOrEqual(6);
}, 60_000);

test('the role of the Control Plane neither orders a disposal nor says what may go, and the one that disposes changes nothing else', async () => {
  const runtime = connect(instance.runtimeUrl, { max: 1, name: 'test' });
  const destroy = connect(instance.runtimeUrl, {
    ...{ max: 1, name: 'test', role: 'portarium_destroy' },
  });
  const refused = (sql: typeof runtime, statement: string) =>
    sql
      .begin(async (tx) => {
        await tx`SELECT set_config('portarium.workspace', ${LOCAL}, true)`;
        await tx.unsafe(statement);
      })
      .then(
        () => `done: ${statement}`,
        (error: Error) => error.message,
      );
  const order =
    "INSERT INTO log_entries (workspace_id, seq, hash, type, bytes) VALUES ('local', 99999, 'x', 'disposal.ordered', 'x')";
  expect(await refused(runtime, order)).toContain('only portarium_destroy');
  for (const statement of [
    "INSERT INTO held_artifacts VALUES ('local', 'x', true)",
    'DELETE FROM artifact_names',
    'UPDATE artifact_catalogue SET next_seq = 0',
    'DELETE FROM legal_holds',
    "UPDATE legal_holds SET value = 'other'",
  ]) {
    expect(await refused(runtime, statement)).toContain('permission denied');
  }
  for (const statement of [
    'DELETE FROM log_entries',
    "UPDATE actions SET state = 'failed'",
    'DELETE FROM legal_holds',
    'UPDATE legal_holds SET lifted_at = now()',
    'DELETE FROM plugins',
    'SELECT secret_hash FROM api_keys',
    'DELETE FROM journal',
  ]) {
    expect(await refused(destroy, statement)).toMatch(/permission denied|append-only/);
  }
  const [row] = await destroy`SELECT count(*) AS n FROM artifact_names`;
  expect(Number(row?.n)).toBe(0);
  await Promise.all([runtime.end(), destroy.end()]);
});

test('a hold is refused for what there is not, without a reason, and by more than one scope', async () => {
  const none = `act_${'0'.repeat(12)}7${'0'.repeat(3)}8${'0'.repeat(15)}`;
  const refused: readonly [unknown, number][] = [
    [{ scope: { kind: 'action', action: none }, reason: 'x' }, 404],
    [{ scope: { kind: 'plugin', plugin: 'nobody' }, reason: 'x' }, 404],
    [{ scope: { kind: 'person', person: '' }, reason: 'x' }, 422],
    [{ scope: { kind: 'person', person: 'ada', plugin: 'ledger' }, reason: 'x' }, 422],
    [{ scope: { kind: 'person', person: 'ada' }, reason: ' ' }, 422],
    [{ scope: { kind: 'person', person: 'ada' } }, 422],
    [
      {
        scope: { kind: 'time', from: '2026-11-02T00:00:00Z', until: '2026-11-01T00:00:00Z' },
        reason: 'x',
      },
      422,
    ],
  ];
  for (const [body, status] of refused) {
    const answer = await send(instance, 'auditor', 'POST', '/holds', body);
    expect([JSON.stringify(body), answer.status]).toEqual([JSON.stringify(body), status]);
  }
});

test('a hold of one workspace covers nothing in another, and is not seen or lifted there', async () => {
  const foreign = { id: 'foreign', name: 'Foreign' };
  await instance.call('POST', '/v1/workspaces', { role: 'admin', json: foreign });
  const action = await endedAction(instance);
  const from = new Date(0).toISOString();
  const placed = await instance.call('POST', '/v1/workspaces/foreign/holds', {
    role: 'admin',
    json: { scope: { kind: 'time', from }, reason: 'all of it' },
  });
  const { id } = (await placed.json()) as { id: string };
  const named = await instance.call('POST', '/v1/workspaces/foreign/holds', {
    role: 'admin',
    json: { scope: { kind: 'action', action: action.id }, reason: 'another’s' },
  });
  expect(named.status).toBe(404);
  expect((await send(instance, 'admin', 'POST', `/holds/${id}/lift`, { reason: 'x' })).status).toBe(
    404,
  );
  const { body } = await send(instance, 'admin', 'GET', '/holds');
  expect(JSON.stringify(body)).not.toContain(id);
  await pastRetention();
  const elsewhere = await instance.call('POST', '/v1/workspaces/foreign/disposals', {
    role: 'admin',
    json: { reason: 'x' },
  });
  expect(await elsewhere.json()).toMatchObject({ items: [] });
  expect(await present(instance, action)).toEqual([true]);
  expect(outcomes(await dispose(instance), action)).toEqual(['removed']);
}, 60_000);
