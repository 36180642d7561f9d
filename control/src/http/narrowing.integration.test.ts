import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import type { EgressRule } from '@portarium/contracts/egress-rule';
import type { WorkOrder } from '@portarium/contracts/internal-api';
import * as host from '../testing/as-host.ts';
import {
  grantLedger,
  LEDGER_HOST,
  LEDGER_RULES,
  pushLedger,
  storeSecret,
} from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { verifyLog } from '../testing/verify-log.ts';
import { answered, ask, decide, intend, look, send, story } from '../testing/writes.ts';

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
  await storeSecret(instance);
  await pushLedger(instance);
}, 120_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

const setQuorum = (quorum: number) =>
  send(instance, 'admin', 'PUT', '/approval-rules', {
    ...{ quorum, roles: ['admin', 'approver'] },
    ...{ decideWithinMs: 3_600_000, executeWithinMs: 60_000 },
  });
beforeEach(async () => {
  expect((await setQuorum(1)).status).toBe(200);
});

const LESS: EgressRule = {
  ...{ id: 'less', methods: ['POST'], scheme: 'https', host: LEDGER_HOST, port: 443 },
  ...{ path: '/unkeyed', contentTypes: ['application/json'] },
};

async function keyOf(owner: string): Promise<string> {
  const json = { name: owner, owner, role: 'approver' };
  return (await send<{ key: string }>(instance, 'admin', 'POST', '/keys', json)).body.key;
}

interface Shown {
  readonly digest: string;
  readonly statement: { readonly contractDigest: string };
  readonly decisions: readonly { readonly person: string; readonly digest: string }[];
  readonly request: {
    readonly contract: WorkOrder['contract'];
    readonly calls: readonly { readonly rule: string }[];
  };
}
const approvalOf = async (id: string) =>
  (await send<Shown>(instance, 'approver', 'GET', `/approvals/${id}`)).body;
const refusal = async (order: WorkOrder, call: Parameters<typeof intend>[2]) => {
  const { body } = await intend(instance, order, call);
  return body.status === 'refused' ? body.layer : body.status;
};

test('an approver narrows what an action may reach, and its host is refused outside of that', async () => {
  const action = await ask(instance, { id: 'narrowed' });
  const narrowed = await decide(instance, action, { egress: [LESS] });
  expect([narrowed.status, narrowed.body.state]).toEqual([200, 'granted']);
  expect(narrowed.body.digest).not.toBe(action.approval?.digest);
  const shown = await approvalOf(action.approval?.id ?? '');
  expect(shown.request.contract.approval).toEqual([LESS]);
  expect(shown.request.calls.map(({ rule }) => rule)).toEqual(['unkeyed unkeyed less']);

  const order = await host.claimed(instance, action.id);
  expect(order.contract.approval).toEqual([LESS]);
  expect(await refusal(order, { rule: 'keyed' })).toBe('approval');
  const elsewhere = { rule: 'elsewhere', url: 'https://other.example.com/elsewhere' };
  expect(await refusal(order, elsewhere)).toBe('approval');
  const call = {
    rule: 'unkeyed unkeyed less',
    url: `https://${LEDGER_HOST}/unkeyed`,
  };
  expect((await intend(instance, order, call)).body.status).toBe('send');
  const done = await answered(call);
  const outcome = {
    verdict: 'succeeded',
    output: btoa('{}'),
    usage: host.USAGE,
    logs: [],
    ...done,
  };
  expect((await host.report(instance, order, 'outcome', outcome)).body.state).toBe('succeeded');

  const told = await story(instance, action.id);
  const granted = told.find(({ type }) => type === 'approval.granted');
  expect(granted?.data).toMatchObject({
    approvalDigest: narrowed.body.digest,
    narrows: action.approval?.digest,
    contractDigest: shown.statement.contractDigest,
    egress: ['less'],
  });
  expect(granted?.artifacts.map(({ digest }) => digest)).toContain(
    String(granted?.data.orderDigest),
  );
});

test('budgets of an approver’s rule count beside those of the others', async () => {
  const action = await ask(instance, { id: 'once' });
  await decide(instance, action, { egress: [{ ...LESS, maxCalls: 1 }] });
  const order = await host.claimed(instance, action.id);
  const call = { rule: 'unkeyed unkeyed less', url: `https://${LEDGER_HOST}/unkeyed` };
  expect((await intend(instance, order, call)).body.status).toBe('send');
  const second = await intend(instance, order, { ...call, number: 1 }, await answered(call));
  expect(second.body).toMatchObject({
    status: 'refused',
    code: 'limit.egress',
    message: 'the approval’s rule less allows 1 call of an action',
  });
});

test('what people agreed to before does not count for less, and who sends the old digest is told', async () => {
  await setQuorum(2);
  const [anna, ben] = [await keyOf('anna'), await keyOf('ben')];
  const action = await ask(instance, { id: 'two' });
  expect((await decide(instance, action, { role: anna })).body.state).toBe('open');
  const narrowed = await decide(instance, action, { role: ben, egress: [LESS] });
  expect([narrowed.status, narrowed.body.state]).toEqual([200, 'open']);
  expect((await look(instance, action.id)).approval).toMatchObject({ given: 1 });

  const stale = await decide(instance, action, { role: anna });
  expect([stale.status, stale.body.code]).toEqual([409, 'approval.stale']);
  expect(stale.body.detail).toContain('narrowed what it may reach');
  const digest = String(narrowed.body.digest);
  const again = await decide(instance, action, { role: ben, digest });
  expect([again.status, again.body.code]).toEqual([409, 'conflict']);
  const granted = await decide(instance, action, { role: anna, digest });
  expect([granted.status, granted.body.state]).toEqual([200, 'granted']);
  const shown = await approvalOf(action.approval?.id ?? '');
  expect(shown.decisions.map((one) => [one.person, one.digest])).toEqual([
    ['ben', digest],
    ['anna', digest],
  ]);
  expect((await host.claimed(instance, action.id)).contract.approval).toEqual([LESS]);
});

test('a second narrowing is refused, and the same one again is an agreement', async () => {
  await setQuorum(2);
  const action = await ask(instance, { id: 'again' });
  const narrowed = await decide(instance, action, { egress: [LESS] });
  const digest = String(narrowed.body.digest);
  const carla = await keyOf('carla');
  const other = [{ ...LESS, path: '/keyed' }];
  const second = await decide(instance, action, { role: carla, digest, egress: other });
  expect([second.status, second.body.code]).toEqual([409, 'conflict']);
  expect(second.body.detail).toContain('narrowed what the action may reach before');
  const same = await decide(instance, action, { role: carla, digest, egress: [LESS] });
  expect([same.status, same.body.state]).toEqual([200, 'granted']);
  expect(same.body.digest).toBe(digest);
});

test('only an approval narrows, with rules that could be granted and that leave a call', async () => {
  const action = await ask(instance, { id: 'refused' });
  const pointers = async (change: Parameters<typeof decide>[2]) => {
    const { status, body } = await decide(instance, action, change);
    return [status, (body.errors as { pointer: string }[])[0]?.pointer];
  };
  expect(await pointers({ decision: 'deny', egress: [LESS] })).toEqual([422, '/egress']);
  expect(await pointers({ decision: 'request-changes', egress: [LESS] })).toEqual([422, '/egress']);
  expect(await pointers({ egress: [] })).toEqual([422, '/egress']);
  expect(await pointers({ egress: [LESS, LESS] })).toEqual([422, '/egress']);
  expect(await pointers({ egress: [{ ...LESS, maxPerMinute: 5 }] })).toEqual([422, '/egress']);
  expect(await pointers({ egress: [{ ...LESS, host: '*.co.uk' }] })).toEqual([
    422,
    '/egress/0/host',
  ]);
  const nowhere = [{ ...LESS, host: 'nowhere.example.com' }];
  expect(await pointers({ egress: nowhere })).toEqual([422, '/egress']);
  const excluded = await decide(instance, action, { role: 'operator', egress: [LESS] });
  expect(excluded.status).toBe(403);
  expect((await look(instance, action.id)).approval).toMatchObject({
    state: 'open',
    digest: action.approval?.digest,
  });
});

test('a narrowed approval is void when the grant changes, as any other is', async () => {
  const action = await ask(instance, { id: 'void' });
  await decide(instance, action, { egress: [LESS] });
  await grantLedger(instance, LEDGER_RULES.slice(0, 3));
  expect((await host.claim(instance, action.id)).body).toMatchObject({ state: 'failed' });
  await grantLedger(instance, LEDGER_RULES);
});

test('the evidence of all this verifies offline, by the narrowed contract', async () => {
  const report = await verifyLog(instance);
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
});
