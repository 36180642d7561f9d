import { expect, test } from 'bun:test';
import { type ApprovalStatement, STATEMENT_MEDIA_TYPE } from './approval-statement.ts';
import type { Alterations } from './testing/action-teller.ts';
import type { Draft } from './testing/log-builder.ts';
import { ORDERED_STORIES, type OrderedTell } from './testing/ordered-stories.ts';
import { verifyTold } from './testing/told-log.ts';

const digest = `sha256:${'a'.repeat(64)}` as const;
const other = 'cred_019b76da80007000800000000000bbbb';
const { approvedWrite, quorumOfTwo } = ORDERED_STORIES;

const rulesOf = async (tell: OrderedTell, alter: Alterations = {}) =>
  (await verifyTold(tell, alter)).rules;
const stated = (change: (statement: ApprovalStatement) => object) =>
  rulesOf(quorumOfTwo, { statement: (statement) => ({ ...statement, ...change(statement) }) });
/** Changes the data of each entry of that type. */
const told = (type: string, change: (data: Draft['data']) => object): Alterations => ({
  draft: (draft) =>
    draft.type === type ? { ...draft, data: { ...draft.data, ...change(draft.data) } } : draft,
});

/** A write that waits for two people. */
const asked =
  (next: OrderedTell, quorum = 2): OrderedTell =>
  async (action) => {
    await action.request('write', 'human-approve');
    await action.ask(quorum);
    await next(action);
  };
const runs: OrderedTell = async (action) => {
  await action.start();
  await action.succeed();
};

test('a statement that is about anything else than what was asked for and decided is found', async () => {
  const fields: object[] = [
    { workspace: 'other' },
    { action: 'act_019b76da80007000800000000000aaaa' },
    { plugin: digest },
    { operation: 'other' },
    { inputDigest: digest },
    { contractDigest: digest },
    { effect: 'destructive' },
    { tier: 'assisted' },
    { policyVersion: 8 },
  ];
  for (const field of fields) {
    expect(await stated(() => field), JSON.stringify(field)).toEqual(['approval.agrees']);
  }
  const limits = await stated((statement) => ({ limits: { ...statement.limits, wallMs: 9_000 } }));
  expect(limits).toEqual(['approval.agrees']);
  expect(await stated(({ limits: { wallMs } }) => ({ limits: { wallMs } }))).toEqual([]);
});

test('an approval digest that is not that of the statement is found', async () => {
  const rules = await rulesOf(quorumOfTwo, {
    draft: (draft) =>
      draft.type.startsWith('approval.')
        ? { ...draft, data: { ...draft.data, approvalDigest: digest } }
        : draft,
  });
  expect(rules).toEqual(['approval.digest']);
  const granted = await rulesOf(
    quorumOfTwo,
    told('approval.granted', () => ({ approvalDigest: digest })),
  );
  expect(granted).toEqual(['action.approval']);
});

test('a statement that is missing, not canonical or no statement is found', async () => {
  const text = (bytes: string) => ({ statement: () => new TextEncoder().encode(bytes) });
  expect(await rulesOf(quorumOfTwo, text(' {}'))).toEqual(['approval.canonical']);
  expect(await rulesOf(quorumOfTwo, text('{}'))).toEqual(['approval.schema']);
  const never = { executeBefore: '2026-13-01T00:00:00.000Z' };
  expect(await stated(() => never)).toEqual(['approval.schema']);
  const unnamed = await rulesOf(quorumOfTwo, {
    draft: (draft) => (draft.type === 'approval.requested' ? { ...draft, artifacts: [] } : draft),
  });
  expect(unnamed).toContain('approval.artifact');
});

test('a statement that was left out makes a bundle incomplete, not false', async () => {
  const { report } = await verifyTold(quorumOfTwo, { omit: [STATEMENT_MEDIA_TYPE] });
  expect(report.verdict).toBe('incomplete');
  expect(report.findings).toMatchObject([{ rule: 'approval.omitted', seq: 3 }]);
});

test('one statement serves one action', async () => {
  let first: ApprovalStatement | undefined;
  const { rules } = await verifyTold([quorumOfTwo, quorumOfTwo], {
    statement: (statement) => {
      first ??= statement;
      return first;
    },
  });
  expect(rules).toContain('approval.agrees');
});

test('a quorum is of different people, each named, and never fewer than were asked for', async () => {
  const twice = asked(async (action) => {
    await action.decide('endorsed', 'person-1');
    await action.decide('granted', 'person-1');
    await runs(action);
  });
  expect(await rulesOf(twice)).toEqual(['approval.quorum', 'approval.quorum']);
  const alone = asked(async (action) => {
    await action.decide('granted', 'person-1');
    await runs(action);
  });
  expect(await rulesOf(alone)).toEqual(['approval.quorum']);
  const nameless = await rulesOf(
    quorumOfTwo,
    told('approval.endorsed', () => ({ by: '' })),
  );
  expect(nameless).toContain('approval.quorum');
  const lowered = await rulesOf(
    quorumOfTwo,
    told('approval.granted', () => ({ quorum: 1 })),
  );
  expect(lowered).toEqual(['approval.quorum']);
  const none = asked(async (action) => {
    await action.decide('granted', 'person-1');
    await runs(action);
  }, 0);
  expect(await rulesOf(none)).toEqual(['approval.quorum']);
});

test('an approval is asked for once, granted once, and not used after it is void', async () => {
  const again = asked(async (action) => {
    await action.ask();
    await action.decide('granted', 'person-1');
  }, 1);
  expect(await rulesOf(again)).toContain('approval.order');
  const grantedTwice = asked(async (action) => {
    await action.decide('granted', 'person-1');
    await action.decide('granted', 'person-2');
    await runs(action);
  }, 1);
  expect(await rulesOf(grantedTwice)).toContain('approval.order');
  const afterVoid = asked(async (action) => {
    await action.decide('granted', 'person-1');
    await action.decide('voided');
    await runs(action);
  }, 1);
  expect(await rulesOf(afterVoid)).toEqual(['action.approval', 'approval.order']);
  const late = asked(async (action) => {
    await action.decide('voided');
    await action.decide('granted', 'person-1');
  }, 1);
  expect(await rulesOf(late)).toContain('approval.order');
  const expiredBy = await rulesOf(
    ORDERED_STORIES.undecided,
    told('approval.expired', () => ({ by: 'x' })),
  );
  expect(expiredBy).toEqual(['approval.order']);
});

test('a decision about another approval of the action is found', async () => {
  const rules = await rulesOf(quorumOfTwo, {
    draft: (draft) =>
      draft.type === 'approval.granted'
        ? { ...draft, subject: { ...draft.subject, approval: 'apr_other' } }
        : draft,
  });
  expect(rules).toEqual(['approval.agrees']);
});

test('decisions and the first attempt keep to their times, with room for the log’s own delay', async () => {
  const before = (time: string) => stated(() => ({ executeBefore: time }));
  expect(await before('2025-12-31T23:59:50.000Z')).toEqual(['approval.late']);
  expect(await before('2026-01-01T00:00:00.000Z')).toEqual([]);
  const decide = (time: string) =>
    rulesOf(
      quorumOfTwo,
      told('approval.requested', () => ({ decideBefore: time })),
    );
  expect(await decide('2025-12-31T23:59:50.000Z')).toEqual(['approval.late', 'approval.late']);
  expect(await decide('2026-01-01T00:00:00.000Z')).toEqual([]);
  // Later attempts go on with what the first one took.
  const { resent } = ORDERED_STORIES;
  const rules = await rulesOf(resent, {
    statement: (statement) => ({ ...statement, executeBefore: '2025-12-31T23:59:50.000Z' }),
  });
  expect(rules).toEqual(['approval.late']);
});

test('a write uses no credential that the approval is not about', async () => {
  const foreign = await rulesOf(approvedWrite, {
    statement: (statement) => ({
      ...statement,
      credentials: [{ slot: 'stripe', id: other, version: 1 }],
    }),
  });
  expect(foreign).toContain('egress.credential');
  expect(foreign).toContain('journal.credential');
  const slot = await rulesOf(approvedWrite, {
    statement: (statement) => ({
      ...statement,
      credentials: statement.credentials.map((one) => ({ ...one, slot: 'github' })),
    }),
  });
  expect(slot).toContain('egress.credential');
});

test('a read uses no credential either', async () => {
  const tell: OrderedTell = async (action) => {
    await action.request('write', 'human-approve');
    await action.approve();
    await action.start();
    await action.quiet('read', { credential: other as never });
    await action.succeed();
  };
  expect(await rulesOf(tell)).toEqual(['journal.credential']);
});
