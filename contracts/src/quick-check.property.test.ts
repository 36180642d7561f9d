import { expect, test } from 'bun:test';
import fc from 'fast-check';
import * as v from 'valibot';
import { ActionOrderSchema, ORDER_MEDIA_TYPE } from './action-order.ts';
import { ApprovalStatementSchema, STATEMENT_MEDIA_TYPE } from './approval-statement.ts';
import { BundleManifestSchema } from './bundle-layout.ts';
import { canonicalText, type JsonValue } from './canonical-json.ts';
import { ENTRY_DATA_SCHEMAS } from './entry-data.ts';
import { EntrySchema } from './evidence-entry.ts';
import { JOURNAL_MEDIA_TYPE, JournalArtifactSchema } from './journal-artifact.ts';
import { plainRecord } from './plain-record.ts';
import { type QuickCheck, quickCheck } from './quick-check.ts';
import { honestLog, wholeBundle } from './testing/honest-log.ts';
import { filesOf } from './testing/repackage.ts';
import { runCount } from './testing/run-count.ts';

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const honest = await honestLog();
const entries = honest.log.entries.map((bytes) => JSON.parse(text(bytes)));

type Sample = readonly [schema: v.GenericSchema, value: unknown];

/** What an honest bundle holds, each with its schema. */
const samples: Sample[] = [
  [BundleManifestSchema, JSON.parse(text(filesOf(await wholeBundle(honest)).get('manifest.json')))],
];
const documents: Readonly<Record<string, v.GenericSchema>> = {
  [ORDER_MEDIA_TYPE]: ActionOrderSchema,
  [STATEMENT_MEDIA_TYPE]: ApprovalStatementSchema,
  [JOURNAL_MEDIA_TYPE]: JournalArtifactSchema,
};
for (const entry of entries) {
  samples.push([EntrySchema, entry]);
  const schema = (ENTRY_DATA_SCHEMAS as Readonly<Record<string, v.GenericSchema>>)[entry.type];
  if (schema) samples.push([schema, entry.data]);
  for (const { digest, mediaType } of entry.artifacts) {
    const bytes = honest.artifacts.get(digest);
    const kind = documents[mediaType];
    if (bytes && kind) samples.push([kind, JSON.parse(text(bytes))]);
  }
}

const checks = new Map<v.GenericSchema, QuickCheck>();
function checkOf(schema: v.GenericSchema): QuickCheck {
  const check = checks.get(schema) ?? quickCheck(schema);
  checks.set(schema, check);
  return check;
}

test('what an honest bundle holds passes without valibot', () => {
  for (const [schema, value] of samples) {
    expect(checkOf(schema)(value), JSON.stringify(value)).toBe(true);
  }
});

const odd = fc.oneof(
  fc.jsonValue().filter(hasCanonicalText),
  fc.constantFrom('', 'sha256:', '__proto__', -1, 0.5, 2 ** 31, null, [], {}, true),
);
const names = fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'x', 'entries');

/** Nothing else comes out of what a bundle holds. */
function hasCanonicalText(value: unknown): boolean {
  try {
    return canonicalText(value) !== '';
  } catch {
    return false;
  }
}

/** Puts `other` into one place of the value, takes that place away, or gives it another name. */
function changed(value: unknown, pick: number, other: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return other;
  const copy = structuredClone(value) as Record<string, unknown>;
  const keys = Object.keys(copy);
  const key = keys[pick % (keys.length + 1)];
  const define = (at: string, item: unknown) =>
    Object.defineProperty(copy, at, {
      ...{ value: item, enumerable: true, configurable: true, writable: true },
    });
  if (key === undefined) return Array.isArray(value) ? [...value, other] : define(name, other);
  const next = Math.floor(pick / (keys.length + 1));
  if (next % 3 === 0) copy[key] = other;
  else if (next % 3 === 1) copy[key] = changed(copy[key], Math.floor(next / 3), other, name);
  else if (Array.isArray(copy)) copy.splice(Number(key), 1);
  else delete copy[key];
  return copy;
}

test('what passes without valibot is what valibot takes, and gives back as it is', () => {
  fc.assert(
    fc.property(fc.nat(samples.length - 1), fc.nat(), odd, names, (at, pick, other, name) => {
      const [schema, value] = samples[at] ?? [v.unknown(), null];
      const lie = changed(value, pick, other, name);
      if (!checkOf(schema)(lie)) return;
      const parsed = v.safeParse(schema, lie);
      expect(parsed.success).toBe(true);
      expect(canonicalText(parsed.output as JsonValue)).toBe(canonicalText(lie));
    }),
    { seed: 20_261_128, numRuns: runCount(1_000, 100_000) },
  );
});

test('what would come back as another value is left to valibot', () => {
  const cases: readonly Sample[] = [
    [v.strictObject({ a: v.optional(v.number(), 1) }), {}],
    [v.pipe(v.string(), v.trim()), ' a'],
    [v.object({ a: v.number() }), { a: 1, b: 2 }],
    [
      v.pipe(
        v.string(),
        v.transform((one) => one.length),
      ),
      'a',
    ],
    [plainRecord(v.string(), v.number()), JSON.parse('{"__proto__":1}')],
    [v.looseObject({}), JSON.parse('{"constructor":1}')],
  ];
  for (const [schema, value] of cases) expect(quickCheck(schema)(value)).toBe(false);
});

test('a part that recurs is looked at once, and another one is looked at', () => {
  let looks = 0;
  const part = v.pipe(
    v.number(),
    v.check((one) => {
      looks++;
      return one < 5;
    }),
  );
  const check = quickCheck(v.array(part), [part]);
  expect(check([1, 1, 1, 2])).toBe(true);
  expect(looks).toBe(2);
  expect(check([1, 9])).toBe(false);
  expect(check([9])).toBe(false);
});
