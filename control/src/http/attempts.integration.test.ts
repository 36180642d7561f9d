import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { EgressCall, Outcome, WorkOrder } from '@portarium/contracts/internal-api';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import * as host from '../testing/as-host.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { uploadForm } from '../testing/upload-form.ts';

/** Real time plus what a test has let pass. */
let skippedMs = 0;
const clock = { nowMs: () => Date.now() + skippedMs };

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance(clock);
  const pushed = await instance.call('POST', '/v1/workspaces/local/plugins', {
    role: 'author',
    body: uploadForm(),
  });
  expect(pushed.status).toBe(201);
}, 60_000);
afterAll(() => instance[Symbol.asyncDispose](), 30_000);

const SUCCESS: Outcome = {
  verdict: 'succeeded',
  output: btoa('{"text":"a"}'),
  usage: host.USAGE,
  calls: [],
};
const failed = (code: string): Outcome => ({
  verdict: 'failed',
  error: { code, message: `it was ${code}` },
  usage: host.USAGE,
  calls: [],
});

async function request(): Promise<string> {
  const response = await instance.call('POST', '/v1/workspaces/local/actions', {
    role: 'operator',
    json: { plugin: 'echo', operation: 'echo', input: { text: 'a' } },
  });
  expect(response.status).toBe(202);
  return ((await response.json()) as { id: string }).id;
}

const claim = (action: string) => host.claim(instance, action);
const claimed = (action: string) => host.claimed(instance, action);
const report = (order: WorkOrder, what: 'outcome' | 'heartbeat', json: unknown) =>
  host.report(instance, order, what, json);

async function view(
  action: string,
): Promise<Record<string, unknown> & { state: string; error?: { code: string } }> {
  return (await (
    await instance.call('GET', `/v1/workspaces/local/actions/${action}`, { role: 'operator' })
  ).json()) as never;
}

async function story(action: string): Promise<{ type: string; data: Record<string, unknown> }[]> {
  const response = await instance.call('GET', `/v1/workspaces/local/evidence?action=${action}`, {
    role: 'auditor',
  });
  const { items } = (await response.json()) as {
    items: { entry: { type: string; data: Record<string, unknown> } }[];
  };
  return items.map(({ entry }) => entry);
}

test('an attempt goes from claim to outcome, and its story is complete', async () => {
  const action = await request();
  const order = await claimed(action);
  expect(order.fence).toBe(1);
  expect(atob(order.input)).toBe('{"text":"a"}');
  const module = await instance.call('GET', `/internal/v1/attempts/${order.attempt}/module`, {
    key: instance.hostKey,
    headers: { 'portarium-ticket': order.ticket },
  });
  expect(new Uint8Array(await module.arrayBuffer()).slice(0, 4)).toEqual(
    new Uint8Array([0, 0x61, 0x73, 0x6d]),
  );
  expect(await report(order, 'outcome', SUCCESS)).toEqual({
    status: 200,
    body: { state: 'succeeded', again: false },
  });
  expect(await view(action)).toMatchObject({
    state: 'succeeded',
    tier: 'auto',
    output: { text: 'a' },
    attempts: 1,
  });
  const entries = await story(action);
  expect(entries.map(({ type }) => type)).toEqual([
    'action.requested',
    'policy.decided',
    'attempt.started',
    'attempt.finished',
    'action.succeeded',
  ]);
  expect(entries.at(-1)?.data.entries).toBe(5);
});

test('a repeated outcome answers as the first did and changes nothing', async () => {
  const action = await request();
  const order = await claimed(action);
  await report(order, 'outcome', SUCCESS);
  expect(await report(order, 'outcome', failed('guest.trap'))).toEqual({
    status: 200,
    body: { state: 'succeeded', again: false },
  });
  expect(await story(action)).toHaveLength(5);
  expect((await claim(action)).body).toEqual({ status: 'finished', state: 'succeeded' });
});

test('a second claim waits for the lease, then takes over under a higher fence, and the first is superseded', async () => {
  const action = await request();
  const first = await claimed(action);
  const busy = await claim(action);
  expect([busy.status, busy.body.code]).toEqual([409, 'attempt.busy']);
  expect(busy.body.retryAfterMs).toBeGreaterThan(5_000);
  skippedMs += 6_000;
  expect((await report(first, 'heartbeat', { calls: [] })).status).toBe(200);
  skippedMs += 6_000;
  expect((await claim(action)).status).toBe(409);
  skippedMs += 6_000;
  const second = await claimed(action);
  expect(second.fence).toBe(2);
  for (const what of ['heartbeat', 'outcome'] as const) {
    const late = await report(first, what, what === 'outcome' ? SUCCESS : { calls: [] });
    expect([late.status, late.body.code]).toEqual([409, 'attempt.superseded']);
  }
  expect((await report(second, 'outcome', SUCCESS)).body.state).toBe('succeeded');
  const verdicts = (await story(action))
    .filter(({ type }) => type === 'attempt.finished')
    .map(({ data }) => data.verdict);
  expect(verdicts).toEqual(['lost', 'succeeded']);
});

test('a lost attempt is followed by another, five at most, then the action fails', async () => {
  const action = await request();
  for (let fence = 1; fence <= 5; fence++) {
    const order = await claimed(action);
    const { body } = await report(order, 'outcome', failed('host.lost'));
    expect(body).toEqual(
      fence < 5 ? { state: 'running', again: true } : { state: 'failed', again: false },
    );
  }
  expect((await view(action)).error?.code).toBe('attempts.exhausted');
});

test('an error of the guest is final, and an error code that nobody knows becomes the guest’s', async () => {
  for (const [code, stored] of [
    ['guest.trap', 'guest.trap'],
    ['limit.deadline', 'limit.deadline'],
    ['made.up', 'guest.error'],
  ] as const) {
    const action = await request();
    expect((await report(await claimed(action), 'outcome', failed(code))).body).toEqual({
      state: 'failed',
      again: false,
    });
    expect((await view(action)).error?.code).toBe(stored);
  }
});

test('what a host claims of an output is checked: form, schema and size', async () => {
  const outcome = async (output: string) => {
    const action = await request();
    await report(await claimed(action), 'outcome', { ...SUCCESS, output });
    return (await view(action)).error?.code;
  };
  expect(await outcome(btoa('not json'))).toBe('output.invalid');
  expect(await outcome(btoa('{"a":1,"a":2}'))).toBe('output.invalid');
  expect(await outcome(btoa(JSON.stringify('x'.repeat(5_000_000))))).toBe('limit.output');
});

test('a ticket is no good for another attempt, another host, or with a flipped bit', async () => {
  const order = await claimed(await request());
  const other = await claimed(await request());
  const forged = await report({ ...order, ticket: other.ticket }, 'outcome', SUCCESS);
  expect([forged.status, forged.body.code]).toEqual([403, 'auth.forbidden']);
  const flipped = order.ticket.replace(/.(?=.{20}$)/, (char) => (char === 'A' ? 'B' : 'A'));
  expect((await report({ ...order, ticket: flipped }, 'outcome', SUCCESS)).status).toBe(403);
  expect((await report({ ...order, ticket: '' }, 'outcome', SUCCESS)).status).toBe(403);
  expect(
    await instance.composed.context.tickets.verify(order.ticket, 'another-host'),
  ).toBeUndefined();
});

test('a denied call is evidence as soon as it is reported, once, and stands in the journal', async () => {
  const action = await request();
  const order = await claimed(action);
  const denied: EgressCall = {
    call: 0,
    method: 'GET',
    scheme: 'https',
    host: 'evil.example',
    port: 443,
    path: '/',
    verdict: 'denied',
    layer: 'plugin',
    reason: 'no rule names host evil.example',
    requestDigest: `sha256:${'0'.repeat(64)}`,
    bytesOut: 0,
    bytesIn: 0,
    ms: 2,
  };
  await report(order, 'heartbeat', { calls: [denied] });
  expect((await story(action)).filter(({ type }) => type === 'egress.denied')).toHaveLength(1);
  await report(order, 'outcome', { ...failed('egress.denied'), calls: [denied] });
  const entries = await story(action);
  expect(entries.filter(({ type }) => type === 'egress.denied')).toHaveLength(1);
  expect(entries.find(({ type }) => type === 'egress.denied')?.data).toMatchObject({
    host: 'evil.example',
    layer: 'plugin',
  });
  expect((await view(action)).error?.code).toBe('egress.denied');
  const journal = await instance.call('GET', `/v1/workspaces/local/actions/${action}/journal`, {
    role: 'operator',
  });
  expect(((await journal.json()) as { items: unknown[] }).items).toEqual([
    { attempt: order.attempt, ...denied },
  ]);
});

test('a write waits for approval and a destructive action for a person; neither can be claimed', async () => {
  for (const [operation, state] of [
    ['change', 'waiting-approval'],
    ['destroy', 'waiting-manual'],
  ] as const) {
    const response = await instance.call('POST', '/v1/workspaces/local/actions', {
      role: 'agent',
      json: { plugin: 'echo', operation, input: null },
      headers: { prefer: 'wait=5' },
    });
    const body = (await response.json()) as { id: string; state: string };
    expect([response.status, body.state]).toEqual([202, state]);
    expect((await claim(body.id)).body).toEqual({ status: 'finished', state });
  }
});

test('an export of the log and of one action verify offline under the pinned key, and tell tampering', async () => {
  const action = await request();
  await report(await claimed(action), 'outcome', SUCCESS);
  const [pin = ''] = (
    await (
      await instance.call('GET', '/v1/workspaces/local/evidence/vkeys', { role: 'auditor' })
    ).text()
  ).split('\n');
  for (const query of ['', `?action=${action}`]) {
    const response = await instance.call('GET', `/v1/workspaces/local/evidence/export${query}`, {
      role: 'auditor',
    });
    expect(response.headers.get('content-type')).toBe('application/x-tar');
    const bundle = new Uint8Array(await response.arrayBuffer());
    const report = await verifyBundle(bundle, { pin });
    expect([report.verdict, report.exitCode, report.findings]).toEqual(['verified', 0, []]);
    expect((await verifyBundle(bundle, {})).exitCode).toBe(3);
    const text = new TextDecoder('latin1').decode(bundle);
    const at = text.indexOf('"type":"action.requested"') + 9;
    const tampered = bundle.slice();
    tampered[at] = (tampered[at] ?? 0) ^ 1;
    const found = await verifyBundle(tampered, { pin });
    expect(found.exitCode).toBe(1);
    expect(found.findings.some((finding) => finding.seq !== undefined)).toBe(true);
  }
});
