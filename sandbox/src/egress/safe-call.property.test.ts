import { expect, test } from 'bun:test';
import { type EgressCall, EgressCallSchema } from '@portarium/contracts/internal-api';
import fc from 'fast-check';
import * as v from 'valibot';
import { reducedCall, safeCall } from './safe-call.ts';

const SEED = 20_261_122;
const CONTROL = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** Text in UTF-16 code units of any kind: lone surrogates, NUL, bidirectional marks. */
const hostile = fc
  .tuple(
    fc.array(fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 0xd83d, 0x202e, 0x41)), {
      maxLength: 40,
    }),
    fc.nat(3_000),
  )
  .map(([units, repeat]) => String.fromCharCode(...units) + 'x'.repeat(repeat));

const call: fc.Arbitrary<EgressCall> = fc
  .record({
    method: hostile,
    scheme: hostile,
    host: hostile,
    path: hostile,
    rule: hostile,
    reason: hostile,
    layer: hostile,
    address: hostile,
    responseHeaders: fc.dictionary(
      fc.oneof(hostile, fc.constantFrom('__proto__', 'constructor', 'prototype', 'x-a', '1')),
      fc.oneof(hostile, fc.constant('v'.repeat(16_384)), fc.constant('v'.repeat(16_385))),
      { maxKeys: 12 },
    ),
  })
  .map((texts) => ({
    ...texts,
    call: 0,
    port: 1,
    verdict: 'denied' as const,
    requestDigest: `sha256:${'0'.repeat(64)}` as EgressCall['requestDigest'],
    bytesOut: 0,
    bytesIn: 0,
    ms: 0.25,
  }));

test('whatever the texts of a call are, its record is one that the Control Plane takes', () => {
  fc.assert(
    fc.property(call, (given) => {
      for (const record of [safeCall(given), reducedCall(given)]) {
        v.parse(EgressCallSchema, record);
        for (const text of Object.values(record)) {
          if (typeof text !== 'string') continue;
          expect([text, text.isWellFormed(), CONTROL.test(text)]).toEqual([text, true, false]);
        }
      }
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test('headers that can be stored are kept as they are, in the order of their names', () => {
  const [sample] = fc.sample(call, { seed: SEED, numRuns: 1 });
  if (!sample) throw new Error('no sample');
  const responseHeaders = { 'x-b': 'gr\u00fcn', 'x-a': '', constructor: '1', 'x-nul': 'a\0b' };
  const record = safeCall({ ...sample, responseHeaders });
  expect(Object.entries(record.responseHeaders ?? {})).toEqual([
    ['x-a', ''],
    ['x-b', 'gr\u00fcn'],
  ]);
  expect(safeCall(record)).toEqual(record);
  expect(reducedCall(record).responseHeaders).toEqual(record.responseHeaders ?? {});
  const big = Object.fromEntries(
    ['a', 'b', 'c', 'd', 'e'].map((name) => [name, 'v'.repeat(16_000)]),
  );
  const bounded = safeCall({ ...sample, responseHeaders: big }).responseHeaders ?? {};
  expect(Object.keys(bounded)).toEqual(['a', 'b', 'c', 'd']);
});

test('a method that is not a plain word is shown as a question mark', () => {
  const [sample] = fc.sample(call, { seed: SEED, numRuns: 1 });
  if (!sample) throw new Error('no sample');
  for (const [method, shown] of [
    ['GET', 'GET'],
    ['get', '?'],
    ['GET\u0000', '?'],
    [`${'A'.repeat(15)}\u{1f600}`, '?'],
    ['A'.repeat(17), '?'],
    ['', '?'],
  ] as const) {
    expect(safeCall({ ...sample, method }).method).toBe(shown);
  }
});

test('a reduced call keeps digests, counts and verdict, and nothing that a guest wrote freely', () => {
  const [sample] = fc.sample(call, { seed: SEED, numRuns: 1 });
  if (!sample) throw new Error('no sample');
  const reduced = reducedCall({ ...sample, host: 'evil host', path: '/secret', bytesOut: 7 });
  expect(reduced).toMatchObject({
    call: 0,
    verdict: 'denied',
    requestDigest: sample.requestDigest,
    bytesOut: 7,
    host: '',
    path: '',
  });
  expect(reducedCall({ ...sample, host: 'api.example.com' }).host).toBe('api.example.com');
});
