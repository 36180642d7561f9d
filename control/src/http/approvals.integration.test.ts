import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { approvalDigest } from '@portarium/contracts/approval-statement';
import type { EgressRule } from '@portarium/contracts/egress-rule';
import { uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import { expireApprovals } from '../relay.ts';
import * as host from '../testing/as-host.ts';
import { grantLedger, LEDGER_RULES, pushLedger, storeSecret } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { verifyLog } from '../testing/verify-log.ts';
import { type AskedAction, ask, decide, intend, look, send, story } from '../testing/writes.ts';

/** The instance's clock, which tests move. */
let skewMs = 0;
const LOCAL = 'local' as WorkspaceId;
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

const DEFAULT_RULES = {
  quorum: 1,
  roles: ['admin', 'approver'],
  decideWithinMs: 3_600_000,
  executeWithinMs: 60_000,
};
const setRules = (change: Partial<typeof DEFAULT_RULES>) =>
  send(instance, 'admin', 'PUT', '/approval-rules', { ...DEFAULT_RULES, ...change });

beforeEach(async () => {
  skewMs = 0;
  expect((await setRules({})).status).toBe(200);
});

/** A key of its own person. */
async function keyOf(owner: string, role = 'approver', maker = 'admin'): Promise<string> {
  const { body } = await send<{ key: string }>(instance, maker, 'POST', '/keys', {
    name: owner,
    owner,
    role,
  });
  return body.key;
}

const types = async (id: string) => (await story(instance, id)).map(({ type }) => type);

test('a write waits, is shown exactly, is granted by another person, and may be claimed once', async () => {
  const action = await ask(instance, { id: 'shown', note: 'exactly' });
  expect(action.state).toBe('waiting-approval');
  expect((await host.claim(instance, action.id)).body).toMatchObject({
    status: 'finished',
    state: 'waiting-approval',
  });
  const { body: shown } = await send<{
    statement: Parameters<typeof approvalDigest>[0];
    digest: string;
    request: { input: unknown; calls: { rule: string }[]; credentials: unknown[] };
  }>(instance, 'approver', 'GET', `/approvals/${action.approval?.id}`);
  expect(await approvalDigest(shown.statement)).toBe(shown.digest as never);
  expect(shown.request.input).toEqual({ id: 'shown', note: 'exactly' });
  expect(shown.request.calls.map(({ rule }) => rule)).toEqual(LEDGER_RULES.map(({ id }) => id));
  expect(shown.request.credentials).toMatchObject([
    { slot: 'ledger', id: credential, name: 'ledger', version: 1 },
  ]);
  const granted = await decide(instance, action);
  expect([granted.status, granted.body.state]).toEqual([200, 'granted']);
  expect((await look(instance, action.id)).state).toBe('dispatched');
  expect((await host.claim(instance, action.id)).body.status).toBe('run');
  expect((await host.claim(instance, action.id)).status).toBe(409);
  expect(await types(action.id)).toEqual([
    'action.requested',
    'policy.decided',
    'approval.requested',
    'approval.granted',
    'attempt.started',
  ]);
});

test('nobody decides what they asked for, whose key they made, what they uploaded, or what they granted', async () => {
  const action = await ask(instance);
  for (const owner of ['bootstrap-agent', 'bootstrap-author', 'bootstrap-operator']) {
    const refused = await decide(instance, action, { role: await keyOf(owner) });
    expect([owner, refused.status, refused.body.code]).toEqual([owner, 403, 'approval.excluded']);
  }
  // The administrator made this agent's key, so the administrator stands behind it.
  const asked = await send<AskedAction>(
    instance,
    await keyOf('agent-of-admin', 'agent'),
    'POST',
    '/actions',
    { plugin: 'ledger', operation: 'write', input: {} },
  );
  const refused = await decide(instance, asked.body, { role: 'admin' });
  expect(refused.body.code).toBe('approval.excluded');
  expect((await look(instance, action.id)).state).toBe('waiting-approval');
  expect((await decide(instance, action)).status).toBe(200);
});

test('whoever writes a grant again is not freed of it, nor is its author, and it is asked again', async () => {
  const [carol, dave] = [await keyOf('carol', 'admin'), await keyOf('dave', 'admin')];
  const put = (key: string, rules: readonly EgressRule[]) =>
    send(instance, key, 'PUT', '/plugins/ledger/egress', { rules, networks: [] });
  // Carol widens it; Dave writes the same again.
  const wide = [...LEDGER_RULES, { ...(LEDGER_RULES[0] as EgressRule), id: 'more' }];
  expect((await put(carol, wide)).status).toBe(200);
  expect((await put(dave, wide)).status).toBe(200);
  const action = await ask(instance);
  const byCarol = await decide(instance, action, { role: carol });
  expect([byCarol.status, byCarol.body.code]).toEqual([403, 'approval.excluded']);
  // Dave takes a rule out and puts it back: what would run is the same, and now it is his.
  await put(dave, LEDGER_RULES);
  await put(dave, wide);
  const shown = await send(instance, dave, 'GET', `/approvals/${action.approval?.id}`);
  expect(shown.body).toMatchObject({ refusal: { code: 'approval.excluded' }, stale: false });
  const byDave = await decide(instance, action, { role: dave });
  expect([byDave.status, byDave.body.code]).toEqual([403, 'approval.excluded']);
  await put(await keyOf('bootstrap-operator', 'operator'), LEDGER_RULES);
  const after = await send(instance, 'approver', 'GET', `/approvals/${action.approval?.id}`);
  expect(after.body.stale).toBe(true);
});

test('a role that may not decide is refused, and so is one that these rules leave out', async () => {
  const action = await ask(instance);
  for (const role of ['operator', 'auditor', 'author', 'agent']) {
    expect((await decide(instance, action, { role })).status).toBe(403);
  }
  await setRules({ roles: ['approver'] });
  const strict = await ask(instance);
  const refused = await decide(instance, strict, { role: 'admin' });
  expect([refused.status, refused.body.code]).toEqual([403, 'auth.forbidden']);
});

test('a quorum counts people, not keys, and each person decides once', async () => {
  await setRules({ quorum: 2 });
  const action = await ask(instance);
  const [first, again, second] = [await keyOf('anna'), await keyOf('anna'), await keyOf('ben')];
  const endorsed = await decide(instance, action, { role: first });
  expect([endorsed.status, endorsed.body.state]).toEqual([200, 'open']);
  expect((await decide(instance, action, { role: again })).status).toBe(409);
  expect((await look(instance, action.id)).state).toBe('waiting-approval');
  const granted = await decide(instance, action, { role: second });
  expect(granted.body.state).toBe('granted');
  expect((await types(action.id)).slice(2)).toEqual([
    'approval.requested',
    'approval.endorsed',
    'approval.granted',
  ]);
});

test('one denial is enough, asking for changes ends the action, and both need a rationale', async () => {
  const missing = await decide(instance, await ask(instance), { rationale: '  ' });
  expect([missing.status, missing.body.code]).toEqual([422, 'input.invalid']);
  await setRules({ quorum: 2 });
  for (const [decision, state] of [
    ['deny', 'denied'],
    ['request-changes', 'changes-requested'],
  ] as const) {
    const action = await ask(instance);
    expect((await decide(instance, action, { decision })).body.state).toBe(state);
    expect((await look(instance, action.id)).state).toBe(state);
    const late = await decide(instance, action, { role: await keyOf('late') });
    expect([late.status, late.body.code]).toEqual([409, 'approval.closed']);
    expect((await host.claim(instance, action.id)).body).toMatchObject({ status: 'finished' });
  }
});

test('one decision wins a race', async () => {
  const keys = await Promise.all(['p1', 'p2', 'p3', 'p4', 'p5', 'p6'].map((name) => keyOf(name)));
  for (let round = 0; round < 5; round++) {
    const action = await ask(instance);
    const answers = await Promise.all(
      keys.map((role, i) =>
        decide(instance, action, { role, decision: i % 2 === 0 ? 'approve' : 'deny' }),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === 'approval.closed')).toHaveLength(5);
    const told = (await types(action.id)).filter((type) => /granted|denied/.test(type));
    expect(told).toHaveLength(1);
  }
});

test('a decision about another digest changes nothing', async () => {
  const action = await ask(instance);
  const other = await ask(instance, { id: 'other' });
  const stale = await decide(instance, action, { digest: other.approval?.digest ?? '' });
  expect([stale.status, stale.body.code]).toEqual([409, 'approval.stale']);
  expect((await look(instance, action.id)).state).toBe('waiting-approval');
});

const CHANGES: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['the grant', () => grantLedger(instance, LEDGER_RULES.slice(0, 3))],
  [
    'the credential',
    () =>
      send(instance, 'admin', 'POST', `/credentials/${credential}/rotate`, {
        value: 'another-secret-of-the-ledger-987',
      }),
  ],
];

for (const [what, change] of CHANGES) {
  test(`a change of ${what} before the decision voids the approval and cancels the action`, async () => {
    const action = await ask(instance);
    await change();
    const stale = await decide(instance, action);
    expect([stale.status, stale.body.code]).toEqual([409, 'approval.stale']);
    expect((await look(instance, action.id)).state).toBe('cancelled');
    expect((await types(action.id)).slice(-2)).toEqual(['approval.voided', 'action.cancelled']);
    await grantLedger(instance, LEDGER_RULES);
  });

  test(`a change of ${what} after the decision voids it at the claim, and nothing runs`, async () => {
    const action = await ask(instance);
    expect((await decide(instance, action)).status).toBe(200);
    await change();
    expect((await host.claim(instance, action.id)).body).toMatchObject({
      status: 'finished',
      state: 'failed',
    });
    expect((await look(instance, action.id)).error?.code).toBe('approval.void');
    expect((await types(action.id)).slice(-2)).toEqual(['approval.voided', 'action.failed']);
    await grantLedger(instance, LEDGER_RULES);
  });
}

test('an action whose own row was changed behind everybody’s back is not what was approved', async () => {
  const owner = instance.composed.sql;
  const action = await ask(instance, { id: 'honest' });
  const other = await ask(instance, { id: 'forged' });
  expect((await decide(instance, action)).status).toBe(200);
  await owner.begin(async (tx) => {
    await tx`SELECT set_config('portarium.workspace', 'local', true)`;
    await tx`UPDATE actions SET input_digest = (SELECT input_digest FROM actions WHERE id = ${uuidOf(other.id)}) WHERE id = ${uuidOf(action.id)}`;
  });
  expect((await host.claim(instance, action.id)).body).toMatchObject({ state: 'failed' });
  expect((await look(instance, action.id)).error?.code).toBe('approval.void');
});

test('no approval is used twice: not by another action, and not after it was used', async () => {
  const action = await ask(instance);
  const other = await ask(instance);
  expect((await decide(instance, action)).status).toBe(200);
  expect((await host.claim(instance, action.id)).body.status).toBe('run');
  const { store } = instance.composed.context;
  const used = await store.submit('local' as never, (tx) =>
    tx.consumeApproval(action.approval?.id as never, new Date().toISOString()),
  );
  expect(used).toBe(false);
  expect((await host.claim(instance, other.id)).body).toMatchObject({
    status: 'finished',
    state: 'waiting-approval',
  });
  expect((await decide(instance, action)).body.code).toBe('approval.closed');
});

test('a decision that comes too late and one that is not used in time expire, which is not denied', async () => {
  const undecided = await ask(instance);
  const unused = await ask(instance);
  expect((await decide(instance, unused)).status).toBe(200);
  skewMs = DEFAULT_RULES.decideWithinMs + 1_000;
  const late = await decide(instance, undecided);
  expect([late.status, late.body.code]).toEqual([409, 'approval.closed']);
  expect((await look(instance, undecided.id)).state).toBe('expired');
  skewMs += DEFAULT_RULES.executeWithinMs;
  expect((await host.claim(instance, unused.id)).body).toMatchObject({ state: 'expired' });
  for (const { id } of [undecided, unused]) {
    expect((await types(id)).at(-1)).toBe('approval.expired');
  }
});

test('what is out of time is expired by the sweeper too, without Temporal', async () => {
  const action = await ask(instance);
  skewMs = DEFAULT_RULES.decideWithinMs + 1_000;
  await expireApprovals(instance.composed.context);
  const state = (await look(instance, action.id)) as {
    state: string;
    approval?: { state: string };
  };
  expect([state.state, state.approval?.state]).toEqual(['expired', 'expired']);
});

test('a new action that replaces a waiting one voids its approval; another person’s can not be replaced', async () => {
  const first = await ask(instance, { id: 'first' });
  const second = await ask(instance, { id: 'second' }, { replaces: first.id });
  expect((await look(instance, first.id)).state).toBe('cancelled');
  expect((await decide(instance, first)).body.code).toBe('approval.closed');
  expect(await look(instance, second.id)).toMatchObject({
    state: 'waiting-approval',
    replaces: first.id,
  });
  const { objects } = instance.composed.context;
  const kept = async () => (await objects.listArtifacts(LOCAL, '', 10_000)).length;
  const before = await kept();
  const foreign = await send(instance, 'operator', 'POST', '/actions', {
    plugin: 'ledger',
    operation: 'write',
    input: { id: 'of somebody else’s' },
    replaces: second.id,
  });
  expect([foreign.status, foreign.body.code]).toEqual([409, 'conflict']);
  // What nothing will name is not locked for a year.
  expect(await kept()).toBe(before);
});

test('a replacement that is refused keeps no idempotency key, and one that is repeated cancels once', async () => {
  const first = await ask(instance, { id: 'first' });
  const post = (key: string, role: string, replaces: string) =>
    instance.call('POST', '/v1/workspaces/local/actions', {
      role,
      json: { plugin: 'ledger', operation: 'write', input: {}, replaces },
      headers: { 'idempotency-key': key },
    });
  for (let i = 0; i < 2; i++) {
    expect((await post('refused', 'operator', first.id)).status).toBe(409);
  }
  const [once, twice] = [
    await post('good', 'agent', first.id),
    await post('good', 'agent', first.id),
  ];
  expect([once.status, twice.status, twice.headers.get('idempotency-replayed')]).toEqual([
    202,
    202,
    'true',
  ]);
  expect(((await once.json()) as { id: string }).id).toBe(
    ((await twice.json()) as { id: string }).id,
  );
});

test('an agent does not cancel what another person’s key asked for', async () => {
  const asked = await send<AskedAction>(instance, 'operator', 'POST', '/actions', {
    plugin: 'ledger',
    operation: 'write',
    input: {},
  });
  const path = `/actions/${asked.body.id}/cancel`;
  expect((await send(instance, 'agent', 'POST', path, {})).status).toBe(403);
  expect((await send(instance, 'operator', 'POST', path, {})).status).toBe(200);
});

test('cancelling ends what waits and what is dispatched, and nothing runs afterwards', async () => {
  const waiting = await ask(instance);
  const dispatched = await ask(instance);
  await decide(instance, dispatched);
  for (const { id } of [waiting, dispatched]) {
    const done = await send(instance, 'agent', 'POST', `/actions/${id}/cancel`, {
      rationale: 'not needed',
    });
    expect([done.status, done.body.state]).toEqual([200, 'cancelled']);
    expect((await host.claim(instance, id)).body).toMatchObject({ state: 'cancelled' });
    expect((await types(id)).slice(-2)).toEqual(['approval.voided', 'action.cancelled']);
    expect((await send(instance, 'agent', 'POST', `/actions/${id}/cancel`, {})).status).toBe(409);
  }
});

test('a running action is cancelled under its host, which may send nothing more', async () => {
  const action = await ask(instance);
  await decide(instance, action);
  const order = await host.claimed(instance, action.id);
  const done = await send(instance, 'operator', 'POST', `/actions/${action.id}/cancel`, {});
  expect(done.body.state).toBe('cancelled');
  const refused = await intend(instance, order, { rule: 'unkeyed' });
  expect([refused.status, refused.body.code]).toEqual([409, 'attempt.superseded']);
  expect((await host.report(instance, order, 'heartbeat', { calls: [] })).status).toBe(409);
});

test('what only a person may do is resolved by a person’s word, with a rationale', async () => {
  const asked = await ask(instance, {}, { operation: 'wipe' });
  expect(asked.state).toBe('waiting-manual');
  const path = `/actions/${asked.id}/resolve`;
  const again = { outcome: 'dispatched', rationale: 'let the sandbox do it' };
  expect((await send(instance, 'operator', 'POST', path, again)).status).toBe(409);
  const bare = await send(instance, 'operator', 'POST', path, { outcome: 'succeeded' });
  expect(bare.status).toBe(422);
  const done = await send(instance, 'operator', 'POST', path, {
    outcome: 'succeeded',
    rationale: 'wiped by hand, ticket 12',
  });
  expect(done.body.state).toBe('succeeded');
  expect((await story(instance, asked.id)).at(-1)).toMatchObject({
    type: 'action.resolved',
    data: { outcome: 'succeeded', by: 'bootstrap-operator' },
  });
});

test('approval rules are an administrator’s, bounded, and hold for what is asked afterwards', async () => {
  expect((await send(instance, 'operator', 'PUT', '/approval-rules', DEFAULT_RULES)).status).toBe(
    403,
  );
  for (const wrong of [{ quorum: 0 }, { quorum: 11 }, { roles: [] }, { roles: ['agent'] }]) {
    expect((await setRules(wrong as never)).status).toBe(422);
  }
  const before = await ask(instance);
  const { body } = await setRules({ quorum: 3 });
  expect(body.revision as number).toBeGreaterThan(1);
  expect((await decide(instance, before)).body.state).toBe('granted');
});

test('the evidence of all this verifies offline', async () => {
  const report = await verifyLog(instance);
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
});
