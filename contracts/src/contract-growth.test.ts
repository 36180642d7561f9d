import { expect, setDefaultTimeout, test } from 'bun:test';
import fc from 'fast-check';
import * as v from 'valibot';
import {
  type GrowthStatement,
  GrowthStatementSchema,
  growthDigest,
  growthLine,
  growthOf,
} from './contract-growth.ts';
import { decideEgress, type EgressRequest, type EgressRule } from './egress-rule.ts';
import { type Manifest, type ManifestInput, ManifestSchema } from './manifest.ts';
import { runCount } from './testing/run-count.ts';

// The large counts of `test --full` take longer than a test may otherwise.
setDefaultTimeout(120_000);

const RULE: EgressRule = {
  id: 'refunds',
  methods: ['GET', 'POST'],
  scheme: 'https',
  host: 'api.example.com',
  port: 443,
  path: '/v1/{kind}/**',
  query: ['limit', 'cursor'],
  headers: ['accept', 'content-type', 'x-trace'],
  contentTypes: ['application/json'],
  credential: 'stripe',
  idempotency: { header: 'Idempotency-Key', retentionHours: 24 },
  maxCalls: 3,
  maxBytes: 1_000,
  maxPerMinute: 60,
};

const INPUT = {
  type: 'object',
  required: ['amount'],
  properties: {
    amount: { type: 'integer', 'x-policy': true },
    note: { type: 'string', 'x-policy': true },
  },
};

function manifest(change: Partial<ManifestInput> = {}): Manifest {
  return v.parse(ManifestSchema, {
    schema: 1,
    name: 'refunds',
    version: '1.0.0',
    operations: [
      { name: 'refund', export: 'refund', effect: 'write', input: INPUT },
      { name: 'look', export: 'look', effect: 'read' },
      { name: 'wipe', export: 'wipe', effect: 'destructive' },
    ],
    egress: [RULE],
    credentials: [{ slot: 'stripe', kind: 'bearer', host: 'api.example.com' }],
    limits: { egressCalls: 10, egressBytesOut: 1_000 },
    ...change,
  });
}

const BASE = manifest();
/** The lines of a version that differs from {@link BASE} so. */
const lines = (change: Partial<ManifestInput>) => growthOf(BASE, manifest(change)).map(growthLine);
const withRule = (change: Partial<EgressRule>) =>
  lines({ egress: [{ ...RULE, ...change } as EgressRule] });
const without = (field: keyof EgressRule) => {
  const { [field]: _, ...rest } = RULE;
  return lines({ egress: [rest as EgressRule] });
};
const withOperation = (name: string, change: object) =>
  lines({
    operations: BASE.operations.map((one) => (one.name === name ? { ...one, ...change } : one)),
  });

test('an equal contract has not grown, whatever else is new in the version', () => {
  expect(
    lines({ version: '2.0.0', description: 'other words', config: { a: { type: 'string' } } }),
  ).toEqual([]);
});

test.each<[string, Partial<EgressRule>, string]>([
  ['another method', { methods: ['GET', 'POST', 'DELETE'] }, 'methods'],
  ['another scheme', { scheme: 'http' }, 'scheme'],
  ['another host', { host: 'evil.example.com' }, 'host'],
  ['a wildcard for a host', { host: '*.example.com' }, 'host'],
  ['another port', { port: 8443 }, 'port'],
  ['a shorter path', { path: '/v1/**' }, 'path'],
  ['a parameter for a literal', { path: '/{version}/{kind}/**' }, 'path'],
  ['another literal', { path: '/v2/{kind}/**' }, 'path'],
  ['the path above', { path: '/v1/charges' }, 'path'],
  ['another query parameter', { query: ['limit', 'expand'] }, 'query'],
  ['another header', { headers: ['accept', 'x-other'] }, 'headers'],
  ['another content type', { contentTypes: ['text/plain'] }, 'contentTypes'],
  [
    'a longer retention',
    { idempotency: { header: 'Idempotency-Key', retentionHours: 25 } },
    'idempotency',
  ],
  ['another key', { idempotency: { header: 'X-Key', retentionHours: 24 } }, 'idempotency'],
  ['more calls', { maxCalls: 4 }, 'maxCalls'],
  ['more bytes', { maxBytes: 1_001 }, 'maxBytes'],
  ['more calls a minute', { maxPerMinute: 61 }, 'maxPerMinute'],
])('a rule with %s is wider', (_, change, field) => {
  expect(withRule(change)).toEqual([`rule-widened refunds: ${field}`]);
});

test.each([
  ['/v1/{id}', '/v1/**', true],
  ['/v1/{id}', '/v1/', true],
  ['/v1/{id}', '/v1/{id}/notes', true],
  ['/v1/**', '/v1', true],
  ['/v1/**', '/v1/', false],
  ['/v1/**', '/v1/{id}/**', false],
  ['/v1/{id}', '/v1/7', false],
  ['/v1/{id}', '/v1/{name}', false],
])('from path %s to path %s: %p', (before, after, grows) => {
  const of = (path: string) => manifest({ egress: [{ ...RULE, path }] });
  expect(growthOf(of(before), of(after)).length > 0).toBe(grows);
});

test('a budget that is gone is wider; a credential, key, query or list that is gone is not', () => {
  expect(without('maxCalls')).toEqual(['rule-widened refunds: maxCalls']);
  expect(without('maxBytes')).toEqual(['rule-widened refunds: maxBytes']);
  expect(without('maxPerMinute')).toEqual(['rule-widened refunds: maxPerMinute']);
  for (const field of ['credential', 'idempotency', 'query', 'headers', 'contentTypes'] as const) {
    expect(without(field)).toEqual([]);
  }
});

test('a rule that sets a credential or a key where none was is wider, and names both', () => {
  const { credential: _, idempotency: __, ...plain } = RULE;
  expect(growthOf(manifest({ egress: [plain as EgressRule] }), BASE)).toEqual([
    {
      kind: 'rule-widened',
      name: 'refunds',
      fields: ['credential', 'idempotency'],
      before: plain,
      after: RULE,
    },
  ]);
});

test('defaults are read as what they stand for', () => {
  const { headers: _, ...plain } = RULE;
  const before = manifest({ egress: [plain as EgressRule] });
  const after = (headers: string[]) => manifest({ egress: [{ ...RULE, headers }] });
  expect(growthOf(before, after(['content-type', 'accept']))).toEqual([]);
  expect(growthOf(before, after(['accept', 'x-trace'])).map(growthLine)).toEqual([
    'rule-widened refunds: headers',
  ]);
  expect(lines({ limits: {} })).toEqual([
    'limit-raised egressCalls',
    'limit-raised egressBytesOut',
  ]);
});

test('a rule with a new id is new, even when another covers it: budgets go by rule', () => {
  expect(lines({ egress: [RULE, { ...RULE, id: 'again' }] })).toEqual(['rule-added again']);
  expect(lines({ egress: [{ ...RULE, id: 'renamed' }] })).toEqual(['rule-added renamed']);
});

test.each<[string, string, object, string[]]>([
  ['what goes earlier', 'look', { retention: 'operational' }, ['retention-shortened look']],
  ['what is kept for longer', 'refund', { retention: 'forensic' }, []],
  ['a read that writes', 'look', { effect: 'write' }, ['effect-changed look']],
  ['a write that destroys', 'refund', { effect: 'destructive' }, ['effect-changed refund']],
  ['a destructive one called a write', 'wipe', { effect: 'write' }, ['effect-changed wipe']],
  ['a write called a read', 'refund', { effect: 'read' }, ['effect-changed refund']],
  [
    'attributes that policies no longer see',
    'refund',
    { encoding: 'text' },
    ['attributes-dropped refund: amount, note'],
  ],
  [
    'an attribute that may be left out',
    'refund',
    { input: { ...INPUT, required: [] } },
    ['attributes-dropped refund: amount'],
  ],
  [
    'an attribute that may be null',
    'refund',
    {
      input: {
        ...INPUT,
        properties: {
          ...INPUT.properties,
          amount: { type: ['integer', 'null'], 'x-policy': true },
        },
      },
    },
    ['attributes-dropped refund: amount'],
  ],
  [
    'an attribute of another type',
    'refund',
    {
      input: {
        ...INPUT,
        properties: {
          ...INPUT.properties,
          note: { type: 'array', items: { type: 'string' }, 'x-policy': true },
        },
      },
    },
    ['attributes-dropped refund: note'],
  ],
  [
    'an attribute with other words about it',
    'refund',
    {
      input: {
        ...INPUT,
        properties: {
          ...INPUT.properties,
          note: { type: 'string', description: 'why', 'x-policy': true },
        },
      },
    },
    [],
  ],
  [
    'an attribute that has to be there',
    'refund',
    { input: { ...INPUT, required: ['amount', 'note'] } },
    [],
  ],
])('%s: an operation that changes what people are asked about counts', (_, name, change, told) => {
  expect(withOperation(name, change)).toEqual(told);
});

test('a new operation counts, whatever it does; one that is gone does not', () => {
  const added = (effect: 'read' | 'write' | 'destructive', of = BASE) =>
    growthOf(
      of,
      manifest({
        operations: [...of.operations, { name: 'fresh', export: 'fresh', effect }],
      }),
    ).map(growthLine);
  expect(added('read')).toEqual(['operation-added fresh']);
  expect(added('write')).toEqual(['operation-added fresh']);
  expect(added('destructive')).toEqual(['operation-added fresh']);
  const writers = manifest({ operations: BASE.operations.filter(({ name }) => name !== 'look') });
  expect(growthOf(BASE, writers)).toEqual([]);
});

test('a credential that is wanted anew, of another kind or for another host counts', () => {
  const slot = { slot: 'stripe', kind: 'bearer', host: 'api.example.com' } as const;
  const more = { slot: 'mail', kind: 'basic', host: 'mail.example.com' } as const;
  expect(lines({ credentials: [slot, more] })).toEqual(['credential-added mail']);
  expect(lines({ credentials: [{ ...slot, kind: 'query' }] })).toEqual([
    'credential-changed stripe: kind',
  ]);
  expect(lines({ credentials: [{ ...slot, host: '*.example.com' }] })).toEqual([
    'credential-changed stripe: host',
  ]);
  expect(lines({ credentials: [{ ...slot, description: 'another' }] })).toEqual([]);
});

test('the digest of a growth binds the workspace, both versions and every difference', async () => {
  const version = {
    version: '1.0.0',
    digest: `sha256:${'1'.repeat(64)}`,
    manifestDigest: `sha256:${'2'.repeat(64)}`,
  } as const;
  const statement = v.parse(GrowthStatementSchema, {
    v: 1,
    workspace: 'acme',
    plugin: 'refunds',
    ...version,
    from: version,
    growth: growthOf(BASE, manifest({ egress: [{ ...RULE, maxCalls: 9 }] })),
  });
  const digest = await growthDigest(statement);
  const others: GrowthStatement[] = [
    { ...statement, workspace: 'other' as GrowthStatement['workspace'] },
    { ...statement, version: '1.0.1' },
    { ...statement, from: { ...version, version: '0.9.0' } },
    { ...statement, growth: [{ kind: 'rule-added', name: 'refunds' }] },
  ];
  const digests = await Promise.all(others.map(growthDigest));
  expect(new Set([digest, ...digests]).size).toBe(others.length + 1);
  expect(await growthDigest(JSON.parse(JSON.stringify(statement)))).toBe(digest);
});

// Small worlds, so that rules meet and requests hit them.
const some = <T>(...items: T[]) => fc.constantFrom(...items);
const sublist = <T>(...items: T[]) => fc.subarray(items);
const path = fc
  .tuple(fc.array(some('a', 'b', '{x}'), { maxLength: 3 }), some('', '/**', '/'))
  .map(([segments, end]) => `/${segments.join('/')}${end}`.replaceAll('//', '/'));
const host = some(
  'example.com',
  'a.example.com',
  'b.a.example.com',
  '*.example.com',
  '*.a.example.com',
);
const rule: fc.Arbitrary<EgressRule> = fc.record(
  {
    id: some('one', 'two', 'three'),
    methods: fc.subarray(['GET', 'POST', 'DELETE'] as const, { minLength: 1 }),
    scheme: some('https' as const, 'http' as const),
    host,
    port: some(443, 80),
    path,
    query: sublist('q', 'r'),
    headers: sublist('accept', 'content-type', 'x-a'),
    contentTypes: sublist('text/plain', 'application/json'),
    credential: some('s'),
    idempotency: fc.record({ header: some('X-Key', 'x-key', 'Other'), retentionHours: some(1, 2) }),
    maxCalls: some(1, 2),
    maxBytes: some(1, 2),
  },
  { requiredKeys: ['id', 'methods', 'scheme', 'host', 'port', 'path'] },
) as fc.Arbitrary<EgressRule>;
const request: fc.Arbitrary<EgressRequest> = fc.record({
  method: some('GET', 'POST', 'DELETE'),
  scheme: some('https', 'http'),
  host: some('example.com', 'a.example.com', 'b.a.example.com', 'c.b.a.example.com'),
  port: some(443, 80),
  path: fc.array(some('a', 'b', 'c', ''), { maxLength: 4 }).map((all) => `/${all.join('/')}`),
  query: sublist('q', 'r').map((names) => names.map((name) => [name, '1'] as const)),
  headers: sublist('accept', 'content-type', 'x-a'),
  contentType: fc.option(some('text/plain', 'application/json'), { nil: undefined }),
});

const lets = (one: EgressRule, asked: EgressRequest) => {
  // Which credential and key a rule has is compared apart; a request is matched by what it is.
  const { credential: _, idempotency: __, ...bare } = one;
  const rules = [bare as EgressRule];
  const contract = { plugin: rules, operator: rules, networks: [], approval: [] };
  return decideEgress(contract, 'write', asked).allowed;
};

/** The request as `rule` would take it, but for host, path and the part that `field` is about. */
function nearly(asked: EgressRequest, rule: EgressRule, field: keyof EgressRule): EgressRequest {
  const { scheme, port, methods } = rule;
  return {
    ...{ ...asked, scheme, port },
    method: field === 'methods' ? asked.method : (methods[0] ?? 'GET'),
    query: field === 'query' ? asked.query : [],
    headers: field === 'headers' ? asked.headers : [],
    contentType: field === 'contentTypes' ? asked.contentType : undefined,
  };
}

test('what a rule that did not grow lets through, the one before let through', () => {
  let met = 0;
  fc.assert(
    fc.property(
      rule,
      rule,
      fc.array(request, { minLength: 20, maxLength: 20 }),
      (before, other, asked) => {
        // Mostly the rule itself with one field of another, so that many are within.
        const fields = ['path', 'host', 'methods', 'query', 'headers', 'contentTypes'] as const;
        for (const field of fields) {
          const after = { ...before, [field]: other[field] } as EgressRule;
          const grown = growthOf(manifestOf([before]), manifestOf([after]));
          if (grown.length > 0) continue;
          for (const drawn of asked) {
            const one = nearly(drawn, after, field);
            if (!lets(after, one)) continue;
            met++;
            if (!lets(before, one)) return false;
          }
        }
        return true;
      },
    ),
    { numRuns: runCount(500, 20_000), seed: 20_261_127 },
  );
  expect(met).toBeGreaterThan(200);
});

const manifestOf = (egress: readonly EgressRule[]): Manifest => ({
  ...manifest({ egress: [] }),
  egress: [...egress],
});

/** Every way to narrow one rule, by a number that says which. */
const NARROWINGS: readonly ((rule: EgressRule) => EgressRule)[] = [
  (one) => ({ ...one, methods: one.methods.slice(0, 1) }),
  (one) => ({ ...one, host: one.host.startsWith('*.') ? `z${one.host.slice(1)}` : one.host }),
  (one) => ({ ...one, host: one.host.startsWith('*.') ? `*.z${one.host.slice(1)}` : one.host }),
  (one) => ({ ...one, path: one.path.replace('/**', '/x/{y}') }),
  (one) => ({ ...one, path: one.path.replace(/\{\w+\}/, 'x') }),
  (one) => ({ ...one, query: (one.query ?? []).slice(1) }),
  (one) => ({ ...one, headers: (one.headers ?? ['accept']).slice(1) }),
  (one) => ({ ...one, contentTypes: (one.contentTypes ?? []).slice(1) }),
  (one) => ({ ...one, maxCalls: Math.max(1, (one.maxCalls ?? 1_000) - 1) }),
  (one) => ({ ...one, maxBytes: Math.max(1, (one.maxBytes ?? 1_000) - 1) }),
  (one) => ({ ...one, maxPerMinute: Math.max(1, (one.maxPerMinute ?? 1_000) - 1) }),
  ({ credential: _, ...one }) => one as EgressRule,
  ({ idempotency: _, ...one }) => one as EgressRule,
];

test('however a contract is narrowed, it has not grown', () => {
  const rules = fc.uniqueArray(rule, { selector: ({ id }) => id, minLength: 1, maxLength: 3 });
  const steps = fc.array(fc.nat({ max: NARROWINGS.length - 1 }), { maxLength: 12 });
  fc.assert(
    fc.property(rules, steps, fc.nat({ max: 3 }), (before, taken, kept) => {
      const narrowed = before
        .slice(0, kept)
        .map((one) => taken.reduce((now, step) => NARROWINGS[step]?.(now) ?? now, one));
      const operations = BASE.operations.slice(0, Math.max(1, kept));
      const after = { ...manifestOf(narrowed), operations, credentials: [] };
      return growthOf(manifestOf(before), after).length === 0;
    }),
    { numRuns: runCount(1_000, 20_000), seed: 20_261_127 },
  );
});
