import { expect, test } from 'bun:test';
import type { ActionTeller, Alterations } from './testing/action-teller.ts';
import type { Draft } from './testing/log-builder.ts';
import { ORDERED_STORIES, type OrderedTell } from './testing/ordered-stories.ts';
import type { EntryObject } from './testing/repackage.ts';
import { verifyTold } from './testing/told-log.ts';

const rulesOf = async (tell: OrderedTell, alter: Alterations = {}) =>
  (await verifyTold(tell, alter)).rules;

const approved = async (action: ActionTeller) => {
  await action.request('write', 'human-approve');
  await action.approve();
  await action.start();
};
const failed = (action: ActionTeller) =>
  action.tell('action.failed', { error: { code: 'guest.error', message: 'no' } });

test('every honest story verifies by itself', async () => {
  for (const [name, tell] of Object.entries(ORDERED_STORIES)) {
    const { report } = await verifyTold(tell);
    expect(report.findings, name).toEqual([]);
    expect(report.openActions, name).toBe(0);
  }
});

test('an entry that the state of its action does not allow is found', async () => {
  const cases: Readonly<Record<string, OrderedTell>> = {
    'asked though nobody has to agree': async (action) => {
      await action.request('read', 'auto');
      await action.ask();
    },
    'granted again after the end of an attempt': async (action) => {
      await approved(action);
      await action.finish('lost');
      await action.decide('granted', 'person-2');
    },
    'expired while running': async (action) => {
      await approved(action);
      await action.finish('lost');
      await action.decide('expired');
    },
    'failed while people decide': async (action) => {
      await action.request('write', 'human-approve');
      await action.ask();
      await failed(action);
    },
    'succeeded while people decide': async (action) => {
      await action.request('write', 'human-approve');
      await action.ask();
      await action.tell('action.succeeded', {});
    },
    'resolved though its outcome is known': async (action) => {
      await approved(action);
      await action.finish('lost');
      await action.resolve('succeeded');
    },
    'sent again though nobody had to look': async (action) => {
      await action.request('write', 'manual-only');
      await action.resolve('dispatched');
    },
    'an unknown outcome of what never ran': async (action) => {
      await action.request('write', 'human-approve');
      await action.approve();
      await action.unknown();
    },
    'an unknown outcome that succeeds by itself': async (action) => {
      await approved(action);
      await action.intend('unkeyed');
      await action.finish('failed', 'outcome.unknown');
      await action.unknown();
      await action.tell('action.succeeded', {});
    },
    'an unknown outcome that is cancelled': async (action) => {
      await approved(action);
      await action.intend('unkeyed');
      await action.finish('failed', 'outcome.unknown');
      await action.unknown();
      await action.tell('action.cancelled', {});
    },
    'an unknown outcome that an attempt goes on with': async (action) => {
      await approved(action);
      await action.intend('keyed');
      await action.finish('failed', 'outcome.unknown');
      await action.unknown();
      await action.start();
    },
  };
  for (const [name, tell] of Object.entries(cases)) {
    expect(await rulesOf(tell), name).toContain('action.state');
  }
});

test('attempts follow one another, and only a lost one is followed', async () => {
  const both: OrderedTell = async (action) => {
    await approved(action);
    await action.start();
  };
  expect(await rulesOf(both)).toEqual(['action.attempts']);
  const after: OrderedTell = async (action) => {
    await approved(action);
    await action.finish('failed');
    await action.start();
    await action.succeed();
  };
  expect(await rulesOf(after)).toEqual(['action.attempts']);
  const unfinished: OrderedTell = async (action) => {
    await approved(action);
    await action.intend('unkeyed');
    await action.unknown();
  };
  expect(await rulesOf(unfinished)).toEqual(['action.attempts']);
});

test('two actions never have one attempt', async () => {
  const { read } = ORDERED_STORIES;
  let first: unknown;
  const { rules } = await verifyTold([read, read], {
    draft: (draft) => {
      if (draft.type === 'attempt.started') first ??= draft.data.attempt;
      const own = draft.data.attempt === undefined ? {} : { attempt: first };
      return { ...draft, data: { ...draft.data, ...own } };
    },
  });
  expect(rules).toContain('action.attempts');
});

test('no action ends as known while a write has no answer', async () => {
  const ends: readonly OrderedTell[] = [
    (action) => action.succeed(),
    async (action) => {
      await action.finish('failed');
      await failed(action);
    },
    async (action) => {
      await action.finish('failed', 'action.cancelled');
      await action.tell('action.cancelled', { by: 'person-1' });
    },
  ];
  for (const end of ends) {
    for (const name of ['keyed', 'unkeyed'] as const) {
      const tell: OrderedTell = async (action) => {
        await approved(action);
        await action.intend(name);
        await end(action);
      };
      expect(await rulesOf(tell)).toEqual(['action.open-write']);
    }
  }
});

test('a write that was to be sent again can not succeed unsent, nor fail after it was', async () => {
  const released = async (action: ActionTeller) => {
    await approved(action);
    await action.intend('unkeyed');
    await action.finish('failed', 'outcome.unknown');
    await action.unknown();
    await action.resolve('dispatched');
    await action.start();
  };
  const unsent: OrderedTell = async (action) => {
    await released(action);
    await action.succeed();
  };
  expect(await rulesOf(unsent)).toEqual(['action.open-write']);
  const sent: OrderedTell = async (action) => {
    await released(action);
    await action.intend('unkeyed', 0);
    await action.finish('failed');
    await failed(action);
  };
  expect(await rulesOf(sent)).toEqual(['action.open-write']);
});

test('an outcome is unknown only after a write', async () => {
  const tell: OrderedTell = async (action) => {
    await approved(action);
    await action.quiet('read');
    await action.finish('failed', 'outcome.unknown');
    await action.unknown();
  };
  expect(await rulesOf(tell)).toEqual(['action.open-write']);
});

test('a bundle of an action whose outcome nobody knows yet says that a person has to resolve it', async () => {
  const unknown: OrderedTell = async (action) => {
    await approved(action);
    await action.intend('unkeyed');
    await action.finish('failed', 'outcome.unknown');
    await action.unknown();
  };
  const { report } = await verifyTold(unknown, { alone: true });
  expect(report).toMatchObject({ verdict: 'incomplete', exitCode: 1 });
  expect(report.findings).toEqual([
    { rule: 'story.open', message: expect.stringContaining('resolve the action, then export') },
  ]);
  const again: OrderedTell = async (action) => {
    await unknown(action);
    await action.resolve('dispatched');
  };
  const { report: released } = await verifyTold(again, { alone: true });
  expect(released.findings).toEqual([
    { rule: 'story.open', message: expect.stringContaining('the action had not ended') },
  ]);
});

test('an action with an order counts its entries wherever it ends', async () => {
  const rewrite = (entries: EntryObject[]) => {
    for (const { data } of entries) delete (data as EntryObject).entries;
  };
  const { undecided, changesRequested, approvalDenied } = ORDERED_STORIES;
  for (const tell of [undecided, changesRequested, approvalDenied]) {
    expect((await verifyTold(tell, { rewrite })).rules).toEqual(['action.count']);
  }
  const denied: OrderedTell = (action) => action.request('read', 'auto');
  const draft: Alterations['draft'] = (one) =>
    one.type === 'policy.decided' ? { ...one, data: { ...one.data, decision: 'deny' } } : one;
  expect((await verifyTold(denied, { draft })).rules).toEqual([]);
  expect((await verifyTold(denied, { draft, rewrite })).rules).toEqual(['action.count']);
});

test('a person who resolves an action is named and says why', async () => {
  for (const field of ['by', 'rationale']) {
    const alter: Alterations = {
      draft: (draft: Draft) =>
        draft.type === 'action.resolved'
          ? { ...draft, data: { ...draft.data, [field]: '' } }
          : draft,
    };
    expect(await rulesOf(ORDERED_STORIES.attested, alter)).toEqual(['action.resolved']);
  }
});

test('policy never goes below the platform’s floor', async () => {
  const tell: OrderedTell = async (action) => {
    await action.request('write', 'auto');
    await action.start();
    await action.answer(await action.intend('keyed'));
    await action.succeed();
  };
  expect(await rulesOf(tell)).toEqual(['action.floor']);
  const assisted: OrderedTell = async (action) => {
    await action.request('write', 'assisted');
    await action.start();
    await action.answer(await action.intend('keyed'));
    await action.succeed();
  };
  expect(await rulesOf(assisted)).toEqual([]);
});
