/** Budgets and rates of egress rules hold over all attempts, hosts and replicas. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import type { EgressRule } from '@portarium/contracts/egress-rule';
import type { EgressCall, WorkOrder } from '@portarium/contracts/internal-api';
import { anotherHost } from '../testing/another-host.ts';
import * as host from '../testing/as-host.ts';
import { grantLedger, LEDGER_RULES, pushLedger } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { verifyLog } from '../testing/verify-log.ts';
import { answered, type Call, intend, look, send, story } from '../testing/writes.ts';

let one: TestInstance;
let other: TestInstance;
beforeAll(async () => {
  one = await startTestInstance();
  other = await anotherHost(one, 'host-other');
  await pushLedger(one);
}, 120_000);
afterAll(async () => {
  await other?.[Symbol.asyncDispose]();
  await one?.[Symbol.asyncDispose]();
});
afterEach(() => setCounts(`'[]'`));

const LOOK = { rule: 'look', method: 'GET' } as const;
const ledgerWith = (change: Partial<EgressRule>) =>
  LEDGER_RULES.map((rule) => (rule.id === 'look' ? { ...rule, ...change } : rule));

/** Sets what the last minute is taken to have seen. */
async function setCounts(calls: string): Promise<void> {
  await one.composed.sql.begin(async (tx) => {
    await tx`SELECT set_config('portarium.workspace', 'local', true)`;
    await tx.unsafe(`UPDATE egress_rates SET calls = ${calls}`);
  });
}

/** A read that `by` holds. */
async function running(by: TestInstance): Promise<{ id: string; order: WorkOrder }> {
  const body = { plugin: 'ledger', operation: 'look', input: {} };
  const asked = await send<{ id: string }>(one, 'agent', 'POST', '/actions', body);
  return { id: asked.body.id, order: await host.claimed(by, asked.body.id) };
}

/** Asks for leave for call after call. @returns how many got it, and the refusal that ended it */
async function askUntilRefused(by: TestInstance, order: WorkOrder, most = 30) {
  for (let number = 0; number < most; number++) {
    const { body } = await intend(by, order, { ...LOOK, number });
    if (body.status !== 'send') return { allowed: number, refusal: body };
  }
  return { allowed: most, refusal: undefined };
}

const failed = (code: string) => ({
  ...{ verdict: 'failed', error: { code, message: 'so it is' }, usage: host.USAGE },
});

test('hosts at different replicas that ask at once get leave for no more calls a minute than the rule allows', async () => {
  await grantLedger(one, ledgerWith({ maxPerMinute: 7 }));
  const hosts = [one, other, one, other];
  const held = await Promise.all(hosts.map((by) => running(by)));
  const asked = await Promise.all(
    held.map(({ order }, i) => askUntilRefused(hosts[i] as TestInstance, order)),
  );
  expect(asked.reduce((sum, { allowed }) => sum + allowed, 0)).toBe(7);
  for (const { refusal } of asked) {
    expect(refusal).toMatchObject({
      ...{ status: 'refused', code: 'limit.rate', layer: 'rate' },
      message: expect.stringMatching(
        /rule look allows 7 calls a minute, and has room again in \d+ s$/,
      ),
    });
    const { retryAfterMs = 0 } = refusal as { retryAfterMs?: number };
    expect(retryAfterMs).toBeGreaterThan(50_000);
    expect(retryAfterMs).toBeLessThanOrEqual(61_000);
  }
  // A minute later there is room again, for all of them together.
  await setCounts(
    `jsonb_build_array(jsonb_build_array(floor(extract(epoch FROM now()))::bigint - 61, 7))`,
  );
  const again = await Promise.all(hosts.map((by) => running(by)));
  const later = await Promise.all(
    again.map(({ order }, i) => askUntilRefused(hosts[i] as TestInstance, order)),
  );
  expect(later.reduce((sum, { allowed }) => sum + allowed, 0)).toBe(7);
}, 60_000);

test('where both layers have a rate each is kept, and the smaller one is felt', async () => {
  await pushLedger(one, '1.1.0', ledgerWith({ maxPerMinute: 2 }));
  await grantLedger(one, ledgerWith({ maxPerMinute: 3 }));
  const first = await running(one);
  expect((await askUntilRefused(one, first.order)).allowed).toBe(2);
  // A rule of an operator without a rate leaves that of the plugin.
  await grantLedger(one, LEDGER_RULES);
  const second = await running(other);
  expect((await askUntilRefused(other, second.order)).allowed).toBe(0);
  await pushLedger(one, '1.2.0');
});

test('the same intent asked for again counts once, and a refused one not at all', async () => {
  await grantLedger(one, ledgerWith({ maxPerMinute: 2 }));
  const { order } = await running(one);
  for (let i = 0; i < 4; i++) expect((await intend(one, order, LOOK)).body.status).toBe('send');
  const wrong = await intend(one, order, { ...LOOK, number: 5 });
  expect(wrong.body).toMatchObject({ status: 'refused', code: 'journal.diverged' });
  expect((await intend(one, order, { ...LOOK, number: 1 })).body.status).toBe('send');
  const beyond = await intend(one, order, { ...LOOK, number: 2 });
  expect(beyond.body).toMatchObject({ status: 'refused', layer: 'rate' });
});

test('a read under a rate that had no leave is not believed', async () => {
  await grantLedger(one, ledgerWith({ maxPerMinute: 2 }));
  const { order } = await running(one);
  const read = await answered(LOOK);
  const refused = await host.report(one, order, 'heartbeat', read);
  expect([refused.status, refused.body.code]).toEqual([409, 'conflict']);
  expect((await intend(one, order, LOOK)).body.status).toBe('send');
  expect((await host.report(one, order, 'heartbeat', read)).status).toBe(200);
});

test('a read with a body gets no leave', async () => {
  await grantLedger(one, ledgerWith({ maxPerMinute: 5 }));
  const { order } = await running(one);
  const smuggled = await intend(one, order, LOOK, { bodyBytes: 8 });
  expect(smuggled.body).toMatchObject({ status: 'refused', layer: 'request' });
});

test('a call over the rate is evidence with its layer, and all of it verifies offline', async () => {
  await grantLedger(one, ledgerWith({ maxPerMinute: 1 }));
  const { id, order } = await running(one);
  expect((await intend(one, order, LOOK)).body.status).toBe('send');
  const read = await answered(LOOK);
  const next = { ...LOOK, number: 1 };
  expect((await intend(one, order, next, read)).body).toMatchObject({ code: 'limit.rate' });
  const { calls } = await answered(next);
  const {
    responseDigest: _body,
    responseHeaders: _headers,
    status: _status,
    ...call
  } = calls[0] as EgressCall;
  const denied = { ...call, verdict: 'denied', layer: 'rate', reason: 'rule look allows 1' };
  const report = {
    ...failed('limit.rate'),
    calls: [{ ...denied, bytesOut: 0, bytesIn: 0, ms: 0 }],
  };
  expect((await host.report(one, order, 'outcome', report)).body).toMatchObject({
    state: 'failed',
  });
  expect((await look(one, id)).error?.code).toBe('limit.rate');
  const told = (await story(one, id)).filter(({ type }) => type === 'egress.denied');
  expect(told.map(({ data }) => [data.call, data.layer, data.rule])).toEqual([[1, 'rate', 'look']]);
  const journal = await send<{ items: EgressCall[] }>(
    one,
    'auditor',
    'GET',
    `/actions/${id}/journal`,
  );
  const [allowed] = read.calls;
  expect(journal.body.items).toEqual([
    expect.objectContaining({
      ...{ verdict: 'allowed', rule: 'look', address: '203.0.113.7', status: 200, ms: 3 },
      ...{ bytesOut: allowed?.bytesOut, bytesIn: allowed?.bytesIn },
      ...{ requestDigest: allowed?.requestDigest, responseDigest: allowed?.responseDigest },
    }),
    expect.objectContaining({
      ...{ verdict: 'denied', rule: 'look', layer: 'rate', address: '203.0.113.7', ms: 0 },
      ...{ bytesOut: 0, bytesIn: 0, requestDigest: call.requestDigest },
    }),
  ]);
  const verified = await verifyLog(one, id);
  expect([verified.verdict, verified.findings]).toEqual(['verified', []]);
});

test('a grant whose rate alone changed names the rule as altered, and is another contract', async () => {
  await grantLedger(one, ledgerWith({ maxPerMinute: 10 }));
  const before = await running(one);
  const rules = ledgerWith({ maxPerMinute: 20 });
  const put = await send(one, 'operator', 'PUT', '/plugins/ledger/egress', { rules, networks: [] });
  expect(put.body.changed).toEqual({ added: [], removed: [], altered: ['look'] });
  const shown = await send<{ operator: { rules: EgressRule[] } }>(
    ...([one, 'operator', 'GET', '/plugins/ledger/egress'] as const),
  );
  expect(shown.body.operator.rules.find(({ id }) => id === 'look')?.maxPerMinute).toBe(20);
  const after = await running(one);
  const digests = await Promise.all(
    [before, after].map(async ({ id }) => (await story(one, id))[0]?.data.contractDigest),
  );
  expect(new Set(digests).size).toBe(2);
  // What was asked for before keeps the rate of its contract.
  const rate = ({ order }: { order: WorkOrder }) =>
    order.contract.operator.find(({ id }) => id === 'look')?.maxPerMinute;
  expect([rate(before), rate(after)]).toEqual([10, 20]);
  for (const maxPerMinute of [0, 1.5, 100_001, '5']) {
    const wrong = await send(one, 'operator', 'PUT', '/plugins/ledger/egress', {
      ...{ rules: [{ ...rules[0], maxPerMinute }], networks: [] },
    });
    expect([wrong.status, wrong.body.code]).toEqual([422, 'input.invalid']);
  }
});

test('an attempt on another host that has calls to replay may make only the rest of a budget', async () => {
  await grantLedger(one, ledgerWith({ maxCalls: 3, maxPerMinute: 1_000 }));
  const { id, order } = await running(one);
  const read = (number: number): Call => ({ ...LOOK, number });
  for (const number of [0, 1]) {
    expect((await intend(one, order, read(number))).body.status).toBe('send');
    const report = await answered(read(number));
    expect((await host.report(one, order, 'heartbeat', report)).status).toBe(200);
  }
  const lost = await host.report(one, order, 'outcome', { ...failed('host.lost'), calls: [] });
  expect(lost.body).toMatchObject({ again: true });
  const next = await host.claimed(other, id);
  expect(next.journal.map(({ call }) => call)).toEqual([0, 1]);
  expect((await intend(other, next, read(2))).body.status).toBe('send');
  const report = await answered(read(2));
  const beyond = await intend(other, next, read(3), report);
  expect(beyond.body).toMatchObject({
    code: 'limit.egress',
    message: expect.stringContaining('rule look allows 3 calls'),
  });
  const started = (await story(one, id)).filter(({ type }) => type === 'attempt.started');
  expect(started.map(({ data }) => data.host)).toEqual(['host-local', 'host-other']);
});

test('a report of more calls or bytes than the rules allow is refused, whichever host has made them', async () => {
  await grantLedger(one, ledgerWith({ maxCalls: 2, maxBytes: 100 }));
  const { id, order } = await running(one);
  const read = async (number: number, text = '{}') => answered({ ...LOOK, number }, text);
  expect((await host.report(one, order, 'heartbeat', await read(0))).status).toBe(200);
  const wide = await host.report(one, order, 'heartbeat', await read(1, 'x'.repeat(99)));
  expect([wide.status, wide.body.detail]).toEqual([
    409,
    `The journal of ${id} goes beyond a budget: the operator’s rule look allows 100 bytes of an action, and this makes 101.`,
  ]);
  await host.report(one, order, 'outcome', { ...failed('host.lost'), calls: [] });
  const next = await host.claimed(other, id);
  const calls = (await Promise.all([1, 2].map((number) => read(number)))).flatMap(
    (report) => report.calls,
  );
  const { bodies } = await read(1);
  const many = await host.report(other, next, 'heartbeat', { calls, bodies });
  expect([many.status, many.body.detail]).toEqual([
    409,
    `The journal of ${id} goes beyond a budget: the operator’s rule look allows 2 calls of an action.`,
  ]);
  expect((await host.report(other, next, 'heartbeat', { calls: [calls[0]], bodies })).status).toBe(
    200,
  );
});

test('a report of more bytes than the limits of the action allow is refused', async () => {
  const limits = { egressBytesIn: 1_000, egressBytesOut: 500 };
  await pushLedger(one, '2.0.0', LEDGER_RULES, limits);
  const { id, order } = await running(one);
  const report = async (number: number, text: string, change: Partial<EgressCall> = {}) =>
    host.report(one, order, 'heartbeat', await answered({ ...LOOK, number }, text, change));
  expect((await report(0, 'x'.repeat(600))).status).toBe(200);
  const more = await report(1, 'y'.repeat(600));
  expect([more.status, more.body.detail]).toEqual([
    409,
    `The journal of ${id} goes beyond a budget: more than 1000 bytes in.`,
  ]);
  const out = await report(1, 'y', { bytesOut: 501 });
  expect(out.body.detail).toContain('more than 500 bytes out');
});

test('a write that a dry run withholds takes nothing of a rate', async () => {
  const rated = LEDGER_RULES.map((rule) => ({ ...rule, maxPerMinute: 1 }));
  await pushLedger(one, '3.0.0', rated);
  const body = { plugin: 'ledger', operation: 'write', input: { id: 'x' }, dryRun: true };
  const asked = await send<{ id: string }>(one, 'agent', 'POST', '/actions', body);
  const order = await host.claimed(one, asked.body.id);
  const unkeyed: Call = { rule: 'unkeyed' };
  const { calls, bodies } = await answered(unkeyed, '{"ok":true}');
  const { requestBodyDigest, address: _address, ...call } = calls[0] as EgressCall;
  const text = new TextEncoder().encode('{}');
  const request = {
    url: 'https://ledger.example.com/unkeyed',
    headers: [['content-type', 'application/json']],
    ...{ bodyDigest: requestBodyDigest, bodyBytes: text.length },
  };
  const own = { digest: String(requestBodyDigest), bytes: Buffer.from(text).toString('base64') };
  const report = {
    calls: [{ ...call, verdict: 'withheld', request }],
    bodies: [...bodies, own],
  };
  const taken = await host.report(one, order, 'heartbeat', report);
  expect([taken.status, taken.body.detail]).toEqual([200, undefined]);
  await one.composed.sql.begin(async (tx) => {
    await tx`SELECT set_config('portarium.workspace', 'local', true)`;
    const rows = await tx`SELECT rule FROM egress_rates WHERE rule = 'unkeyed'`;
    expect(rows.length).toBe(0);
  });
});
