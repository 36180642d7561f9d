import { expect, test } from 'bun:test';
import * as v from 'valibot';
import { unknownField, violationsOf } from './violations.ts';

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
    { pointer: '/name', message: 'expected text' },
    { pointer: '/count', message: 'this field is missing' },
  ]);
});

test('types and choices are told in words, and a field that is nearly known by what was meant', () => {
  const entries = { methods: v.array(v.string()), scheme: v.picklist(['https', 'http']) };
  const Rule = v.strictObject(entries, unknownField(entries));
  const said = (value: unknown) =>
    violationsOf(v.safeParse(Rule, value).issues ?? []).map(({ message }) => message);
  expect(said({ methods: 'GET', scheme: 'ftp' })).toEqual([
    'expected a list',
    'expected one of "https", "http"',
  ]);
  const rule = { methods: [], scheme: 'http' };
  expect(said({ ...rule, Method: 1 })).toEqual([
    'this field is not known here; did you mean “methods”?',
  ]);
  expect(said({ ...rule, zone: 2 })).toEqual(['this field is not known here']);
  expect(said({ methods: [] })).toEqual(['this field is missing']);
  expect(said('x')).toEqual(['expected an object']);
});

test('what two checks say of one place in the same words is told once', () => {
  const twice = v.pipe(v.string(), v.minLength(1, 'too short'), v.nonEmpty('too short'));
  expect(violationsOf(v.safeParse(twice, '').issues ?? [])).toHaveLength(1);
});
