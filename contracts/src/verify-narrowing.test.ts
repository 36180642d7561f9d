import { expect, test } from 'bun:test';
import type { ActionOrder } from './action-order.ts';
import type { ApprovalStatement } from './approval-statement.ts';
import { NARROWED } from './testing/action-parts.ts';
import type { Draft } from './testing/log-builder.ts';
import { ORDERED_STORIES, type OrderedTell } from './testing/ordered-stories.ts';
import { type Lie, verifyTold } from './testing/told-log.ts';

const { narrowed } = ORDERED_STORIES;
const digest = `sha256:${'a'.repeat(64)}` as const;
const rulesOf = async (tell: OrderedTell, lie: Lie = {}) => (await verifyTold(tell, lie)).rules;
/** Changes the narrowed order only. */
const ordered = (change: (order: ActionOrder) => object): Lie => ({
  order: (order) => (order.contract.approval.length > 0 ? { ...order, ...change(order) } : order),
});
/** Changes the entry that narrows. */
const narrowing = (change: (draft: Draft) => Partial<Draft>): Lie => ({
  draft: (draft) => (draft.data.narrows === undefined ? draft : { ...draft, ...change(draft) }),
});
const data = (change: object) => narrowing((draft) => ({ data: { ...draft.data, ...change } }));
/** Two people have to agree; the second one narrows. */
const asked =
  (next: OrderedTell): OrderedTell =>
  async (action) => {
    await action.request('write', 'human-approve');
    await action.ask(2);
    await action.decide('endorsed', 'person-1');
    await next(action);
  };

test('an action that an approver narrowed verifies, and runs under the narrowed contract', async () => {
  expect(await rulesOf(narrowed)).toEqual([]);
  const beyond = asked(async (action) => {
    await action.narrow('endorsed', 'person-2', NARROWED);
    await action.decide('granted', 'person-1');
    await action.start();
    await action.answer(await action.intend('unkeyed'));
    await action.succeed();
  });
  expect(await rulesOf(beyond)).toEqual(['egress.contract', 'journal.contract']);
});

test('an agreement from before a narrowing does not count for it', async () => {
  const early = asked(async (action) => {
    await action.narrow('granted', 'person-2', NARROWED);
    await action.start();
    await action.succeed();
  });
  expect(await rulesOf(early)).toEqual(['approval.quorum']);
});

test('a narrowing that changes anything but the rules of the approval is found', async () => {
  const limits = ordered(({ limits }) => ({ limits: { ...limits, egressCalls: 99 } }));
  expect(await rulesOf(narrowed, limits)).toContain('approval.narrowed');
  const wider = ordered(({ contract }) => ({
    contract: { ...contract, operator: [...contract.operator, ...NARROWED] },
  }));
  expect(await rulesOf(narrowed, wider)).toContain('order.contract');
  let first: ApprovalStatement | undefined;
  const stated = await rulesOf(narrowed, {
    statement: (statement) => {
      if (!first) first = statement;
      else return { ...statement, executeBefore: '2026-01-04T00:00:00.000Z' };
      return statement;
    },
  });
  expect(stated).toEqual(['approval.narrowed']);
});

test('what a narrowing says of itself has to be so', async () => {
  expect(await rulesOf(narrowed, data({ narrows: digest }))).toEqual(['action.approval']);
  expect(await rulesOf(narrowed, data({ contractDigest: digest }))).toEqual([
    'approval.narrowed',
    'order.contract',
  ]);
  expect(await rulesOf(narrowed, data({ egress: ['everything'] }))).toEqual(['approval.narrowed']);
  expect(
    await rulesOf(
      narrowed,
      narrowing(() => ({ artifacts: [] })),
    ),
  ).toEqual(['approval.artifact', 'order.artifact']);
});

test('nobody narrows twice, and nobody who refuses narrows', async () => {
  const twice = asked(async (action) => {
    await action.narrow('endorsed', 'person-2', NARROWED);
    await action.narrow('granted', 'person-3', NARROWED);
    await action.start();
    await action.succeed();
  });
  expect(await rulesOf(twice)).toContain('action.approval');
  const refusing = await rulesOf(
    narrowed,
    narrowing(() => ({ type: 'approval.voided' })),
  );
  expect(refusing).toContain('approval.narrowed');
});
