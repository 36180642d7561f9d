import { expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Digest } from './digest.ts';
import { bodiesBytes, type JournalArtifactRecord } from './journal-artifact.ts';
import { ORDERED_STORIES } from './testing/ordered-stories.ts';
import type { EntryObject } from './testing/repackage.ts';
import { runCount } from './testing/run-count.ts';
import { type Lie, verifyTold } from './testing/told-log.ts';

/**
 * Lies of a Control Plane that holds the log's key: each is hashed, chained, counted and signed as if it
 * were true, so that only what artifacts and entries say of one another can show it.
 */
type StoryName = keyof typeof ORDERED_STORIES;
interface Telling {
  readonly stories: readonly StoryName[];
  readonly lie: (pick: number, other: number) => Lie;
}

const digest = `sha256:${'a'.repeat(64)}` as const;
const attempt = 'att_019b76da80007000800000000000aaaa';
const WRITES: readonly StoryName[] = ['approvedWrite', 'quorumOfTwo', 'resent', 'sentAgain'];
const one = <T>(list: readonly T[], pick: number): T => list[pick % list.length] as T;

/** Puts one of `changes` over the value. */
const over =
  (changes: readonly object[], pick: number) =>
  <T extends object>(value: T) => ({ ...value, ...one(changes, pick) });

/** Changes one of the records for which there is such a change. */
const inJournal =
  (change: (record: JournalArtifactRecord, pick: number) => object | undefined): Telling['lie'] =>
  (pick, other) => ({
    journal: (records) => {
      const able = records.filter((record) => change(record, other) !== undefined);
      if (able.length === 0) return records;
      const chosen = one(able, pick);
      return records.map((record) =>
        record === chosen ? { ...record, ...change(record, other) } : record,
      );
    },
  });

/** Changes one of the entries of that type. */
const inEntries =
  (type: string, change: (entry: EntryObject, list: EntryObject[]) => void): Telling['lie'] =>
  (pick) => ({
    rewrite: (list) => {
      const able = list.filter((entry) => entry.type === type);
      if (able.length > 0) change(one(able, pick), list);
    },
  });
const data = (change: object) => (entry: EntryObject) => {
  Object.assign(entry.data as EntryObject, change);
};
const drop = (entry: EntryObject, list: EntryObject[]) => {
  list.splice(list.indexOf(entry), 1);
};

const isWrite = ({ method }: JournalArtifactRecord) => method !== 'GET';

const LIES: Readonly<Record<string, Telling>> = {
  'the order is about something else': {
    stories: WRITES,
    lie: (pick) => ({
      order: over(
        [
          { workspace: 'other' },
          { action: 'act_019b76da80007000800000000000aaaa' },
          { plugin: { name: 'stripe-refunds', version: '1.2.0', digest } },
          { moduleDigest: digest },
          { operation: { name: 'o', export: 'o', effect: 'write', encoding: 'json' } },
          { inputDigest: digest },
          { contract: { plugin: [], operator: [], networks: [], approval: [] } },
          { seed: '' },
        ],
        pick,
      ),
    }),
  },
  'people approved something else': {
    stories: WRITES,
    lie: (pick) => ({
      statement: over(
        [
          { workspace: 'other' },
          { action: 'act_019b76da80007000800000000000aaaa' },
          { plugin: digest },
          { operation: 'other' },
          { inputDigest: digest },
          { contractDigest: digest },
          { effect: 'destructive' },
          { credentials: [] },
          { limits: { wallMs: 1 } },
          { tier: 'auto' },
          { policyVersion: 8 },
          { executeBefore: '2025-12-31T00:00:00.000Z' },
        ],
        pick,
      ),
    }),
  },
  'the approval digest is another': {
    stories: WRITES,
    lie: () => ({
      rewrite: (list) => {
        for (const { type, data: of } of list)
          if (String(type).startsWith('approval.')) (of as EntryObject).approvalDigest = digest;
      },
    }),
  },
  'one person approves for two': {
    stories: ['quorumOfTwo'],
    lie: inEntries('approval.granted', data({ by: 'person-1' })),
  },
  'fewer people approve than had to': {
    stories: ['quorumOfTwo'],
    lie: (pick) => inEntries(one(['approval.endorsed', 'approval.granted'], pick), drop)(pick, 0),
  },
  'nobody approves': { stories: WRITES, lie: inEntries('approval.granted', drop) },
  'nobody was asked': { stories: WRITES, lie: inEntries('approval.requested', drop) },
  'an intention is hidden': { stories: WRITES, lie: inEntries('egress.intended', drop) },
  'an answer is hidden': { stories: WRITES, lie: inEntries('egress.answered', drop) },
  'a denial is hidden': { stories: ['refused'], lie: inEntries('egress.denied', drop) },
  'the start of an attempt is hidden': { stories: WRITES, lie: inEntries('attempt.started', drop) },
  'the end of an attempt is hidden': { stories: WRITES, lie: inEntries('attempt.finished', drop) },
  'a person’s word is hidden': { stories: ['sentAgain'], lie: inEntries('action.resolved', drop) },
  'a write is told as another': {
    stories: WRITES,
    lie: (pick, other) =>
      inEntries(
        'egress.intended',
        data(
          one(
            [
              { requestDigest: digest },
              { host: 'evil.example.com' },
              { path: '/v1/payouts' },
              { port: 8443 },
              { method: 'DELETE' },
              { credential: 'cred_019b76da80007000800000000000bbbb' },
              { attempt },
              { call: 900 },
            ],
            other,
          ),
        ),
      )(pick, 0),
  },
  'an answer is told as another': {
    stories: ['approvedWrite', 'quorumOfTwo', 'resent', 'sentAgain'],
    lie: (pick, other) =>
      inEntries(
        'egress.answered',
        data(
          one([{ status: 418 }, { responseDigest: digest }, { call: 900 }, { sent: true }], other),
        ),
      )(pick, 0),
  },
  'an unkeyed write is intended twice': {
    stories: ['quorumOfTwo'],
    lie: inEntries('egress.intended', (entry, list) => {
      const copy = structuredClone(entry);
      (copy.data as EntryObject).resend = true;
      list.splice(list.indexOf(entry), 0, structuredClone(entry));
      list[list.indexOf(entry)] = copy;
    }),
  },
  'a record of the journal is another': {
    stories: [...WRITES, 'read', 'refused'],
    lie: inJournal((_record, pick) =>
      one(
        [
          { requestDigest: digest, call: 77 },
          { host: 'evil.example.com', verdict: 'denied' },
          { attempt },
          { call: 99 },
          { rule: 'other', verdict: 'open', method: 'PUT' },
        ],
        pick,
      ),
    ),
  },
  'a write of the journal is another': {
    stories: WRITES,
    lie: inJournal((record, pick) =>
      isWrite(record)
        ? one(
            [{ requestDigest: digest }, { path: '/v1/other' }, { method: 'GET' }, { rule: 'x' }],
            pick,
          )
        : undefined,
    ),
  },
  'two records of the journal change places': {
    stories: ['approvedWrite', 'resent', 'sentAgain', 'read'],
    lie: (pick) => ({
      journal: (records) => {
        if (records.length < 2) return records;
        const at = pick % (records.length - 1);
        return [
          ...records.slice(0, at),
          ...records.slice(at, at + 2).toReversed(),
          ...records.slice(at + 2),
        ];
      },
    }),
  },
  'a record of the journal is left out': {
    stories: WRITES,
    lie: (pick) => ({
      journal: (records) => records.filter((_, i) => i !== pick % records.length),
    }),
  },
  'a body is missing or another': {
    stories: ['approvedWrite', 'read', 'sentAgain'],
    lie: (pick, other) => ({
      bodies: (bodies) => {
        const chosen = one([...bodies.keys()], pick) as Digest;
        if (other % 2 === 0) bodies.delete(chosen);
        else bodies.set(chosen, new TextEncoder().encode('other'));
        return bodiesBytes(bodies);
      },
    }),
  },
  'the action ends otherwise than its write': {
    stories: ['resolvedFailed'],
    lie: (pick) => ({
      rewrite: (list) => {
        list.splice(-2, 1);
        const last = list.at(-1);
        const type = one(['action.failed', 'action.cancelled', 'action.succeeded'], pick);
        Object.assign(last ?? {}, { type, data: { entries: 0 } });
      },
    }),
  },
};

for (const [name, { stories, lie }] of Object.entries(LIES)) {
  test(`verification fails when ${name}, signed with the log’s own key`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...stories),
        fc.nat(),
        fc.nat(),
        async (story, pick, other) => {
          const { report } = await verifyTold(ORDERED_STORIES[story], lie(pick, other));
          expect(report.verdict).toBe('falsified');
          expect(report.findings.every(({ seq }) => seq !== undefined)).toBe(true);
          expect(
            report.findings.every(({ rule }) =>
              /^(order|approval|egress|journal|bodies|action|entry)\./.test(rule),
            ),
          ).toBe(true);
        },
      ),
      { seed: 20_261_123, numRuns: runCount(20, 200) },
    );
  });
}
