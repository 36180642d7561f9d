import { expect, test } from 'bun:test';
import { modulePath } from './bundle-layout.ts';
import { type Digest, digestOf } from './digest.ts';
import {
  BODIES_MEDIA_TYPE,
  bodiesBytes,
  JOURNAL_MEDIA_TYPE,
  type JournalArtifactRecord,
} from './journal-artifact.ts';
import { writeTar } from './tar.ts';
import type { ActionTeller, Alterations } from './testing/action-teller.ts';
import { cpuMs } from './testing/cpu-ms.ts';
import { honestLog, logKey, wholeBundle } from './testing/honest-log.ts';
import type { Draft } from './testing/log-builder.ts';
import { ORDERED_STORIES, type OrderedTell } from './testing/ordered-stories.ts';
import { filesOf, pack } from './testing/repackage.ts';
import { verifyTold } from './testing/told-log.ts';
import { verifyBundle } from './verify-bundle.ts';

const digest = `sha256:${'a'.repeat(64)}` as const;
const { approvedWrite, read, refused, resent } = ORDERED_STORIES;
type Records = readonly JournalArtifactRecord[];

const rulesOf = async (tell: OrderedTell, alter: Alterations = {}) =>
  (await verifyTold(tell, alter)).rules;
/** The first of the rules that break when a record of the journal is another. */
const changed = async (tell: OrderedTell, call: number, change: object) => {
  const journal = (records: Records) =>
    records.map((record) => (record.call === call ? { ...record, ...change } : record));
  return (await rulesOf(tell, { journal })).at(0);
};
const draft = (type: string, change: (one: Draft) => Partial<Draft> | undefined): Alterations => ({
  draft: (one) => {
    if (one.type !== type) return one;
    const altered = change(one);
    return altered && { ...one, ...altered };
  },
});

const approved = async (action: ActionTeller) => {
  await action.request('write', 'human-approve');
  await action.approve();
  await action.start();
};

test('the end of an attempt names its journal, by the digest that it states', async () => {
  const bare = draft('attempt.finished', () => ({ artifacts: [] }));
  expect(await rulesOf(read, bare)).toEqual(['journal.artifact']);
  expect(await rulesOf(ORDERED_STORIES.quiet, bare)).toEqual([]);
  const other = draft('attempt.finished', ({ data }) => ({
    data: { ...data, journalDigest: digest },
  }));
  expect(await rulesOf(read, other)).toEqual(['journal.artifact']);
  const lost = draft('attempt.finished', ({ data, artifacts = [] }) => ({
    artifacts: data.verdict === 'lost' ? [] : artifacts,
  }));
  expect(await rulesOf(resent, lost)).toEqual([]);
});

test('a journal that was left out makes a bundle incomplete; without its bodies it verifies', async () => {
  const { report } = await verifyTold(approvedWrite, { omit: [JOURNAL_MEDIA_TYPE] });
  expect(report.verdict).toBe('incomplete');
  expect(report.findings.map(({ rule }) => rule)).toEqual(['journal.omitted']);
  const bodies = await verifyTold(approvedWrite, { omit: [BODIES_MEDIA_TYPE] });
  expect(bodies.report).toMatchObject({ verdict: 'verified', artifacts: { omitted: 2 } });
});

test('a journal that is not canonical, or holds what is no record, is found', async () => {
  const text = (bytes: string) => ({ journal: () => new TextEncoder().encode(bytes) });
  expect(await rulesOf(read, text('[ ]'))).toEqual(['journal.canonical']);
  expect(await rulesOf(read, text('{}'))).toEqual(['journal.schema']);
  expect(await changed(read, 0, { secret: 'x' })).toBe('journal.schema');
  expect(await changed(read, 0, { ms: 0.5 })).toBe('journal.schema');
});

test('records are counted and numbered from 0 without gaps', async () => {
  expect(await rulesOf(read, { journal: (records) => records.slice(0, 1) })).toEqual([
    'journal.calls',
  ]);
  expect(await changed(read, 1, { call: 2 })).toBe('journal.calls');
  expect(await rulesOf(read, { journal: (records) => records.toReversed() })).toContain(
    'journal.calls',
  );
});

test('a record is of an attempt of this action that ran by then', async () => {
  const attempt = 'att_019b76da80007000800000000000aaaa';
  expect(await changed(read, 0, { attempt })).toBe('journal.attempts');
  const journal = (records: Records) =>
    records.map((record, call) => ({
      ...record,
      attempt: records[records.length - 1 - call]?.attempt,
    }));
  expect(await rulesOf(resent, { journal })).toContain('journal.attempts');
});

test('a later journal begins with the earlier one; only an open record may close', async () => {
  const later = (change: (record: JournalArtifactRecord) => object) => {
    const journal = (records: Records) =>
      records.map((record) =>
        record.call === 0 && records.length > 2 ? { ...record, ...change(record) } : record,
      );
    return rulesOf(resent, { journal });
  };
  expect(await later(() => ({ status: 201 }))).toEqual(['journal.extends']);
  expect(await later(() => ({ ms: 77 }))).toEqual(['journal.extends']);
  const shorter: OrderedTell = async (action) => {
    await approved(action);
    await action.quiet('read');
    await action.intend('keyed');
    await action.finish('lost', 'answer.lost');
    await action.start();
    action.records.pop();
    await action.finish('lost', 'answer.lost');
    await action.unknown();
  };
  expect(await rulesOf(shorter)).toEqual(['journal.extends']);
  const reopened: OrderedTell = async (action) => {
    await approved(action);
    const call = await action.intend('keyed');
    await action.finish('lost', 'answer.lost');
    await action.start();
    await action.intend('keyed', call);
    await action.answer(call);
    const [record] = action.records;
    if (record) action.records[0] = { ...record, scheme: 'http' };
    await action.succeed();
  };
  expect(await rulesOf(reopened)).toContain('journal.extends');
});

test('each write of a journal was intended in the log, with the same request', async () => {
  const without = draft('egress.intended', () => undefined);
  const answers = draft('egress.answered', () => undefined);
  const both: Alterations = {
    draft: (one) => (answers.draft?.(one) && without.draft?.(one)) as Draft | undefined,
  };
  expect(await rulesOf(approvedWrite, both)).toContain('journal.intended');
  for (const part of [
    { requestDigest: digest },
    { host: 'api.example.com' },
    { port: 444 },
    { path: '/v1/other' },
    { method: 'PUT' },
    { rule: 'other' },
    { requestBodyDigest: digest },
  ]) {
    expect(await changed(approvedWrite, 1, part), JSON.stringify(part)).toBe('journal.intended');
  }
});

test('each write that the log intended is in the journal', async () => {
  const journal = (records: Records) => records.slice(0, 2);
  expect(await rulesOf(approvedWrite, { journal })).toContain('journal.intended');
  expect(await changed(approvedWrite, 1, { method: 'GET' })).toBe('journal.intended');
  const hidden: OrderedTell = async (action) => {
    await approved(action);
    await action.quiet('read');
    await action.finish('lost', 'answer.lost');
    await action.start();
    await action.answer(await action.intend('keyed'));
    action.records.pop();
    await action.succeed();
  };
  expect(await rulesOf(hidden)).toEqual(['journal.intended']);
});

test('answers are the same in journal and log', async () => {
  for (const part of [
    { status: 500 },
    { responseDigest: digest },
    { responseDigest: undefined },
    { tlsPeerKeyHash: digest },
    { verdict: 'open' },
    { sent: false },
  ]) {
    expect(await changed(approvedWrite, 1, part), JSON.stringify(part)).toBe('journal.answered');
  }
  const unanswered = draft('egress.answered', () => undefined);
  expect(await rulesOf(approvedWrite, unanswered)).toContain('journal.answered');
  const claimed: OrderedTell = async (action) => {
    await approved(action);
    const call = await action.intend('keyed');
    await action.finish('lost', 'answer.lost');
    await action.start();
    await action.intend('keyed', call);
    const [open] = action.records;
    await action.answer(call);
    if (open) action.records[0] = open;
    await action.succeed();
  };
  expect(await rulesOf(claimed)).toEqual(['journal.answered']);
});

test('the journal that a person leaves when an action is resolved is checked, too', async () => {
  const { resolvedLost } = ORDERED_STORIES;
  expect(await rulesOf(resolvedLost)).toEqual([]);
  expect(await changed(resolvedLost, 0, { requestDigest: digest })).toBe('journal.intended');
  expect(await rulesOf(resolvedLost, { journal: () => [] })).toContain('journal.intended');
});

test('denials are the same in journal and log', async () => {
  expect(
    await rulesOf(
      refused,
      draft('egress.denied', () => undefined),
    ),
  ).toEqual(['journal.denied']);
  expect(await changed(refused, 1, { verdict: 'failed' })).toBe('journal.denied');
  expect(await changed(refused, 1, { requestDigest: digest })).toBe('journal.denied');
  expect(await changed(refused, 0, { verdict: 'denied' })).toBe('journal.denied');
  const cut = { journal: (records: Records) => records.slice(0, 1) };
  expect(await rulesOf(refused, cut)).toContain('journal.denied');
});

test('no record is outside of the contract', async () => {
  for (const part of [
    { host: 'api.example.com' },
    { scheme: 'http' },
    { path: '/v1/charges' },
    { rule: 'refunds' },
    { port: 8443 },
  ]) {
    expect(await changed(read, 0, part), JSON.stringify(part)).toBe('journal.contract');
  }
  expect(await changed(read, 0, { rule: undefined })).toBe('journal.contract');
  const reduced = { path: '', address: undefined };
  expect(await changed(read, 0, reduced)).toBeUndefined();
  expect(await changed(read, 0, { path: '' })).toBeUndefined();
});

test('bodies are what their names say, and all that the journal names', async () => {
  const bodies = (change: (given: Map<Digest, Uint8Array>) => Uint8Array) =>
    rulesOf(approvedWrite, { bodies: change });
  expect(await bodies(bodiesBytes)).toEqual([]);
  const dropped = await bodies((given) => bodiesBytes(new Map([...given].slice(1))));
  expect(dropped).toEqual(['bodies.missing']);
  const swapped = await bodies((given) => {
    const [a, b] = [...given.keys()];
    const bytes = [...given.values()];
    return bodiesBytes(
      new Map([a, b].map((name, i) => [name as Digest, bytes[1 - i] as Uint8Array])),
    );
  });
  expect(swapped).toContain('bodies.digest');
  expect(await bodies(() => new Uint8Array(100))).toContain('bodies.tar');
  const link = await bodies((given) => {
    const tar = bodiesBytes(given);
    tar[156] = 0x32;
    return tar;
  });
  expect(link).toContain('bodies.tar');
  const body = new TextEncoder().encode('x');
  const elsewhere = writeTar([{ path: `sha512/${(await digestOf(body)).slice(7)}`, bytes: body }]);
  expect(await bodies(() => elsewhere)).toContain('bodies.digest');
});

test('the same bodies may be those of two actions, a journal never', async () => {
  expect((await verifyTold([read, read])).rules).toEqual([]);
  let first: Records | undefined;
  const { rules } = await verifyTold([read, read], {
    journal: (records) => {
      first ??= [...records];
      return first;
    },
  });
  expect(rules).toEqual(['journal.agrees']);
});

test('an artifact that hides among the modules is checked all the same', async () => {
  const log = await honestLog(['approvedWrite']);
  const files = filesOf(await wholeBundle(log));
  const path = [...files.keys()].find((name) => {
    const text = new TextDecoder().decode(files.get(name));
    return name.startsWith('artifacts/') && text.startsWith('[{"address"');
  });
  const bytes = files.get(path ?? '') ?? new Uint8Array();
  files.delete(path ?? '');
  const place = modulePath(await digestOf(bytes));
  files.set(place, bytes);
  const { verifierKey: pin } = await logKey();
  expect(await verifyBundle(await pack(files), { pin })).toMatchObject({ verdict: 'verified' });
  files.set(
    place,
    bytes.map((byte) => byte ^ 1),
  );
  const report = await verifyBundle(await pack(files), { pin });
  expect(report.findings.map(({ rule }) => rule)).toContain('plugin.digest');
});

test('hostile journals cost what their bytes cost, and nothing throws', async () => {
  const many = (records: Records) => Array.from({ length: 20_000 }, () => ({ ...records[0] }));
  const odd = () => Array.from({ length: 100_000 }, () => ({}));
  for (const journal of [many, odd]) {
    const started = process.cpuUsage();
    const { report } = await verifyTold(read, { journal });
    expect(report.verdict).toBe('falsified');
    expect(cpuMs(started)).toBeLessThan(5_000);
  }
});

test('the body of a request is the same in journal and log, kept, and never changed by an answer', async () => {
  const sent = '{"amount":7}';
  const write: OrderedTell = async (action) => {
    await approved(action);
    await action.answer(await action.intend('keyed', undefined, sent));
    await action.succeed();
  };
  expect(await rulesOf(write)).toEqual([]);
  expect(await changed(write, 0, { requestBodyDigest: digest })).toBe('journal.intended');
  expect(await changed(write, 0, { requestBodyDigest: undefined })).toBe('journal.intended');
  const name = await digestOf(new TextEncoder().encode(sent));
  const without = (given: ReadonlyMap<Digest, Uint8Array>) =>
    bodiesBytes(new Map([...given].filter(([one]) => one !== name)));
  expect(await rulesOf(write, { bodies: without })).toEqual(['bodies.missing']);
  const changedByAnswer: OrderedTell = async (action) => {
    await approved(action);
    const call = await action.intend('keyed', undefined, sent);
    await action.finish('lost', 'answer.lost');
    await action.start();
    await action.intend('keyed', call);
    await action.answer(call);
    const [record] = action.records;
    if (record) action.records[0] = { ...record, requestBodyDigest: digest };
    await action.succeed();
  };
  expect(await rulesOf(changedByAnswer)).toContain('journal.extends');
});
