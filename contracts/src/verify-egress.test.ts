import { expect, test } from 'bun:test';
import type { ActionTeller, Alterations } from './testing/action-teller.ts';
import type { Draft } from './testing/log-builder.ts';
import { ORDERED_STORIES, type OrderedTell } from './testing/ordered-stories.ts';
import { verifyTold } from './testing/told-log.ts';

const digest = `sha256:${'a'.repeat(64)}` as const;
const { approvedWrite, resent, sentAgain } = ORDERED_STORIES;

const rulesOf = async (tell: OrderedTell, alter: Alterations = {}) =>
  (await verifyTold(tell, alter)).rules;
/** Changes the data of the entries of that type; of the `at`th one alone, when given. */
const told = (type: string, change: object, at?: number): Alterations => {
  let seen = -1;
  return {
    draft: (draft: Draft) => {
      if (draft.type === type) seen++;
      const hit = draft.type === type && (at === undefined || at === seen);
      return hit ? { ...draft, data: { ...draft.data, ...change } } : draft;
    },
  };
};
const without = (type: string): Alterations => ({
  draft: (draft) => (draft.type === type ? undefined : draft),
});

const approved = async (action: ActionTeller) => {
  await action.request('write', 'human-approve');
  await action.approve();
  await action.start();
};

test('an operation that only reads has no write', async () => {
  const tell: OrderedTell = async (action) => {
    await action.request('read', 'auto');
    await action.start();
    await action.answer(await action.intend('keyed'));
    await action.succeed();
  };
  expect(await rulesOf(tell)).toEqual(['egress.permit']);
});

test('a read needs no intention, and has none', async () => {
  const tell: OrderedTell = async (action) => {
    await approved(action);
    await action.answer(await action.intend('read'));
    await action.succeed();
  };
  expect(await rulesOf(tell)).toContain('egress.permit');
});

test('a write is intended while its attempt runs', async () => {
  const late: OrderedTell = async (action) => {
    await approved(action);
    await action.finish('failed');
    await action.intend('keyed');
  };
  expect(await rulesOf(late)).toContain('action.attempts');
  const other = { attempt: 'att_019b76da80007000800000000000aaaa' };
  expect(await rulesOf(approvedWrite, told('egress.intended', other, 0))).toContain(
    'action.attempts',
  );
});

test('an unkeyed write is intended once, until a person says that it did not happen', async () => {
  const twice: OrderedTell = async (action) => {
    await approved(action);
    const call = await action.intend('unkeyed');
    await action.finish('lost', 'answer.lost');
    await action.start();
    await action.intend('unkeyed', call);
    await action.answer(call);
    await action.succeed();
  };
  expect(await rulesOf(twice)).toEqual(['egress.twice']);
  expect(await rulesOf(sentAgain)).toEqual([]);
  const onceMore: OrderedTell = async (action) => {
    await approved(action);
    const call = await action.intend('unkeyed');
    await action.finish('failed', 'outcome.unknown');
    await action.unknown();
    await action.resolve('dispatched');
    await action.start();
    await action.intend('unkeyed', call);
    await action.intend('unkeyed', call);
    await action.answer(call);
    await action.succeed();
  };
  expect(await rulesOf(onceMore)).toEqual(['egress.twice']);
});

test('a write whose entry claims a key that the contract does not give is found', async () => {
  const claimed = told('egress.intended', { idempotencyKeyed: true });
  expect(await rulesOf(ORDERED_STORIES.quorumOfTwo, claimed)).toEqual(['egress.contract']);
  const denied = told('egress.intended', { idempotencyKeyed: false });
  expect(await rulesOf(resent, denied)).toEqual([
    'egress.contract',
    'egress.contract',
    'egress.twice',
  ]);
});

test('a write is sent again only while its key is remembered', async () => {
  const shift = (hours: number) => (entries: { [key: string]: unknown }[]) => {
    let intended = 0;
    for (const entry of entries) {
      if (entry.type === 'egress.intended') intended++;
      if (intended < 2) continue;
      const at = Date.parse(String(entry.time)) + hours * 3_600_000;
      entry.time = new Date(at).toISOString();
    }
  };
  const after = async (hours: number) =>
    (await verifyTold(resent, { rewrite: shift(hours) as never })).rules;
  expect(await after(23.9)).toEqual([]);
  expect(await after(24.1)).toEqual(['egress.twice']);
});

test('a call that is sent again says so, is the same call, and was not answered', async () => {
  expect(await rulesOf(resent, told('egress.intended', { resend: undefined }, 1))).toEqual([
    'egress.resend',
  ]);
  expect(await rulesOf(approvedWrite, told('egress.intended', { resend: true }, 0))).toEqual([
    'egress.resend',
  ]);
  expect(await rulesOf(resent, told('egress.intended', { requestDigest: digest }, 1))).toContain(
    'egress.changed',
  );
  const answered: OrderedTell = async (action) => {
    await approved(action);
    const call = await action.intend('keyed');
    await action.answer(call);
    await action.intend('keyed', call);
    await action.succeed();
  };
  expect(await rulesOf(answered)).toContain('egress.twice');
});

test('an answer belongs to the call that was sent last, once, and to nothing else', async () => {
  expect(await rulesOf(approvedWrite, without('egress.intended'))).toContain('egress.answer');
  const twice: OrderedTell = async (action) => {
    await approved(action);
    const call = await action.intend('keyed');
    await action.answer(call);
    await action.answer(call);
    await action.succeed();
  };
  expect(await rulesOf(twice)).toEqual(['egress.answer']);
  const changed = told('egress.answered', { requestDigest: digest }, 0);
  expect(await rulesOf(approvedWrite, changed)).toEqual(['egress.answer']);
  const denied: OrderedTell = async (action) => {
    await approved(action);
    await action.intend('keyed');
    action.records.pop();
    await action.deny('keyed');
    await action.finish('failed', 'egress.denied');
    await action.unknown();
  };
  expect(await rulesOf(denied)).toContain('egress.answer');
  const late: OrderedTell = async (action) => {
    await approved(action);
    const call = await action.intend('keyed');
    await action.finish('lost', 'answer.lost');
    await action.start();
    await action.answer(call);
    await action.succeed();
  };
  expect(await rulesOf(late)).toEqual(['egress.answer']);
});

test('a failure of what may have left is no answer', async () => {
  const sent: OrderedTell = async (action) => {
    await approved(action);
    await action.answer(await action.intend('unkeyed'), { sent: true });
    await action.succeed();
  };
  expect(await rulesOf(sent)).toEqual(['egress.unseen']);
  const silent: OrderedTell = async (action) => {
    await approved(action);
    await action.answer(await action.intend('unkeyed'), {});
    await action.succeed();
  };
  expect(await rulesOf(silent)).toEqual(['egress.unseen']);
  const second: OrderedTell = async (action) => {
    await approved(action);
    const call = await action.intend('keyed');
    await action.finish('lost', 'answer.lost');
    await action.start();
    await action.intend('keyed', call);
    await action.answer(call, { sent: false });
    await action.succeed();
  };
  expect(await rulesOf(second)).toEqual(['egress.unseen']);
  const released: OrderedTell = async (action) => {
    await approved(action);
    const call = await action.intend('unkeyed');
    await action.finish('failed', 'outcome.unknown');
    await action.unknown();
    await action.resolve('dispatched');
    await action.start();
    await action.intend('unkeyed', call);
    await action.answer(call, { sent: false });
    await action.succeed();
  };
  expect(await rulesOf(released)).toEqual([]);
});

test('a write outside the contract is found by each part that it shows', async () => {
  for (const part of [
    { rule: undefined },
    { rule: 'refunds other' },
    { rule: 'charge' },
    { rule: 'granted-notes notes' },
    { method: 'DELETE' },
    { host: 'api.example.com' },
    { port: 444 },
    { path: '/v1/charges' },
  ]) {
    const alter = told('egress.intended', part, 0);
    const rules = await rulesOf(approvedWrite, alter);
    expect(rules, JSON.stringify(part)).toContain('egress.contract');
  }
});

test('a credential goes only with a rule that grants one', async () => {
  const tell: OrderedTell = async (action) => {
    await action.request('read', 'auto');
    await action.start();
    await action.quiet('read', { credential: action.credential as never });
    await action.succeed();
  };
  expect(await rulesOf(tell)).toEqual(['journal.credential']);
});

test('an action without an order is older, and held to the older rules', async () => {
  const { rules } = await verifyTold(approvedWrite, {
    rewrite: ([first]) => {
      const { data, artifacts } = first as { data: { orderDigest?: string }; artifacts: object[] };
      delete data.orderDigest;
      artifacts.splice(1, 1);
    },
  });
  expect(rules).toEqual([]);
});
