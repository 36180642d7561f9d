import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import type { WorkOrder } from '@portarium/contracts/internal-api';
import { BODIES_MEDIA_TYPE, bodyPath } from '@portarium/contracts/journal-artifact';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { readTar } from '@portarium/contracts/tar';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { lookAtAction } from '../application/look-action.ts';
import * as host from '../testing/as-host.ts';
import { LEDGER_RULES, pushLedger, SECRET, storeSecret } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { answered, ask, type Call, decide, intend, look, send, story } from '../testing/writes.ts';

/** The instance's clock, which tests move. */
let skewMs = 0;
let instance: TestInstance;
let credential: string;
beforeAll(async () => {
  instance = await startTestInstance({ nowMs: () => Date.now() + skewMs });
  credential = await storeSecret(instance);
  await pushLedger(instance);
}, 120_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  skewMs = 0;
});

const KEYED: Call = { rule: 'keyed' };
const UNKEYED: Call = { rule: 'unkeyed' };
/** A lease, the time limit of the request and the slack. */
const TAKEOVER_MS = PLATFORM_LIMITS.leaseMs + 10_000 + PLATFORM_LIMITS.takeoverSlackMs;

/** An approved write that a host holds. */
async function running(): Promise<{ id: string; order: WorkOrder }> {
  const action = await ask(instance);
  expect((await decide(instance, action)).status).toBe(200);
  return { id: action.id, order: await host.claimed(instance, action.id) };
}

const outcome = (order: WorkOrder, change: object) =>
  host.report(instance, order, 'outcome', { usage: host.USAGE, calls: [], ...change });
const failed = (code: string) => ({ verdict: 'failed', error: { code, message: 'so it is' } });
const SUCCEEDED = { verdict: 'succeeded', output: Buffer.from('{}').toString('base64') };

const types = async (id: string) => (await story(instance, id)).map(({ type }) => type);

test('an intent is durable when it is acknowledged, and its answer takes its place', async () => {
  const { id, order } = await running();
  const { status, body } = await intend(instance, order, KEYED);
  expect([status, body.status]).toEqual([200, 'send']);
  const open = await send<{ items: unknown[] }>(
    instance,
    'operator',
    'GET',
    `/actions/${id}/journal`,
  );
  expect(open.body.items).toMatchObject([{ call: 0, verdict: 'open', credential }]);
  const tlsPeerKeyHash = `sha256:${'5'.repeat(64)}` as const;
  const report = await answered(KEYED, '{"ok":true}', {
    credential: credential as never,
    tlsPeerKeyHash,
  });
  expect((await outcome(order, { ...SUCCEEDED, ...report })).body).toMatchObject({
    state: 'succeeded',
  });
  const entries = await story(instance, id);
  expect(entries.map(({ type }) => type).slice(4)).toEqual([
    'attempt.started',
    'egress.intended',
    'egress.answered',
    'attempt.finished',
    'action.succeeded',
  ]);
  const [intended, answer, finished] = entries.slice(5);
  expect(intended?.data).toMatchObject({
    call: 0,
    rule: 'keyed',
    credential,
    idempotencyKeyed: true,
  });
  expect(answer?.data).toMatchObject({ call: 0, status: 200, tlsPeerKeyHash });
  const journal = await send<{ items: unknown[] }>(
    ...([instance, 'operator', 'GET', `/actions/${id}/journal`] as const),
  );
  expect(journal.body.items).toMatchObject([{ call: 0, verdict: 'allowed', tlsPeerKeyHash }]);
  expect(finished?.artifacts.map(({ mediaType }) => mediaType)).toEqual([
    'application/json',
    'application/vnd.portarium.journal+json',
    'application/vnd.portarium.bodies+tar',
  ]);
});

test('a keyed write carries a key of the platform, and an unkeyed one none', async () => {
  const { id, order } = await running();
  const keyed = await intend(instance, order, KEYED);
  const { body } = keyed as { body: { idempotency?: { header: string; key: string } } };
  expect(body.idempotency).toEqual({
    header: 'idempotency-key',
    key: await instance.composed.context.idempotencyKeys.keyOf(id as never, 0),
  });
  expect(body.idempotency?.key).toMatch(/^[0-9a-f]{32}$/);
  const other = await running();
  expect((await intend(instance, other.order, UNKEYED)).body).not.toHaveProperty('idempotency');
});

test('asking again for the same intent is harmless, and it stands once', async () => {
  const { id, order } = await running();
  const first = await intend(instance, order, UNKEYED);
  const again = await intend(instance, order, UNKEYED);
  expect([first.body.status, again.body.status]).toEqual(['send', 'send']);
  expect((await types(id)).filter((type) => type === 'egress.intended')).toHaveLength(1);
});

test('an unkeyed write whose answer nobody saw is never sent again: its outcome is unknown', async () => {
  const { id, order } = await running();
  await intend(instance, order, UNKEYED);
  skewMs = PLATFORM_LIMITS.leaseMs + 1_000;
  // The lease is over, and the request could still be on its way.
  const busy = await host.claim(instance, id);
  expect([busy.status, busy.body.code]).toEqual([409, 'attempt.busy']);
  skewMs = TAKEOVER_MS + 1_000;
  expect((await host.claim(instance, id)).body).toMatchObject({
    status: 'finished',
    state: 'outcome-unknown',
  });
  expect((await look(instance, id)).error?.code).toBe('outcome.unknown');
  const late = await outcome(order, SUCCEEDED);
  expect(late.body).toMatchObject({ state: 'outcome-unknown', again: false });
  expect((await types(id)).slice(-2)).toEqual(['attempt.finished', 'action.outcome-unknown']);
});

test('a keyed write whose answer nobody saw is sent again with the same key by the next attempt', async () => {
  const { id, order } = await running();
  const first = await intend(instance, order, KEYED);
  skewMs = TAKEOVER_MS + 1_000;
  const next = await host.claimed(instance, id);
  expect(next.fence).toBe(2);
  expect(next.journal).toMatchObject([{ call: 0, verdict: 'open' }]);
  const superseded = await intend(instance, order, KEYED);
  expect([superseded.status, superseded.body.code]).toEqual([409, 'attempt.superseded']);
  const second = await intend(instance, next, KEYED);
  expect(second.body.status).toBe('send');
  expect((second.body as { idempotency?: unknown }).idempotency).toEqual(
    (first.body as { idempotency?: unknown }).idempotency as never,
  );
  const told = (await story(instance, id)).filter(({ type }) => type === 'egress.intended');
  expect(told.map(({ data }) => data.resend)).toEqual([undefined, true]);
});

test('a keyed write is not sent again once the key may be forgotten', async () => {
  const { id, order } = await running();
  await intend(instance, order, KEYED);
  skewMs = 3_600_000 + 1_000;
  expect((await host.claim(instance, id)).body).toMatchObject({ state: 'outcome-unknown' });
});

test('whatever ends an attempt while a write is open, the outcome of the action is unknown', async () => {
  for (const code of ['limit.deadline', 'guest.trap', 'outcome.unknown', 'host.lost']) {
    const { id, order } = await running();
    await intend(instance, order, UNKEYED);
    expect((await outcome(order, failed(code))).body).toEqual({
      state: 'outcome-unknown',
      again: false,
    });
    expect((await look(instance, id)).state).toBe('outcome-unknown');
  }
  const { order } = await running();
  await intend(instance, order, UNKEYED);
  expect((await outcome(order, SUCCEEDED)).body.state).toBe('outcome-unknown');
  const other = await running();
  await intend(instance, other.order, UNKEYED);
  await send(instance, 'operator', 'POST', `/actions/${other.id}/cancel`, {});
  expect((await look(instance, other.id)).state).toBe('outcome-unknown');
});

test('an answer that was lost leads to another attempt when a key makes that harmless', async () => {
  const { id, order } = await running();
  await intend(instance, order, KEYED);
  expect((await outcome(order, failed('answer.lost'))).body).toMatchObject({ again: true });
  const next = await host.claimed(instance, id);
  expect((await intend(instance, next, KEYED)).body.status).toBe('send');
});

test('an attempt that takes another path than the journal fails, and is no judge of a write', async () => {
  const read = await running();
  expect((await outcome(read.order, failed('journal.diverged'))).body.state).toBe('failed');
  const { order } = await running();
  await intend(instance, order, KEYED);
  const report = await answered(KEYED, 'x', { credential: credential as never });
  await host.report(instance, order, 'heartbeat', report);
  expect((await outcome(order, failed('journal.diverged'))).body.state).toBe('outcome-unknown');
  const other = await running();
  await intend(instance, other.order, KEYED);
  const changed = await intend(instance, other.order, { ...KEYED, body: '{"other":1}' });
  expect(changed.body).toMatchObject({ status: 'refused', code: 'journal.diverged' });
});

test('a person who has looked resolves an unknown outcome, or has it sent once more', async () => {
  const lose = async () => {
    const { id, order } = await running();
    await intend(instance, order, UNKEYED);
    await outcome(order, failed('outcome.unknown'));
    return id;
  };
  const resolve = (id: string, result: string) =>
    send(instance, 'operator', 'POST', `/actions/${id}/resolve`, {
      outcome: result,
      rationale: 'looked at the ledger',
    });
  const [done, not, again] = [await lose(), await lose(), await lose()];
  expect((await resolve(done, 'succeeded')).body.state).toBe('succeeded');
  expect((await resolve(not, 'failed')).body.state).toBe('failed');
  expect((await resolve(done, 'failed')).status).toBe(409);
  expect((await resolve(again, 'dispatched')).body.state).toBe('dispatched');
  const next = await host.claimed(instance, again);
  expect((await intend(instance, next, UNKEYED)).body.status).toBe('send');
  // The person's word was good for one more time.
  await outcome(next, failed('host.lost'));
  expect((await look(instance, again)).state).toBe('outcome-unknown');
  expect((await send(instance, 'agent', 'POST', `/actions/${again}/resolve`, {})).status).toBe(403);
});

test('what was cancelled under its host is sent again only when that host can not send any more', async () => {
  const { id, order } = await running();
  await intend(instance, order, UNKEYED);
  await send(instance, 'operator', 'POST', `/actions/${id}/cancel`, {});
  const again = () =>
    send(instance, 'operator', 'POST', `/actions/${id}/resolve`, {
      outcome: 'dispatched',
      rationale: 'it is not there',
    });
  const early = await again();
  expect([early.status, early.body.code]).toEqual([409, 'conflict']);
  skewMs = TAKEOVER_MS + 1_000;
  expect((await again()).body.state).toBe('dispatched');
  // However long ago it was approved: a person has just asked for it.
  skewMs += 48 * 3_600_000;
  const look = await lookAtAction(instance.composed.context, 'local' as never, id as never);
  expect(look).toEqual({ next: 'run', state: 'dispatched' });
});

test('the Control Plane matches the request itself, and believes no digest', async () => {
  const { order } = await running();
  const refused: readonly (readonly [Call, Record<string, unknown>, string])[] = [
    [{ rule: 'keyed', url: 'https://evil.example.com/keyed' }, {}, 'egress.denied'],
    [{ rule: 'keyed', url: 'https://ledger.example.com/keyed?x=1' }, {}, 'egress.denied'],
    [{ rule: 'keyed', url: 'http://ledger.example.com/keyed' }, {}, 'egress.denied'],
    [
      { rule: 'look', method: 'DELETE', url: 'https://ledger.example.com/look' },
      {},
      'egress.denied',
    ],
    [KEYED, { headers: [['idempotency-key', 'mine']] }, 'egress.denied'],
  ];
  for (const [call, change, code] of refused) {
    const { body } = await intend(instance, order, call, change);
    expect([call.url, body.status, body.code]).toEqual([call.url, 'refused', code]);
  }
  const forged = await intend(instance, order, KEYED, {
    requestDigest: `sha256:${'1'.repeat(64)}`,
  });
  expect([forged.status, forged.body.code]).toEqual([422, 'input.invalid']);
  const wrongRule = await intend(instance, order, {
    ...KEYED,
    rule: 'unkeyed',
    url: 'https://ledger.example.com/keyed',
  });
  expect(wrongRule.status).toBe(422);
});

test('a host that reports a write without an intent is not believed', async () => {
  const { order } = await running();
  const report = await answered(UNKEYED);
  expect((await host.report(instance, order, 'heartbeat', report)).status).toBe(409);
  const skipped = await answered({ ...UNKEYED, number: 1 }, '', {
    verdict: 'denied',
    reason: 'no',
  });
  expect((await host.report(instance, order, 'heartbeat', skipped)).status).toBe(409);
  await intend(instance, order, UNKEYED);
  const other = await answered(UNKEYED, 'x', { host: 'evil.example.com' });
  expect((await host.report(instance, order, 'heartbeat', other)).status).toBe(409);
});

test('an intent carries every earlier record, and is refused without their bodies', async () => {
  const { id, order } = await running();
  const look: Call = { rule: 'look', method: 'GET' };
  const { calls, bodies } = await answered(look, '{"lines":[]}', { bytesOut: 5 });
  const next = { ...UNKEYED, number: 1 };
  expect((await intend(instance, order, next, { calls })).status).toBe(409);
  expect((await intend(instance, order, next, {})).body).toMatchObject({ status: 'refused' });
  expect((await intend(instance, order, next, { calls, bodies })).body.status).toBe('send');
  expect(await types(id)).not.toContain('egress.answered');
});

test('budgets are counted over all attempts of the action', async () => {
  const limited = LEDGER_RULES.map((rule) => ({ ...rule, maxCalls: 1 }));
  await pushLedger(instance, '1.1.0', limited);
  const { id, order } = await running();
  await intend(instance, order, KEYED);
  const report = await answered(KEYED, 'x', { credential: credential as never });
  await host.report(instance, order, 'heartbeat', report);
  await outcome(order, failed('host.lost'));
  const next = await host.claimed(instance, id);
  const second = await intend(instance, next, { ...KEYED, number: 1 });
  expect(second.body).toMatchObject({ status: 'refused', code: 'limit.egress' });
  await pushLedger(instance, '1.2.0');
});

test('the body of a write is kept before it may leave, and is in the bundle of its action', async () => {
  const { id, order } = await running();
  const write: Call = { ...KEYED, body: '{"amount":7}' };
  const digest = await digestOf(new TextEncoder().encode(write.body));
  const path = `/internal/v1/attempts/${order.attempt}/intents`;
  const sent: Record<string, unknown>[] = [];
  const watched: TestInstance = {
    ...instance,
    call: (method, where, options) => {
      if (where === path) sent.push(options?.json as Record<string, unknown>);
      return instance.call(method, where, options);
    },
  };
  const headers = { 'portarium-ticket': order.ticket };
  const ask = (json: unknown) =>
    instance.call('POST', path, { key: instance.hostKey, json, headers });
  expect((await intend(watched, order, write)).body.status).toBe('send');
  const [intent] = sent;
  // The same call without its body, or with another size than its body has.
  const other = await running();
  const foreign = `/internal/v1/attempts/${other.order.attempt}/intents`;
  const asOther = (change: object) =>
    instance.call('POST', foreign, {
      key: instance.hostKey,
      json: { ...intent, ...change },
      headers: { 'portarium-ticket': other.order.ticket },
    });
  expect((await asOther({ bodies: [] })).status).toBe(409);
  expect((await asOther({ bodyBytes: 3 })).status).toBe(422);
  expect(await types(other.id)).not.toContain('egress.intended');
  // Once it is kept it need not travel again.
  expect((await ask({ ...intent, bodies: [] })).status).toBe(200);
  // Nobody sees an answer: what left is in the evidence all the same.
  expect((await outcome(order, failed('outcome.unknown'))).body.state).toBe('outcome-unknown');
  const told = (await story(instance, id)).find(({ type }) => type === 'egress.intended');
  expect(told?.data.requestBodyDigest).toBe(digest);
  const exported = await instance.call('GET', `/v1/workspaces/local/evidence/export?action=${id}`, {
    role: 'auditor',
  });
  const bundle = new Uint8Array(await exported.arrayBuffer());
  const tar = (await story(instance, id))
    .flatMap(({ artifacts }) => artifacts)
    .find(({ mediaType }) => mediaType === BODIES_MEDIA_TYPE);
  const filesOf = (bytes: Uint8Array | undefined) => {
    const read = readTar(bytes ?? new Uint8Array());
    if (!read.ok) throw new Error('no archive');
    return read.files;
  };
  const packed = filesOf(bundle).get(`artifacts/${bodyPath(tar?.digest as Digest)}`);
  const bodies = filesOf(packed);
  expect([...bodies.keys()]).toEqual([bodyPath(digest)]);
  expect(new TextDecoder().decode(bodies.get(bodyPath(digest)))).toBe('{"amount":7}');
  // All that is wrong with it: a person has still to say what came of the write.
  const { findings } = await verifyBundle(bundle, {});
  expect(findings.map(({ rule }) => rule)).toEqual(['story.open']);
});

test('a record of a write names the body that had leave, and no other', async () => {
  const { order } = await running();
  await intend(instance, order, UNKEYED);
  const report = await answered(UNKEYED, 'x', {
    requestBodyDigest: await digestOf(new Uint8Array([1])),
  });
  expect((await host.report(instance, order, 'heartbeat', report)).status).toBe(409);
  const read = await answered({ rule: 'look', method: 'GET', number: 1 }, 'x', {
    requestBodyDigest: await digestOf(new Uint8Array([1])),
  });
  expect((await host.report(instance, order, 'heartbeat', read)).status).toBe(409);
});

test('a quarantined version and a lapsed fence stop an attempt before its next write', async () => {
  const { id, order } = await running();
  await instance.composed.sql.begin(async (tx) => {
    await tx`SELECT set_config('portarium.workspace', 'local', true)`;
    await tx`UPDATE actions SET fence = fence + 1 WHERE id = ${id.slice(4)}::uuid`;
  });
  const refused = await intend(instance, order, UNKEYED);
  expect([refused.status, refused.body.code]).toEqual([409, 'attempt.superseded']);
  const report = await outcome(order, SUCCEEDED);
  expect([report.status, report.body.code]).toEqual([409, 'attempt.superseded']);
});

test('a large body is put before the record that names it, and what was put can be read back', async () => {
  const { order } = await running();
  const text = 'x'.repeat(PLATFORM_LIMITS.inlineBodyBytes + 1);
  const { calls, bodies } = await answered({ rule: 'look', method: 'GET' }, text);
  const digest = bodies[0]?.digest ?? '';
  const put = (path: string, body: string, ticket = order.ticket) =>
    instance.call('PUT', `/internal/v1/attempts/${order.attempt}/bodies/${path}`, {
      key: instance.hostKey,
      body,
      headers: { 'portarium-ticket': ticket },
    });
  expect((await put(digest, `${text}y`)).status).toBe(422);
  expect((await put(digest, text, '')).status).toBe(403);
  expect((await put(digest, text)).status).toBe(204);
  expect((await host.report(instance, order, 'heartbeat', { calls })).status).toBe(200);
  const read = await instance.call(
    'GET',
    `/internal/v1/attempts/${order.attempt}/bodies/${digest}`,
    { key: instance.hostKey, headers: { 'portarium-ticket': order.ticket } },
  );
  expect(await read.text()).toBe(text);
});

test('a credential goes to the exact host that it is bound to, and only by a matched rule', async () => {
  const { order } = await running();
  const given = await intend(instance, order, KEYED);
  expect((given.body as { credential?: unknown }).credential).toEqual({
    id: credential,
    slot: 'ledger',
    version: 1,
    kind: 'bearer',
    secret: SECRET,
  });
  const other = await running();
  const elsewhere = await intend(instance, other.order, {
    rule: 'elsewhere',
    url: 'https://other.example.com/elsewhere',
  });
  expect(elsewhere.body).toMatchObject({ status: 'refused', code: 'credential.unavailable' });
  expect(JSON.stringify(elsewhere.body)).not.toContain(SECRET);
  const third = await running();
  expect((await intend(instance, third.order, UNKEYED)).body).not.toHaveProperty('credential');
});

async function exported(query = ''): Promise<Uint8Array> {
  const path = `/v1/workspaces/local/evidence/export${query}`;
  const bundle = await instance.call('GET', path, { role: 'auditor' });
  expect(bundle.status).toBe(200);
  return new Uint8Array(await bundle.arrayBuffer());
}

async function pinned(): Promise<string> {
  const path = '/v1/workspaces/local/evidence/vkeys';
  const keys = await instance.call('GET', path, { role: 'auditor' });
  return (await keys.text()).split('\n')[0] ?? '';
}

test('the evidence of all these writes verifies offline, and holds no secret', async () => {
  const bytes = await exported();
  const report = await verifyBundle(bytes, { pin: await pinned() });
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
  expect(report.artifacts.omitted).toBe(0);
  expect(Buffer.from(bytes).includes(SECRET)).toBe(false);
});

test('an export without bodies lacks what was read and nothing else, verifies, and says so', async () => {
  const { id, order } = await running();
  const read = 'only-the-guest-reads-this';
  const report = await answered({ rule: 'look', method: 'GET' }, read);
  expect((await outcome(order, { ...SUCCEEDED, ...report })).status).toBe(200);
  for (const action of ['', `&action=${id}`]) {
    expect(Buffer.from(await exported(`?bodies=all${action}`)).includes(read)).toBe(true);
    const bare = await exported(`?bodies=none${action}`);
    expect(Buffer.from(bare).includes(read)).toBe(false);
    const found = await verifyBundle(bare, { pin: await pinned() });
    expect([found.verdict, found.findings]).toEqual(['verified', []]);
    expect(found.artifacts.omitted).toBeGreaterThan(0);
  }
});
