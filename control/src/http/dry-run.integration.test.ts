import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdir } from 'node:fs/promises';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import { uuidOf } from '@portarium/contracts/ids';
import type { EgressCall, WorkOrder } from '@portarium/contracts/internal-api';
import { requestDigest } from '@portarium/contracts/request-digest';
import * as host from '../testing/as-host.ts';
import {
  grantLedger,
  LEDGER_HOST,
  LEDGER_RULES,
  pushLedger,
  SECRET,
  storeSecret,
} from '../testing/ledger-plugin.ts';
import { setPluginState } from '../testing/plugin-state.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { verifyLog } from '../testing/verify-log.ts';
import { type AskedAction, ask, decide, intend, look, send, story } from '../testing/writes.ts';

let instance: TestInstance;
let credential: string;
beforeAll(async () => {
  instance = await startTestInstance();
  credential = await storeSecret(instance);
  await pushLedger(instance);
}, 120_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

interface Withheld {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly unknown[];
  readonly credential?: string;
  readonly status?: number;
  readonly body?: { readonly text?: string; readonly bytes: number; readonly digest: string };
}
type DryAction = AskedAction & {
  readonly tier: string;
  readonly dryRun?: true;
  readonly dryRunOf?: string;
  readonly writes?: readonly Withheld[];
};
const dry = (input: unknown, more: Record<string, unknown> = {}) =>
  ask(instance, input, { dryRun: true, ...more }) as Promise<DryAction>;
const dryRunOf = (id: string, role = 'approver') =>
  send<DryAction & { code?: string }>(instance, role, 'POST', `/actions/${id}/dry-run`);

interface Write {
  readonly number?: number;
  readonly rule: string;
  readonly body?: string;
  readonly query?: string;
}

/** What a host records of a write that it withheld. */
async function withheld(
  { number = 0, rule, body = '{"amount":40}', query = '' }: Write,
  change: Partial<EgressCall> = {},
): Promise<{ calls: EgressCall[]; bodies: { digest: Digest; bytes: string }[] }> {
  const path = `/${rule.split(' ')[0]}`;
  const url = `https://${LEDGER_HOST}${path}${query}`;
  const bytes = new TextEncoder().encode(body);
  const answer = new TextEncoder().encode('{"ok":true}');
  const [bodyDigest, responseDigest] = [await digestOf(bytes), await digestOf(answer)];
  const headers: [string, string][] = [['content-type', 'application/json']];
  const record: EgressCall = {
    ...{ call: number, method: 'POST', scheme: 'https', host: LEDGER_HOST, port: 443, path },
    ...{ verdict: 'withheld', rule, address: '203.0.113.7', status: 201, responseDigest },
    ...{ responseHeaders: {}, bytesOut: bytes.length, bytesIn: answer.length, ms: 10 },
    requestDigest: await requestDigest({ method: 'POST', url, headers, bodyDigest, rule }),
    ...(rule.startsWith('keyed') ? { credential: credential as never } : {}),
    request: { url, headers, bodyDigest, bodyBytes: bytes.length },
    ...change,
  };
  const base64 = (from: Uint8Array) => Buffer.from(from).toString('base64');
  return {
    calls: [record],
    bodies: [
      { digest: bodyDigest, bytes: base64(bytes) },
      { digest: responseDigest, bytes: base64(answer) },
    ],
  };
}

const succeeded = (done: object) => ({
  ...{ verdict: 'succeeded', output: btoa('{}'), usage: host.USAGE, logs: [], ...done },
});
const finish = (order: WorkOrder, done: object) =>
  host.report(instance, order, 'outcome', succeeded(done));

test('a dry run goes on without anybody’s agreement, under its policy, and its order says what it is', async () => {
  const action = await dry({ id: 'one' });
  expect(action).toMatchObject({ state: 'dispatched', tier: 'human-approve', dryRun: true });
  expect(action.approval).toBeUndefined();
  const order = await host.claimed(instance, action.id);
  expect(order.dryRun).toEqual({
    answers: [{ method: 'POST', path: '/unkeyed', status: 201, headers: {}, body: { ok: true } }],
    credentials: [{ slot: 'ledger', id: credential }],
  } as never);
  expect(JSON.stringify(order)).not.toContain(SECRET);
  await finish(order, {});
});

test('leave for a write of a dry run is never given, nor a secret for one; a read has both', async () => {
  const order = await host.claimed(instance, (await dry({ id: 'refused' })).id);
  for (const rule of ['keyed', 'unkeyed']) {
    const { body } = await intend(instance, order, { rule });
    expect(body).toMatchObject({
      status: 'refused',
      code: 'egress.denied',
      message: 'a dry run sends no writes',
    });
    expect(JSON.stringify(body)).not.toContain(SECRET);
  }
  const read = { rule: 'look', method: 'GET', url: `https://${LEDGER_HOST}/look` };
  expect((await intend(instance, order, read)).body.status).toBe('send');
});

test('what would be sent is recorded with its body, shown, and stands in the evidence as dry', async () => {
  const action = await dry({ id: 'one' });
  const order = await host.claimed(instance, action.id);
  const done = await withheld({ rule: 'keyed', body: '{"amount":41}' });
  expect((await finish(order, done)).body.state).toBe('succeeded');
  const shown = (await look(instance, action.id)) as DryAction;
  expect(shown).toMatchObject({ state: 'succeeded', dryRun: true });
  expect(shown.writes).toMatchObject([
    {
      method: 'POST',
      url: `https://${LEDGER_HOST}/keyed`,
      headers: [['content-type', 'application/json']],
      credential,
      status: 201,
      body: { text: '{"amount":41}', bytes: 13 },
    },
  ]);
  const told = await story(instance, action.id);
  expect(told.map(({ type }) => type)).toEqual([
    'action.requested',
    'policy.decided',
    'attempt.started',
    'egress.withheld',
    'attempt.finished',
    'action.succeeded',
  ]);
  for (const { type, data } of told) {
    if (!['policy.decided', 'attempt.started'].includes(type)) expect(data.dryRun).toBe(true);
  }
  const entry = told.find(({ type }) => type === 'egress.withheld');
  expect(entry?.data).toMatchObject({ credential, status: 201, dryRun: true });
  expect(entry?.artifacts.map(({ digest }) => digest)).toEqual([
    String(shown.writes?.[0]?.body?.digest),
  ]);
});

test('a host is not believed what a real run could not have sent, or what is no dry run’s', async () => {
  const order = await host.claimed(instance, (await dry({ id: 'lies' })).id);
  const claimed = async (write: Write, change: Partial<EgressCall> = {}) => {
    const answer = await host.report(instance, order, 'heartbeat', await withheld(write, change));
    return answer.status;
  };
  const other = makeDigest();
  const kept = async () =>
    (await readdir(instance.configuration.PORTARIUM_EVIDENCE_DIR, { recursive: true })).length;
  const before = await kept();
  expect(await claimed({ rule: 'nowhere' })).toBe(409);
  expect(await claimed({ rule: 'unkeyed', query: '?x=1' })).toBe(409);
  expect(await claimed({ rule: 'unkeyed' }, { requestDigest: other })).toBe(409);
  expect(await claimed({ rule: 'unkeyed' }, { path: '/elsewhere' })).toBe(409);
  expect(await claimed({ rule: 'unkeyed' }, { credential: credential as never })).toBe(409);
  expect(await claimed({ rule: 'unkeyed' }, { verdict: 'allowed' })).toBe(422);
  const { calls } = await withheld({ rule: 'unkeyed' });
  const bare = await host.report(instance, order, 'heartbeat', { calls, bodies: [] });
  expect([bare.status, String(bare.body.detail)]).toEqual([
    409,
    expect.stringContaining('was not sent'),
  ] as never);
  expect(await kept()).toBe(before);
  expect(await claimed({ rule: 'unkeyed' })).toBe(200);
  expect(await kept()).toBeGreaterThan(before);

  const real = await ask(instance, { id: 'real' });
  await decide(instance, real);
  const realOrder = await host.claimed(instance, real.id);
  const report = await withheld({ rule: 'unkeyed' });
  const refused = await host.report(instance, realOrder, 'heartbeat', report);
  expect([refused.status, String(refused.body.detail)]).toEqual([
    409,
    expect.stringContaining('no dry run'),
  ] as never);
});

test('a write that no example answers ends a dry run, and what it would have sent is there', async () => {
  const action = await dry({ id: 'unanswered' });
  const order = await host.claimed(instance, action.id);
  const { calls, bodies } = await withheld({ rule: 'keyed' });
  const { status: _s, responseDigest: _d, responseHeaders: _h, ...bare } = calls[0] as EgressCall;
  const error = { code: 'dry-run.unanswered', message: 'no example answers it' };
  const failed = {
    ...{ verdict: 'failed', error, usage: host.USAGE, logs: [] },
    ...{ calls: [{ ...bare, bytesIn: 0, reason: 'no example answers it' }], bodies },
  };
  expect((await host.report(instance, order, 'outcome', failed)).body.state).toBe('failed');
  const shown = (await look(instance, action.id)) as DryAction;
  expect(shown.error?.code).toBe('dry-run.unanswered');
  expect(shown.writes).toHaveLength(1);
  expect(shown.writes?.[0]?.status).toBeUndefined();
});

test('an approver has a waiting action run dry, and the approval shows what it would send', async () => {
  const action = await ask(instance, { id: 'shown' });
  const started = await dryRunOf(action.id);
  expect([started.status, started.body.state]).toEqual([202, 'dispatched']);
  expect(started.body.dryRunOf).toBe(action.id);
  const order = await host.claimed(instance, started.body.id);
  await finish(order, await withheld({ rule: 'unkeyed', body: '{"shown":1}' }));
  const path = `/approvals/${action.approval?.id}`;
  const approval = async () =>
    (await send<{ dryRun?: DryAction & { action: string } }>(instance, 'approver', 'GET', path))
      .body;
  expect((await approval()).dryRun).toMatchObject({
    action: started.body.id,
    state: 'succeeded',
    writes: [{ url: `https://${LEDGER_HOST}/unkeyed`, body: { text: '{"shown":1}' } }],
  });
  expect((await look(instance, action.id)).state).toBe('waiting-approval');

  // What would run is something else now: that dry run was of what it was before.
  const rule = { ...LEDGER_RULES.find(({ id }) => id === 'unkeyed'), id: 'less' };
  const quorum = { quorum: 2, roles: ['admin', 'approver'] };
  const rules = { ...quorum, decideWithinMs: 3_600_000, executeWithinMs: 60_000 };
  await send(instance, 'admin', 'PUT', '/approval-rules', rules);
  const two = await ask(instance, { id: 'shown' });
  expect(
    (await send(instance, 'approver', 'GET', `/approvals/${two.approval?.id}`)).body.dryRun,
  ).toMatchObject({ action: started.body.id });
  expect((await decide(instance, two, { egress: [rule] })).status).toBe(200);
  expect(
    (await send(instance, 'approver', 'GET', `/approvals/${two.approval?.id}`)).body.dryRun,
  ).toBeUndefined();
  const again = await dryRunOf(two.id);
  expect((await host.claimed(instance, again.body.id)).contract.approval).toMatchObject([rule]);
  await send(instance, 'admin', 'PUT', '/approval-rules', { ...rules, quorum: 1 });
  await decide(instance, action, { decision: 'deny' });
});

test('only what waits has dry runs, and an agent only of what its own person asked for', async () => {
  const { body: key } = await send<{ key: string }>(instance, 'admin', 'POST', '/keys', {
    ...{ name: 'x', owner: 'somebody-else', role: 'agent' },
  });
  const action = await ask(instance, { id: 'whose' });
  expect((await dryRunOf(action.id, key.key)).status).toBe(403);
  expect((await dryRunOf(action.id, 'auditor')).status).toBe(403);
  expect((await dryRunOf(action.id, 'agent')).status).toBe(202);
  await decide(instance, action, { decision: 'deny' });
  const over = await dryRunOf(action.id);
  expect([over.status, over.body.code]).toEqual([409, 'conflict']);
  const stale = await ask(instance, { id: 'stale' });
  await grantLedger(instance, LEDGER_RULES.slice(0, 3));
  const changed = await dryRunOf(stale.id);
  expect([changed.status, changed.body.code]).toEqual([409, 'approval.stale']);
  await grantLedger(instance, LEDGER_RULES);
});

test('a dry run replaces nothing, is refused where a person does it, and holds to the plugin’s state', async () => {
  const waiting = await ask(instance, { id: 'kept' });
  const body = { plugin: 'ledger', operation: 'write', input: {}, dryRun: true };
  const replacing = { ...body, replaces: waiting.id };
  const refused = await send(instance, 'agent', 'POST', '/actions', replacing);
  expect([refused.status, (refused.body.errors as { pointer: string }[])[0]?.pointer]).toEqual([
    422,
    '/replaces',
  ]);
  expect((await look(instance, waiting.id)).state).toBe('waiting-approval');
  const manual = await send(instance, 'agent', 'POST', '/actions', { ...body, operation: 'wipe' });
  expect([manual.status, manual.body.code]).toEqual([409, 'conflict']);
  const action = await dry({ id: 'quarantined' });
  await setPluginState(instance, 'quarantined');
  expect((await host.claim(instance, action.id)).body).toMatchObject({ state: 'failed' });
  await setPluginState(instance, 'active');
  await decide(instance, waiting, { decision: 'deny' });
});

test('a dry run counts as none in usage, and is no last approved input', async () => {
  const usage = async () =>
    (
      await send<{ days: { actions: number; succeeded: number; dryRuns: number }[] }>(
        instance,
        'auditor',
        'GET',
        '/usage',
      )
    ).body.days.at(-1);
  const before = await usage();
  const action = await dry({ id: 'uncounted' });
  await finish(await host.claimed(instance, action.id), await withheld({ rule: 'unkeyed' }));
  const after = await usage();
  expect([after?.actions, after?.succeeded]).toEqual([before?.actions, before?.succeeded]);
  expect(after?.dryRuns).toBe((before?.dryRuns ?? 0) + 1);
  const waiting = await ask(instance, { id: 'next' });
  const { body } = await send<{ request: { lastApproved?: object } }>(
    instance,
    'approver',
    'GET',
    `/approvals/${waiting.approval?.id}`,
  );
  expect(body.request.lastApproved).toBeUndefined();
});

test('the evidence of all this verifies offline', async () => {
  const report = await verifyLog(instance);
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
});

// After the export: the log of such an action tells of two things, which `verify` says.
test('a dry run whose row was made a run’s behind everybody’s back does not run', async () => {
  const action = await dry({ id: 'flipped' });
  const owner = instance.composed.sql;
  await owner.begin(async (tx) => {
    await tx`SELECT set_config('portarium.workspace', 'local', true)`;
    // As if policy had let it run without an approval.
    await tx`UPDATE actions SET dry_run = false, tier = 'assisted' WHERE id = ${uuidOf(action.id)}`;
  });
  expect((await host.claim(instance, action.id)).body).toMatchObject({ state: 'failed' });
  expect((await look(instance, action.id)).error?.code).toBe('order.altered');
});

function makeDigest(): Digest {
  return `sha256:${'7'.repeat(64)}`;
}
