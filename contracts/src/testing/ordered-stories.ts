/** Honest stories of actions that have an order, each told from its request to its end. */
import { NARROWED } from './action-parts.ts';
import type { ActionTeller } from './action-teller.ts';

export type OrderedTell = (action: ActionTeller) => Promise<void>;

const approved = async (action: ActionTeller) => {
  await action.request('write', 'human-approve');
  await action.approve();
  await action.start();
};

/** An unkeyed write was sent and its answer was lost. */
const unseen = async (action: ActionTeller) => {
  await approved(action);
  await action.quiet('read');
  await action.intend('unkeyed');
  await action.finish('failed', 'outcome.unknown');
  await action.unknown();
};

export const ORDERED_STORIES = {
  read: async (action) => {
    await action.request('read', 'auto');
    await action.start();
    await action.quiet('read');
    await action.quiet('read', { verdict: 'failed', reason: 'no such name' });
    await action.succeed();
  },
  quiet: async (action) => {
    await action.request('read', 'auto');
    await action.start();
    await action.succeed();
  },
  refused: async (action) => {
    await action.request('read', 'auto');
    await action.start();
    await action.quiet('read');
    await action.deny('keyed');
    await action.finish('failed', 'egress.denied');
    await action.tell('action.failed', { error: { code: 'egress.denied', message: 'no rule' } });
  },
  approvedWrite: async (action) => {
    await approved(action);
    await action.quiet('read');
    await action.answer(await action.intend('keyed'));
    await action.answer(await action.intend('unkeyed'), { sent: false });
    await action.succeed();
  },
  quorumOfTwo: async (action) => {
    await action.request('write', 'human-approve');
    await action.ask(2);
    await action.decide('endorsed', 'person-1');
    await action.decide('granted', 'person-2');
    await action.start();
    await action.answer(await action.intend('unkeyed'));
    await action.succeed();
  },
  /** The last of two people agrees to less, so the first has to agree again. */
  narrowed: async (action) => {
    await action.request('write', 'human-approve');
    await action.ask(2);
    await action.decide('endorsed', 'person-1');
    await action.narrow('endorsed', 'person-2', NARROWED);
    await action.decide('granted', 'person-1');
    await action.start();
    await action.answer(await action.intend('keyed'));
    await action.succeed();
  },
  /** Attempts are lost before and after a write; the last one sends it again with the same key. */
  resent: async (action) => {
    await approved(action);
    await action.quiet('read');
    await action.finish('lost', 'host.lost');
    await action.start();
    const call = await action.intend('keyed');
    await action.finish('lost', 'answer.lost');
    await action.start();
    await action.intend('keyed', call);
    await action.answer(call);
    await action.quiet('read');
    await action.succeed();
  },
  resolvedFailed: async (action) => {
    await unseen(action);
    await action.resolve('failed');
  },
  resolvedSucceeded: async (action) => {
    await unseen(action);
    await action.resolve('succeeded');
  },
  /** A host was lost with its journal; the person who resolves the action leaves it in the evidence. */
  resolvedLost: async (action) => {
    await approved(action);
    await action.intend('unkeyed');
    await action.finish('lost', 'host.lost');
    await action.unknown();
    await action.resolve('succeeded');
  },
  sentAgain: async (action) => {
    await unseen(action);
    await action.resolve('dispatched');
    await action.start();
    await action.intend('unkeyed', 1);
    await action.answer(1);
    await action.succeed();
  },
  /** A person says that it did not happen, and the action ends before it is sent again. */
  givenUp: async (action) => {
    await unseen(action);
    await action.resolve('dispatched');
    await action.tell('action.failed', { error: { code: 'attempts.exhausted', message: '5' } });
  },
  cancelledRunning: async (action) => {
    await approved(action);
    await action.finish('failed', 'action.cancelled');
    await action.tell('action.cancelled', { by: 'person-1', rationale: 'not wanted' });
  },
  cancelledWaiting: async (action) => {
    await action.request('write', 'human-approve');
    await action.ask();
    await action.tell('action.cancelled', { by: 'person-1' });
  },
  voided: async (action) => {
    await action.request('write', 'human-approve');
    await action.approve();
    await action.decide('voided');
    await action.tell('action.failed', { error: { code: 'approval.void', message: 'changed' } });
  },
  replaced: async (action) => {
    await action.request('write', 'human-approve');
    await action.ask();
    await action.decide('voided');
    await action.tell('action.cancelled', { by: 'person-1' });
  },
  changesRequested: async (action) => {
    await action.request('write', 'human-approve');
    await action.ask();
    await action.decide('changes-requested', 'person-1');
  },
  approvalDenied: async (action) => {
    await action.request('write', 'human-approve');
    await action.ask(2);
    await action.decide('endorsed', 'person-1');
    await action.decide('denied', 'person-2');
  },
  undecided: async (action) => {
    await action.request('write', 'human-approve');
    await action.ask();
    await action.decide('expired');
  },
  unused: async (action) => {
    await action.request('write', 'human-approve');
    await action.approve();
    await action.decide('expired');
  },
  dryRun: async (action) => {
    await action.request('write', 'human-approve', true);
    await action.start();
    await action.quiet('read');
    await action.withhold('keyed');
    await action.withhold('unkeyed');
    await action.succeed();
  },
  /** No example answers its write: the plugin goes no further. */
  unanswered: async (action) => {
    await action.request('write', 'human-approve', true);
    await action.start();
    await action.withhold('keyed', false);
    await action.finish('failed', 'dry-run.unanswered');
    const error = { code: 'dry-run.unanswered', message: 'no example' };
    await action.tell('action.failed', { error, dryRun: true });
  },
  attested: async (action) => {
    await action.request('write', 'manual-only');
    await action.resolve('succeeded');
  },
} as const satisfies Readonly<Record<string, OrderedTell>>;
