import { expect, test } from 'bun:test';
import * as v from 'valibot';
import { violationsOf } from './violations.ts';

const Schema = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1)),
  count: v.pipe(v.number(), v.maxValue(10)),
});

test('each place is named with what was expected there, and never with what was sent', () => {
  const parsed = v.safeParse(Schema, { name: '', count: 99, secret: 'sk_test' });
  expect(violationsOf(parsed.issues ?? [])).toEqual([
    { pointer: '/name', message: 'expected a length >=1' },
    { pointer: '/count', message: 'expected a value <=10' },
    { pointer: '/secret', message: 'this field is not known here' },
  ]);
  const missing = v.safeParse(Schema, { name: 7 });
  expect(violationsOf(missing.issues ?? [])).toEqual([
    { pointer: '/name', message: 'expected string' },
    { pointer: '/count', message: 'this field is missing' },
  ]);
});
