import { expect, test } from 'bun:test';
import { type JsonSchema, validateJson } from './json-schema.ts';
import { compilePattern } from './schema-pattern.ts';
import { cpuMs } from './testing/cpu-ms.ts';

const valid = (schema: JsonSchema, value: unknown) => validateJson(schema, value).length === 0;

/** Schema, values that fit, values that do not. */
const CASES: readonly (readonly [string, JsonSchema, readonly unknown[], readonly unknown[]])[] = [
  ['booleans', true, [1, null], []],
  ['refusal', false, [], [1, null]],
  ['types', { type: 'integer' }, [1, -0, 1.0], [1.5, '1', null]],
  ['several types', { type: ['string', 'null'] }, ['a', null], [1, [], {}]],
  ['constants', { const: { a: [1] } }, [{ a: [1] }], [{ a: [2] }, null]],
  ['enumerations', { enum: ['a', 1, null, { b: 1 }] }, ['a', 1, null, { b: 1 }], ['b', '1', {}]],
  ['numbers', { minimum: 1, exclusiveMaximum: 3, multipleOf: 0.1 }, [1, 2.9, 'x'], [0.9, 3, 1.05]],
  ['lengths in code points', { minLength: 2, maxLength: 3 }, ['ab', '😀😀😀'], ['a', '😀', 'abcd']],
  ['patterns', { pattern: '^[a-z]+-\\d{2,3}$' }, ['ab-12', 7], ['ab-1', 'AB-12', 'ab-1234']],
  [
    'arrays',
    { items: { type: 'number' }, prefixItems: [{ type: 'string' }], minItems: 1, maxItems: 3 },
    [['a'], ['a', 1, 2]],
    [[], [1], ['a', 'b'], ['a', 1, 2, 3]],
  ],
  [
    'unique items',
    { uniqueItems: true },
    [[1, '1', { a: 1, b: 2 }], []],
    [
      [1, 1],
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
    ],
  ],
  ['contents', { contains: { const: 1 } }, [[2, 1]], [[2], []]],
  [
    'objects',
    { properties: { a: { type: 'number' } }, required: ['a'], additionalProperties: false },
    [{ a: 1 }],
    [{}, { a: 'x' }, { a: 1, b: 2 }],
  ],
  [
    'pattern properties',
    { patternProperties: { '^x-': { type: 'string' } }, additionalProperties: { type: 'number' } },
    [{ 'x-a': 'b', c: 1 }],
    [{ 'x-a': 1 }, { c: 'd' }],
  ],
  [
    'property names and counts',
    { propertyNames: { maxLength: 2 }, maxProperties: 1 },
    [{ ab: 1 }],
    [{ abc: 1 }, { a: 1, b: 2 }],
  ],
  [
    'dependencies',
    { dependentRequired: { card: ['name'] } },
    [{}, { card: 1, name: 2 }],
    [{ card: 1 }],
  ],
  [
    'combinations',
    { allOf: [{ type: 'number' }], anyOf: [{ minimum: 5 }, { maximum: 1 }], not: { const: 7 } },
    [6, 0],
    [3, 7, 'x'],
  ],
  ['exactly one', { oneOf: [{ type: 'number' }, { minimum: 2 }] }, [1, 'x'], [3]],
  [
    'conditions',
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    { if: { type: 'string' }, then: { minLength: 2 }, else: { type: 'number' } },
    ['ab', 1],
    ['a', null],
  ],
  ['references', { $ref: '#/$defs/a~1b', $defs: { 'a/b': { type: 'string' } } }, ['x'], [1]],
  [
    'recursion',
    { properties: { next: { $ref: '#' } }, additionalProperties: false },
    [{}, { next: { next: {} } }],
    [{ next: { other: 1 } }],
  ],
  ['a reference that leads nowhere', { $ref: '#/$defs/none' }, [], [1, {}]],
  [
    'names of the prototype',
    { properties: { constructor: { type: 'string' } }, required: ['toString'] },
    [{ toString: 1 }],
    [{}, { toString: 1, constructor: 1 }],
  ],
];

for (const [name, schema, good, bad] of CASES) {
  test(`the schema subset has ${name}`, () => {
    for (const value of good) expect([value, validateJson(schema, value)]).toEqual([value, []]);
    for (const value of bad) expect([value, valid(schema, value)]).toEqual([value, false]);
  });
}

test('a violation points at what is wrong and does not repeat the value', () => {
  const schema = { properties: { 'a/b': { items: { type: 'number' } } } };
  expect(validateJson(schema, { 'a/b': [1, 'secret'] })).toEqual([
    { pointer: '/a~1b/1', message: 'expected number, got string' },
  ]);
});

/** Schemas and values that cost exponential or quadratic time in an interpreter without a budget. */
const doubling = {
  anyOf: [
    { properties: { n: { $ref: '#' } }, required: ['x'] },
    { properties: { n: { $ref: '#' } }, required: ['y'] },
  ],
};
let nested: unknown = {};
for (let i = 0; i < 60; i++) nested = { n: nested };
const HOSTILE: readonly (readonly [string, JsonSchema, unknown])[] = [
  ['references that double at each level', doubling, nested],
  ['a reference to itself', { $ref: '#' }, 1],
  [
    'two references to each other',
    { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } },
    1,
  ],
  ['backtracking patterns', { pattern: '(a+)+$|a*a*a*a*a*b' }, `${'a'.repeat(400_000)}!`],
  [
    'unique items by the hundred thousand',
    { uniqueItems: true, items: { enum: Array.from({ length: 500 }, (_, i) => i) } },
    Array.from({ length: 200_000 }, () => 499),
  ],
];

for (const [name, schema, value] of HOSTILE) {
  test(`validation stays bounded with ${name}`, () => {
    const started = process.cpuUsage();
    validateJson(schema, value);
    // Generous: without the bound these run for hours.
    expect(cpuMs(started)).toBeLessThan(20_000);
  });
}

test('a value that costs more than the budget is refused, not passed', () => {
  const violations = validateJson(
    { items: {} },
    Array.from({ length: 100 }, () => 1),
    50,
  );
  expect(violations).toEqual([
    { pointer: '', message: 'checking this against its schema takes more than 50 steps' },
  ]);
});

test('look-around and back-references are no patterns here', () => {
  for (const pattern of ['(?=a)b', '(a)\\1', '(?<!a)b', '('])
    expect(typeof compilePattern(pattern)).toBe('string');
  expect(typeof compilePattern('^[a-z]{1,20}$')).toBe('object');
});

/** The worst that admission lets in, against values of the size that a caller may send. */
const MiB8 = 8 * 1024 * 1024;
const many = <T>(count: number, make: (i: number) => T) =>
  Array.from({ length: count }, (_, i) => make(i));
const random = (length: number) => {
  let seed = 7;
  return many(length, () => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
    return seed & 0x10000 ? 'a' : 'b';
  }).join('');
};
const named = (count: number, make: (i: number) => string) =>
  Object.fromEntries(many(count, (i) => [make(i), true]));
const EXPENSIVE: readonly (readonly [string, () => JsonSchema, () => unknown])[] = [
  [
    'a pattern above the bound',
    () => ({ pattern: '(?:[ab]?){1000}[^ab]$' }),
    () => random(200_000),
  ],
  ['a long text', () => ({ pattern: '(?:[ab]?){490}[^ab]$' }), () => random(MiB8)],
  [
    'an automaton that explodes',
    () => ({ pattern: '[ab]*a[ab]{490}[cd]?$' }),
    () => random(19_000),
  ],
  [
    'patterns beyond the cache',
    () => ({ patternProperties: named(1_200, (i) => `(?:[a-z]?){900}k${i}`) }),
    () => ({ abc: 1, def: 2 }),
  ],
  [
    'classes that are slow to compile',
    () => ({ patternProperties: named(64, (i) => `${'\\pL'.repeat(84)}${i}`) }),
    () => ({ a: 1 }),
  ],
  ['small numbers', () => ({ items: { type: 'number' } }), () => many(MiB8 / 2, () => 1)],
  [
    'schemas that look at nothing',
    () => ({ allOf: many(5_000, () => ({ prefixItems: [] })) }),
    () => many(MiB8 / 2, () => 1),
  ],
  [
    'dependencies',
    () => ({ items: { dependentRequired: Object.fromEntries(many(3_000, (i) => [`k${i}`, []])) } }),
    () => many(MiB8 / 3, () => ({})),
  ],
  [
    'code points',
    () => ({ allOf: many(2_000, () => ({ maxLength: MiB8 / 2 })) }),
    () => '😀a'.repeat(MiB8 / 5),
  ],
  [
    'a name of megabytes',
    () => ({ allOf: many(4_000, () => ({ additionalProperties: true })) }),
    () => ({ ['~/'.repeat(MiB8 / 2)]: 1 }),
  ],
  [
    'unique items again and again',
    () => ({ allOf: many(2_000, () => ({ uniqueItems: true })) }),
    () => many(MiB8 / 12, (i) => ({ a: i })),
  ],
];

for (const [name, schema, value] of EXPENSIVE) {
  test(`the worst value takes about a second at most: ${name}`, () => {
    const [rules, input] = [schema(), value()];
    const started = process.cpuUsage();
    validateJson(rules, input);
    // Measured: 0.4 s on two cores; without the costs 3 s to minutes.
    expect(cpuMs(started)).toBeLessThan(4_000);
  });
}

test('steps count the same whether a pattern was compiled before or not', () => {
  const schema = { pattern: '^[a-f]{1,30}$' };
  const least = (steps: number) => validateJson(schema, 'abc', steps).length === 0;
  const first = many(20_000, (i) => i).find(least);
  expect(first).toBeGreaterThan(1_000);
  for (let i = 0; i < 300; i++) compilePattern(`other${i}`);
  expect(many(20_000, (i) => i).find(least)).toBe(first);
});

test('patterns with large programs or flags are refused, and say why', () => {
  expect(compilePattern('(?:[ab]?){1000}')).toContain('instructions, at most 1000');
  expect(compilePattern('a'.repeat(257))).toContain('longer than 256');
  for (const pattern of ['(?i)a', 'b(?s:a)', '(?i-s)a', '\\\\(?i)a']) {
    expect(compilePattern(pattern)).toContain('flags');
  }
  for (const pattern of ['(?:a)', '(?P<name>a)', '(\\(?i)', '^[a-z]{1,63}(\\.[a-z]{1,63}){0,4}$']) {
    expect(typeof compilePattern(pattern), pattern).toBe('object');
  }
});

test('a cached pattern that is in use outlives those that are not', () => {
  const used = compilePattern('^used$');
  for (let i = 0; i < 1_000; i++) {
    compilePattern(`^unused${i}$`);
    if (i % 100 === 0) expect(compilePattern('^used$')).toBe(used);
  }
});
