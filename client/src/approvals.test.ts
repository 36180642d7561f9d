import { expect, test } from 'bun:test';
import { agreedCount } from './approval-answers.ts';
import type { PortariumClient } from './portarium-client.ts';
import { ACTION, digest, failureOf, json, problem, scripted } from './testing/scripted.ts';

const APPROVAL = {
  id: 'apr_1',
  action: ACTION.id,
  state: 'open',
  digest,
  statement: {
    v: 1,
    workspace: 'acme',
    action: ACTION.id,
    plugin: digest,
    operation: 'createRefund',
    inputDigest: digest,
    contractDigest: digest,
    effect: 'write',
    credentials: [{ slot: 's', id: `cred_${ACTION.id.slice(4)}`, version: 1 }],
    limits: { wallMs: 10_000 },
    tier: 'human-approve',
    policyVersion: 1,
    executeBefore: '2026-01-02T01:00:00.000Z',
  },
  quorum: 1,
  roles: ['admin', 'approver'],
  excluded: ['ada'],
  decisions: [],
  createdAt: '2026-01-01T00:00:00.000Z',
  decideBefore: '2026-01-02T00:00:00.000Z',
  addedLater: true,
};
const CREDENTIAL = {
  id: 'cred_1',
  name: 'stripe',
  host: 'api.stripe.com',
  kind: 'bearer',
  version: 1,
  createdAt: '2026-01-01T00:00:00.000Z',
};
const RULES = { quorum: 2, roles: ['admin'], decideWithinMs: 60_000, executeWithinMs: 30_000 };

const asked = (requests: readonly Request[]) =>
  requests.map(({ method, url }) => `${method} ${new URL(url).pathname.slice(19)}`);

test('approvals are listed page by page, read, and decided with the digest', async () => {
  const { client, requests } = scripted(
    json({ items: [APPROVAL], next: 'apr_1' }),
    json({ items: [{ ...APPROVAL, id: 'apr_0' }] }),
    json(APPROVAL),
    json({ ...APPROVAL, state: 'granted' }),
  );
  const ids: string[] = [];
  for await (const { id } of client.approvals.all({ state: 'open' })) ids.push(id);
  expect(ids).toEqual(['apr_1', 'apr_0']);
  expect(new URL(requests[1]?.url ?? '').search).toBe('?state=open&cursor=apr_1');
  expect(await client.approvals.get('apr_1')).toEqual(APPROVAL as never);
  const decision = { decision: 'approve', rationale: 'checked', digest } as const;
  expect((await client.approvals.decide('apr_1', decision)).state).toBe('granted');
  expect(await requests[3]?.json()).toEqual(decision);
  expect(asked(requests.slice(2))).toEqual([
    'GET /approvals/apr_1',
    'POST /approvals/apr_1/decisions',
  ]);
});

test('a statement with a field that this client does not know is no answer: its digest would cover it', async () => {
  const statement = { ...APPROVAL.statement, more: 1 };
  const { client } = scripted(json({ ...APPROVAL, statement }));
  const error = await failureOf(client.approvals.get('apr_1'));
  expect(error).toMatchObject({ code: 'answer.unexpected' });
});

test('an action is cancelled, resolved and replaced', async () => {
  const { client, requests } = scripted(
    json({ ...ACTION, state: 'cancelled' }),
    json({ ...ACTION, state: 'cancelled' }),
    json(ACTION),
    json({ ...ACTION, replaces: 'act_0', state: 'waiting-approval', approval: APPROVAL_OF }, 202),
  );
  expect((await client.actions.cancel('act_1')).state).toBe('cancelled');
  await client.actions.cancel('act_1', { rationale: 'not wanted' });
  await client.actions.resolve('act_1', { outcome: 'succeeded', rationale: 're_1 is there' });
  const request = { plugin: 'p', operation: 'o', input: {}, replaces: 'act_0' };
  expect((await client.actions.create(request)).approval?.digest).toBe(digest as never);
  expect(asked(requests)).toEqual([
    'POST /actions/act_1/cancel',
    'POST /actions/act_1/cancel',
    'POST /actions/act_1/resolve',
    'POST /actions',
  ]);
  const bodies = await Promise.all(requests.map((request) => request.json()));
  expect(bodies).toEqual([
    {},
    { rationale: 'not wanted' },
    { outcome: 'succeeded', rationale: 're_1 is there' },
    request,
  ]);
});

const APPROVAL_OF = {
  id: 'apr_1',
  state: 'open',
  digest,
  quorum: 1,
  given: 0,
  decideBefore: '2026-01-02T00:00:00.000Z',
  executeBefore: '2026-01-02T01:00:00.000Z',
};

test('credentials are stored, listed, rotated and revoked; rules of approvals are read and put', async () => {
  const { client, requests } = scripted(
    json(CREDENTIAL, 201),
    json({ items: [CREDENTIAL] }),
    json({ ...CREDENTIAL, version: 2 }),
    new Response(null, { status: 204 }),
    json({ ...RULES, revision: 0 }),
    json({ ...RULES, revision: 1 }),
  );
  const { name, host } = CREDENTIAL;
  const value = 'sk_test_0123456789';
  await client.credentials.create({ name, host, kind: 'bearer', value });
  expect(await client.credentials.list()).toEqual([CREDENTIAL] as never);
  expect((await client.credentials.rotate('cred_1', value)).version).toBe(2);
  await client.credentials.revoke('cred_1');
  expect((await client.approvalRules.get()).revision).toBe(0);
  expect((await client.approvalRules.put(RULES)).revision).toBe(1);
  expect(asked(requests)).toEqual([
    'POST /credentials',
    'GET /credentials',
    'POST /credentials/cred_1/rotate',
    'DELETE /credentials/cred_1',
    'GET /approval-rules',
    'PUT /approval-rules',
  ]);
  expect(await requests[0]?.json()).toEqual({ name, host, kind: 'bearer', value });
  expect(await requests[2]?.json()).toEqual({ value });
});

test('what decides, cancels, resolves or stores is never sent twice', async () => {
  const decision = { decision: 'deny', rationale: 'no', digest } as const;
  const calls = [
    (client: PortariumClient) => client.approvals.decide('apr_1', decision),
    (client: PortariumClient) => client.actions.cancel('act_1'),
    (client: PortariumClient) =>
      client.actions.resolve('act_1', { outcome: 'failed', rationale: 'no' }),
    (client: PortariumClient) => client.credentials.rotate('cred_1', 'sk_test_0123456789'),
    (client: PortariumClient) => client.credentials.revoke('cred_1'),
    (client: PortariumClient) => client.approvalRules.put(RULES),
  ];
  for (const call of calls) {
    const { client, requests } = scripted(new TypeError('connection reset'));
    expect(await failureOf(call(client))).toMatchObject({ code: 'network' });
    expect(requests).toHaveLength(1);
  }
});

test('a credential’s value stands in no error', async () => {
  const value = 'sk_test_0123456789abcdef';
  const answers = [problem('input.invalid', 422), new TypeError('reset'), json({ nonsense: true })];
  for (const answer of answers) {
    const { client } = scripted(answer);
    const request = { name: 'n', host: 'h', kind: 'bearer', value } as const;
    const error = await failureOf(client.credentials.create(request));
    expect(`${error.message} ${JSON.stringify(error)}`).not.toContain(value);
  }
});

test('an agreement to what an approval was before it was narrowed is not counted', () => {
  const one = (person: string, about?: string) => ({
    ...{ person, decision: 'approve', rationale: 'checked', at: '2026-01-01T00:00:00.000Z' },
    ...(about === undefined ? {} : { digest: about }),
  });
  const decisions = [one('ada', `sha256:${'b'.repeat(64)}`), one('ben', digest), one('cy')];
  expect(agreedCount({ ...APPROVAL, decisions } as never)).toBe(2);
});

test('a dry run of a waiting action is asked for, once more when its answer is lost', async () => {
  const writes = [{ call: 0, method: 'POST', url: 'https://a.test/', headers: [['a', 'b']] }];
  const dry = { ...ACTION, dryRun: true, writes };
  const { client, requests } = scripted(new Error('reset'), json(dry));
  expect((await client.actions.dryRun(ACTION.id, { waitSeconds: 5 })).writes).toEqual(
    writes as never,
  );
  expect(requests.map(({ url }) => new URL(url).pathname)).toEqual(
    Array(2).fill(`/v1/workspaces/acme/actions/${ACTION.id}/dry-run`),
  );
  const [first, second] = requests.map(({ headers }) => headers.get('idempotency-key'));
  expect(second).toBe(first as string);
  expect(requests[0]?.headers.get('prefer')).toBe('wait=5');
});
