import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdir } from 'node:fs/promises';
import { digestOf } from '@portarium/contracts/digest';
import { uuidOf } from '@portarium/contracts/ids';
import type { EgressCall, WorkOrder } from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import * as host from '../testing/as-host.ts';
import { LEDGER_RULES, pushLedger, storeSecret } from '../testing/ledger-plugin.ts';
import { setPluginState } from '../testing/plugin-state.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { answered, ask, decide, intend, look, send, story } from '../testing/writes.ts';

const EGRESS_CALLS = 300;

/** What a host that lies can do to the action it holds, and to nothing else. */
let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
  await storeSecret(instance);
  await pushLedger(instance, '1.0.0', LEDGER_RULES, { egressCalls: EGRESS_CALLS });
}, 120_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

async function running(): Promise<{ id: string; order: WorkOrder }> {
  const action = await ask(instance);
  expect((await decide(instance, action)).status).toBe(200);
  return { id: action.id, order: await host.claimed(instance, action.id) };
}

/** Reads that failed, with as much text as one record takes. */
async function failures(from: number, count: number, characters = 0): Promise<EgressCall[]> {
  const look = { rule: 'look', method: 'GET' };
  const { calls } = await answered(look, '', { verdict: 'failed', reason: 'no answer' });
  const { responseDigest: _none, status: _status, ...failed } = calls[0] as EgressCall;
  const headers = Array.from({ length: 4 }, (_, i) => [`x-${i}`, 'h'.repeat(characters / 4)]);
  const responseHeaders = Object.fromEntries(headers);
  return Array.from({ length: count }, (_, i) => ({ ...failed, call: from + i, responseHeaders }));
}

const beat = (order: WorkOrder, calls: readonly EgressCall[]) =>
  host.report(instance, order, 'heartbeat', { calls });
const end = (order: WorkOrder, more: object = {}) =>
  host.report(instance, order, 'outcome', {
    ...{ verdict: 'failed', error: { code: 'guest.error', message: 'so it is' } },
    ...{ usage: host.USAGE, calls: [], ...more },
  });

test('a journal does not grow beyond the calls that the action may make', async () => {
  const { order } = await running();
  const { egressCalls } = order.limits;
  expect((await beat(order, await failures(0, egressCalls))).status).toBe(200);
  const another = await beat(order, await failures(egressCalls, 1));
  expect([another.status, another.body.code]).toEqual([409, 'conflict']);
  // A denial takes nothing along, and each attempt may end with one.
  const denials = await failures(egressCalls, PLATFORM_LIMITS.attempts + 1);
  const denied = denials.map((call) => ({ ...call, verdict: 'denied' as const }));
  expect((await beat(order, denied.slice(0, -1))).status).toBe(200);
  const beyond = await beat(order, denied);
  expect([beyond.status, beyond.body.code]).toEqual([413, 'body.too-large']);
  expect((await end(order)).body).toMatchObject({ state: 'failed' });
});

test('a journal does not grow beyond what can be told of it, and its action ends', async () => {
  const { order } = await running();
  let taken = 0;
  let refused: Awaited<ReturnType<typeof beat>> | undefined;
  const one = 60_000;
  const fits = Math.floor(PLATFORM_LIMITS.journalCharacters / one);
  while (refused === undefined && taken < EGRESS_CALLS) {
    const answer = await beat(order, await failures(taken, 20, one));
    if (answer.status === 200) taken += 20;
    else refused = answer;
  }
  expect([refused?.status, refused?.body.code]).toEqual([413, 'body.too-large']);
  expect(taken).toBeLessThanOrEqual(fits);
  expect(taken).toBeGreaterThan(fits / 2);
  expect((await end(order)).body).toMatchObject({ state: 'failed' });
}, 60_000);

test('only a failed call says whether it was sent, and an allowed one names its rule', async () => {
  const { id, order } = await running();
  const [failed] = await failures(0, 1);
  const refused = async (change: Partial<EgressCall>) => {
    const { status, body } = await beat(order, [{ ...(failed as EgressCall), ...change }]);
    return [status, body.code];
  };
  const denied = { verdict: 'denied', method: 'POST', path: '/unkeyed', sent: true } as const;
  expect(await refused(denied)).toEqual([422, 'input.invalid']);
  expect(await refused({ verdict: 'allowed', sent: true })).toEqual([422, 'input.invalid']);
  const unkeyed = { rule: 'unkeyed' };
  expect((await intend(instance, order, unkeyed)).body.status).toBe('send');
  const sent = await answered(unkeyed, '{}', { sent: true });
  expect((await host.report(instance, order, 'heartbeat', sent)).status).toBe(422);
  const { calls } = await answered({ rule: 'look', method: 'GET', number: 1 }, '');
  const { rule: _rule, ...nameless } = calls[0] as EgressCall;
  expect((await beat(order, [nameless])).status).toBe(422);
  expect((await end(order)).body).toMatchObject({ state: 'outcome-unknown' });
  expect((await look(instance, id)).error?.code).toBe('outcome.unknown');
});

test('a report that is refused leaves nothing in the evidence store', async () => {
  const { id, order } = await running();
  const kept = async () =>
    (await readdir(instance.configuration.PORTARIUM_EVIDENCE_DIR, { recursive: true })).length;
  const before = await kept();
  const { calls, bodies } = await answered({ rule: 'look', method: 'GET' }, '{"first":true}');
  const output = Buffer.from('{"done":true}').toString('base64');
  const done = (calls: readonly unknown[], bodies: readonly unknown[]) =>
    end(order, { verdict: 'succeeded', error: undefined, output, calls, bodies });
  const moved = calls.map((call) => ({ ...call, call: 7 }));
  expect((await done(moved, bodies)).status).toBe(409);
  expect((await done(calls, [])).status).toBe(409);
  expect((await done([{ ...calls[0], path: '/elsewhere' }], bodies)).status).toBe(409);
  expect(await kept()).toBe(before);
  expect((await done(calls, bodies)).body).toMatchObject({ state: 'succeeded' });
  expect(await kept()).toBeGreaterThan(before);
  const finished = (await story(instance, id)).find(({ type }) => type === 'attempt.finished');
  expect(finished?.artifacts.length).toBe(3);
});

test('a host keeps no more bodies than two attempts could have read', async () => {
  const { order } = await running();
  const put = async (text: string) => {
    const body = new TextEncoder().encode(text);
    const path = `/internal/v1/attempts/${order.attempt}/bodies/${await digestOf(body)}`;
    const headers = { 'portarium-ticket': order.ticket };
    return (await instance.call('PUT', path, { key: instance.hostKey, body, headers })).status;
  };
  const most = 4 * order.limits.egressCalls;
  for (let i = 0; i < most; i++) expect(await put(`body ${i}`)).toBe(204);
  expect(await put('body 0')).toBe(204);
  expect(await put('one more')).toBe(413);
  expect((await end(order)).body).toMatchObject({ state: 'failed' });
}, 30_000);

test('an action whose row is not what was requested runs no attempt', async () => {
  const changes = [
    `seed = repeat('ab', 32)`,
    `contract = jsonb_set(contract, '{networks}', '["loopback"]')`,
    `limits = jsonb_set(limits, '{egressCalls}', '999')`,
    `effect = 'write'`,
    `operation = 'write'`,
  ];
  for (const change of changes) {
    const answer = await send(instance, 'agent', 'POST', '/actions', {
      ...{ plugin: 'ledger', operation: 'look', input: {} },
    });
    const id = String(answer.body.id);
    await instance.composed.sql.begin(async (tx) => {
      await tx`SELECT set_config('portarium.workspace', 'local', true)`;
      await tx.unsafe(`UPDATE actions SET ${change} WHERE id = '${uuidOf(id)}'`);
    });
    expect((await host.claim(instance, id)).body, change).toMatchObject({ state: 'failed' });
    expect((await look(instance, id)).error?.code, change).toBe('order.altered');
  }
});

test('what is granted and can not be used any more is void', async () => {
  const action = await ask(instance);
  expect((await decide(instance, action)).status).toBe(200);
  await setPluginState(instance, 'quarantined');
  expect((await host.claim(instance, action.id)).body).toMatchObject({ state: 'failed' });
  expect((await look(instance, action.id)).approval?.state).toBe('voided');
  await setPluginState(instance, 'active');
});

test('the evidence of all that verifies offline', async () => {
  const ask = (what: string) =>
    instance.call('GET', `/v1/workspaces/local/evidence/${what}`, { role: 'auditor' });
  const pin = (await (await ask('vkeys')).text()).split('\n')[0] ?? '';
  const bundle = new Uint8Array(await (await ask('export')).arrayBuffer());
  const report = await verifyBundle(bundle, { pin });
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
});
