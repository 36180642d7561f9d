import { afterAll, beforeAll, expect, test } from 'bun:test';
import { RETENTION_DAYS } from '@portarium/contracts/retention-class';
import { entries, LOCAL } from '../testing/keep-and-dispose.ts';
import { pushLedger } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { ask, send } from '../testing/writes.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;

let instance: TestInstance;
let ahead = 0;
beforeAll(async () => {
  instance = await startTestInstance({ nowMs: () => Date.now() + ahead });
  await pushLedger(instance);
}, 60_000);
afterAll(() => instance[Symbol.asyncDispose](), 30_000);

const set = (days: unknown, role = 'admin') => send(instance, role, 'PUT', '/retention', days);

/** Days that the input of a new action is locked for. */
async function lockedDays(id: string): Promise<number> {
  const action = await ask(instance, { id });
  const requested = (await entries(instance)).find(
    ({ type, subject }) => type === 'action.requested' && subject.action === action.id,
  );
  const digest = requested?.data.inputDigest as never;
  const lock = await instance.composed.context.objects.lockOf(LOCAL, digest);
  return Math.round(((lock?.retainUntilMs ?? 0) - Date.now() - ahead) / DAY_MS);
}

test('a workspace keeps what is written from then on for longer, and never for less again', async () => {
  const first = await send(instance, 'auditor', 'GET', '/retention');
  expect(first.body).toEqual({ ...RETENTION_DAYS, revision: 0 });
  expect(await lockedDays('before')).toBe(365);
  expect((await set({ compliance: 400 })).body).toEqual({
    ...RETENTION_DAYS,
    compliance: 400,
    revision: 1,
  });
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  expect(await lockedDays('after')).toBe(400);
  for (const shorter of [{ compliance: 399 }, { compliance: 365 }, { operational: 29 }]) {
    expect((await set(shorter)).status, JSON.stringify(shorter)).toBe(422);
  }
  for (const bad of [{ compliance: 36_501 }, { compliance: 400.5 }, { other: 400 }, []]) {
    expect((await set(bad)).status, JSON.stringify(bad)).toBe(422);
  }
  // What is not named stays as it is.
  expect((await set({ forensic: 3_650 })).body).toMatchObject({ compliance: 400, revision: 2 });
  const told = (await entries(instance)).findLast(({ type }) => type === 'retention.lengthened');
  expect(told?.data).toMatchObject({
    days: { operational: 30, compliance: 400, forensic: 3_650 },
    before: { operational: 30, compliance: 400, forensic: 2_555 },
  });
});

test('only an administrator lengthens, by the revision that he saw', async () => {
  for (const role of ['operator', 'approver', 'auditor', 'author', 'agent']) {
    expect((await set({ compliance: 500 }, role)).status, role).toBe(403);
  }
  const stale = await instance.call('PUT', '/v1/workspaces/local/retention', {
    role: 'admin',
    json: { compliance: 500 },
    headers: { 'if-match': '"0"' },
  });
  expect(stale.status).toBe(412);
});

test('of two who lengthen at once neither takes back what the other did', async () => {
  const days = [600, 640, 620, 700, 660];
  const answers = await Promise.all(days.map((compliance) => set({ compliance })));
  expect(answers.some(({ status }) => status === 200)).toBe(true);
  const { body } = await send(instance, 'admin', 'GET', '/retention');
  expect(body.compliance).toBe(700);
});

test('what was written before the period was lengthened is disposed of by the longer one', async () => {
  const action = await ask(instance, { id: 'before' });
  const rationale = { rationale: 'only its artifacts count' };
  await send(instance, 'operator', 'POST', `/actions/${action.id}/cancel`, rationale);
  await set({ compliance: 800 });
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  ahead = 790 * DAY_MS;
  const keys = await send(instance, 'admin', 'POST', '/disposals', { reason: 'x', dryRun: true });
  expect(keys.body).toMatchObject({ items: [] });
  ahead = 801 * DAY_MS;
  const later = await send<{ items: { outcome: string }[] }>(
    instance,
    'admin',
    'POST',
    '/disposals',
    { reason: 'x' },
  );
  expect(later.body.items.map(({ outcome }) => outcome)).toContain('removed');
  ahead = 0;
});
