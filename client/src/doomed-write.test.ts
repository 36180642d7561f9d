import { expect, test } from 'bun:test';
import type { Credential } from './answers.ts';
import { checkApproval } from './approval-check.ts';
import { doomsOf } from './doomed-write.ts';
import { REFUNDS, type SampleChanges, sampleApproval } from './testing/sample-approval.ts';

const checked = async (changes: SampleChanges = {}) =>
  checkApproval(await sampleApproval(changes), 'acme');
const USED = { slot: 'stripe', name: 'stripe', kind: 'bearer', version: 2 };

/** The sample's credential as the workspace lists it now. */
async function listed(changes: Partial<Credential> = {}): Promise<Credential[]> {
  const { request } = await checked();
  const { id = '' } = request.credentials[0] ?? {};
  const more = { host: 'api.stripe.com', createdAt: '2026-01-01T00:00:00.000Z' };
  return [{ ...USED, ...more, id, ...changes }];
}

test('a write that can happen gets no warning, also when credentials can not be listed', async () => {
  expect(doomsOf(await checked(), await listed())).toEqual([]);
  expect(doomsOf(await checked())).toEqual([]);
});

test('a closed network is told with the command that opens it', async () => {
  const local = { ...REFUNDS, scheme: 'http', host: '127.0.0.1', port: 8099 } as const;
  const { credential: _, ...bare } = local;
  const none = { statement: { credentials: [] }, request: { credentials: [] } };
  const [first] = doomsOf(await checked({ rules: [bare], ...none }), []);
  expect(first).toStartWith('Calls by rule create-refund would fail: ');
  expect(first).toContain('portarium plugin grant stripe-refunds --network loopback');
});

test('a plugin of which nothing is granted is told', async () => {
  const approval = await checked();
  const [first] = doomsOf({ ...approval, calls: [] });
  expect(first).toContain('portarium plugin grant stripe-refunds --own');
});

test('a credential that is missing, bound elsewhere, revoked or rotated is told', async () => {
  const missing = await checked({ statement: { credentials: [] }, request: { credentials: [] } });
  expect(doomsOf(missing)[0]).toContain('credential create stripe --host api.stripe.com');
  const [one] = await listed();
  const elsewhere = { ...USED, id: one?.id ?? '', host: 'api.example.com' };
  const bound = await checked({ request: { credentials: [elsewhere] } });
  expect(doomsOf(bound)[0]).toContain('bound to api.example.com, not to api.stripe.com');
  const revoked = await listed({ revokedAt: '2026-01-01T00:00:00.000Z' });
  expect(doomsOf(await checked(), revoked)[0]).toContain('was revoked');
  expect(doomsOf(await checked(), [])[0]).toContain('was revoked');
  expect(doomsOf(await checked(), await listed({ version: 3 }))[0]).toContain('was rotated');
});

test('a credential of another kind than its slot is told, with what to do', async () => {
  const [one] = await listed();
  const of = { ...USED, id: one?.id ?? '', host: 'api.stripe.com' };
  const same = await checked({ request: { credentials: [{ ...of, slotKind: 'bearer' }] } });
  expect(doomsOf(same, await listed())).toEqual([]);
  const other = await checked({ request: { credentials: [{ ...of, slotKind: 'header' }] } });
  expect(doomsOf(other, await listed())[0]).toContain(
    'of kind header, and the workspace’s is of kind',
  );
});

test('plain http to another machine carries no credential', async () => {
  const plain = await checked({ rules: [{ ...REFUNDS, scheme: 'http' }] });
  expect(doomsOf(plain, await listed())[0]).toContain('https only');
});
