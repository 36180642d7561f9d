import { expect, test } from 'bun:test';
import type { ActionOrder } from './action-order.ts';
import type { JournalArtifactRecord } from './journal-artifact.ts';
import type { Alterations } from './testing/action-teller.ts';
import type { Draft } from './testing/log-builder.ts';
import { ORDERED_STORIES, type OrderedTell } from './testing/ordered-stories.ts';
import { type Lie, verifyTold } from './testing/told-log.ts';

const { dryRun, unanswered, approvedWrite } = ORDERED_STORIES;
const digest = `sha256:${'a'.repeat(64)}` as const;
const rulesOf = async (tell: OrderedTell, lie: Lie = {}) => (await verifyTold(tell, lie)).rules;
const told = (type: string, change: (draft: Draft) => Partial<Draft>): Alterations => ({
  draft: (draft) => (draft.type === type ? { ...draft, ...change(draft) } : draft),
});
const without = (name: string) => (draft: Draft) => {
  const { [name]: _left, ...data } = draft.data;
  return { data };
};
/** Changes what the journal says of a withheld write. */
const recorded = (
  change: (record: JournalArtifactRecord) => Partial<JournalArtifactRecord>,
): Lie => ({
  journal: (records) =>
    records.map((one) => (one.verdict === 'withheld' ? { ...one, ...change(one) } : one)),
});

test('a dry run verifies without an approval, answered by examples or not', async () => {
  expect(await rulesOf(dryRun)).toEqual([]);
  expect(await rulesOf(unanswered)).toEqual([]);
});

test('a write that was sent is found in a dry run, and one that was withheld in a real run', async () => {
  const sent: OrderedTell = async (action) => {
    await action.request('write', 'human-approve', true);
    await action.start();
    await action.answer(await action.intend('keyed'));
    await action.succeed();
  };
  expect(await rulesOf(sent)).toEqual(['egress.permit']);
  const held: OrderedTell = async (action) => {
    await action.request('write', 'human-approve');
    await action.approve();
    await action.start();
    await action.withhold('keyed');
    await action.succeed();
  };
  expect(await rulesOf(held)).toEqual(['action.dry-run', 'egress.permit']);
});

test('an action is not run without its approval by calling it dry in one place', async () => {
  const order = (change: object): Lie => ({ order: (one: ActionOrder) => ({ ...one, ...change }) });
  expect(await rulesOf(approvedWrite, order({ dryRun: true }))).toEqual(['order.agrees']);
  expect(await rulesOf(dryRun, order({ dryRun: undefined }))).toContain('order.agrees');
  const requested = told('action.requested', without('dryRun'));
  expect(await rulesOf(dryRun, requested)).toContain('action.approval');
});

test('what tells how a dry run ends says that it was one', async () => {
  for (const type of ['attempt.finished', 'action.succeeded']) {
    expect(await rulesOf(dryRun, told(type, without('dryRun')))).toEqual(['action.dry-run']);
    const claimed = told(type, ({ data }) => ({ data: { ...data, dryRun: true } }));
    expect(await rulesOf(approvedWrite, claimed)).toEqual(['action.dry-run']);
  }
});

test('a withheld write is the one that its digest names, within the contract, with its body', async () => {
  const change = (parts: object) =>
    recorded(({ request }) => ({ request: { ...request, ...parts } as never }));
  for (const parts of [
    { url: 'https://api.stripe.com/v1/refunds?all=1' },
    { headers: [] },
    { bodyDigest: digest },
  ]) {
    expect(await rulesOf(unanswered, change(parts))).toContain('journal.withheld');
  }
  expect(
    await rulesOf(
      unanswered,
      recorded(() => ({ host: 'elsewhere.example.com' })),
    ),
  ).toContain('journal.withheld');
  const unnamed = told('egress.withheld', () => ({ artifacts: [] }));
  expect(await rulesOf(unanswered, unnamed)).toEqual(['egress.withheld']);
  const outside = told('egress.withheld', ({ data }) => ({ data: { ...data, path: '/v1/other' } }));
  expect(await rulesOf(unanswered, outside)).toContain('egress.contract');
});

test('journal and log tell the same of what was withheld', async () => {
  const left = (draft: Draft) => (draft.type === 'egress.withheld' ? undefined : draft);
  expect(await rulesOf(unanswered, { draft: left })).toContain('journal.withheld');
  const other = told('egress.withheld', ({ data }) => ({
    data: { ...data, credential: undefined },
  }));
  expect(await rulesOf(unanswered, other)).toEqual(['journal.withheld']);
  const answered = recorded(() => ({ status: 201 }));
  expect(await rulesOf(unanswered, answered)).toEqual(['journal.withheld']);
});
