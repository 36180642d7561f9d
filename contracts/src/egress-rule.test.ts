import { expect, test } from 'bun:test';
import * as v from 'valibot';
import {
  decideEgress,
  type EgressContract,
  type EgressRequest,
  type EgressRule,
  EgressRuleSchema,
  EgressRulesSchema,
  HTTP_METHODS,
  hostMatches,
  idempotencyOf,
  NetworkSchema,
  pathMatches,
  pathProblem,
  ratesOf,
  ruleName,
} from './egress-rule.ts';
import { GrantableRulesSchema, OperatorEgressSchema } from './grantable-rules.ts';

const RULE: EgressRule = {
  id: 'refunds',
  methods: ['GET', 'POST'],
  scheme: 'https',
  host: 'api.stripe.com',
  port: 443,
  path: '/v1/refunds',
};
const REQUEST: EgressRequest = {
  method: 'GET',
  scheme: 'https',
  host: 'api.stripe.com',
  port: 443,
  path: '/v1/refunds',
  query: [],
  headers: [],
  contentType: undefined,
};
const contract = (plugin: EgressRule[], operator = plugin, approval: EgressRule[] = []) =>
  ({ plugin, operator, networks: [], approval }) satisfies EgressContract;

const decide = (rule: Partial<EgressRule>, request: Partial<EgressRequest>) =>
  decideEgress(contract([{ ...RULE, ...rule }]), 'write', { ...REQUEST, ...request });

test('a request that every layer grants passes, and names the rules', () => {
  const decision = decideEgress(contract([RULE]), 'read', REQUEST);
  expect(decision).toEqual({ allowed: true, rules: { plugin: RULE, operator: RULE } });
});

test('no operator rules means that nothing is allowed', () => {
  expect(decideEgress(contract([RULE], []), 'read', REQUEST)).toEqual({
    allowed: false,
    layer: 'operator',
    reason: 'the operator has no rules, so nothing is allowed',
  });
  expect(decideEgress(contract([], [RULE]), 'read', REQUEST)).toMatchObject({ layer: 'plugin' });
});

test('no rule of an approval lets anything through that plugin and operator do not', () => {
  const asks: [Partial<EgressRequest>, Partial<EgressRule>][] = [
    [{ method: 'PUT' }, { methods: [...HTTP_METHODS] }],
    [{ path: '/other' }, { path: '/**' }],
    [{ query: [['x', '1']] }, { query: ['x'] }],
    [{ headers: ['x-any'] }, { headers: ['x-any'] }],
    [{ host: 'elsewhere.example.com' }, { host: '*.example.com' }],
    [{ port: 8443 }, { port: 8443 }],
  ];
  for (const [asked, allowing] of asks) {
    const wide = contract([RULE], [RULE], [RULE, { ...RULE, ...allowing, id: 'all' }]);
    expect(decideEgress(wide, 'write', { ...REQUEST, ...asked })).toMatchObject({
      allowed: false,
      layer: 'plugin',
    });
  }
});

test('a rule of an approval that names a credential allows calls with that one only', () => {
  const plugin = [{ ...RULE, credential: 'stripe' }];
  const decided = (credential: string) =>
    decideEgress(contract(plugin, plugin, [{ ...RULE, credential }]), 'write', REQUEST).allowed;
  expect([decided('stripe'), decided('other')]).toEqual([true, false]);
});

test('an approval can narrow, and without rules does not', () => {
  const narrow = { ...RULE, methods: ['POST' as const] };
  expect(decideEgress(contract([RULE], [RULE], [narrow]), 'write', REQUEST)).toMatchObject({
    allowed: false,
    layer: 'approval',
  });
  const post = { ...REQUEST, method: 'POST' };
  expect(decideEgress(contract([RULE], [RULE], [narrow]), 'write', post).allowed).toBe(true);
});

test('a read operation sends safe methods only, whatever the rules say', () => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'get', 'CONNECT']) {
    const decision = decideEgress(contract([RULE]), 'read', { ...REQUEST, method });
    expect(decision).toMatchObject({ allowed: false, layer: 'request' });
  }
});

test('each part of a request that differs from the rule is refused and named', () => {
  const cases: [Partial<EgressRequest>, string][] = [
    [{ host: 'evil.com' }, 'no rule of the plugin names host evil.com'],
    [{ host: 'api.stripe.com.' }, 'no rule of the plugin names host'],
    [{ host: 'API.stripe.com' }, 'no rule of the plugin names host'],
    [{ host: 'api.stripe.com.evil.com' }, 'no rule of the plugin names host'],
    [{ host: 'xapi.stripe.com' }, 'no rule of the plugin names host'],
    [{ scheme: 'http' }, 'does not allow scheme http'],
    [{ port: 8443 }, 'does not allow port 8443'],
    [{ path: '/v1/charges' }, 'does not allow path /v1/charges'],
    [{ path: '/v1/refunds/' }, 'does not allow path /'],
    [{ path: '/v1' }, 'does not allow path /'],
    [{ path: '/V1/refunds' }, 'does not allow path /'],
    [{ method: 'DELETE' }, 'does not allow method DELETE'],
    [{ query: [['limit', '3']] }, 'does not allow query parameter limit'],
    [{ headers: ['x-custom'] }, 'does not allow header x-custom'],
    [{ headers: ['authorization'] }, 'does not allow header authorization'],
  ];
  for (const [request, reason] of cases) {
    const decision = decide({}, request);
    expect(decision.allowed ? '' : decision.reason).toContain(reason);
  }
});

test('a refusal names the layer and, of the rules for that host, the one that was meant', () => {
  const rule = (id: string, methods: EgressRule['methods'], path: string): EgressRule => ({
    ...{ ...RULE, id, methods, path },
  });
  const list = rule('list', ['GET'], '/repos/{owner}/{name}/issues');
  const create = rule('create', ['POST'], '/repos/{owner}/{name}/issues');
  const comment = rule('comment', ['POST'], '/repos/{owner}/{name}/issues/{number}/comments');
  const elsewhere = { ...rule('elsewhere', ['POST'], '/repos/evil/x/issues'), host: 'other.com' };
  const own = [list, create, comment].map((one) => ({
    ...one,
    path: one.path.replace('{owner}/{name}', 'acme/site'),
  }));
  const request = { ...REQUEST, method: 'POST', path: '/repos/evil/x/issues' };
  expect(
    decideEgress(contract([list, create, comment], [elsewhere, ...own]), 'write', request),
  ).toEqual({
    allowed: false,
    layer: 'operator',
    reason: 'the operator’s rule create does not allow path /repos/evil/x/issues',
  });
  const narrowed = decideEgress(contract([list, create], [list, create], own), 'write', request);
  expect(narrowed).toMatchObject({ reason: expect.stringContaining('the approval’s rule create') });
});

test('a refusal repeats no more of a request than a record holds', () => {
  const path = `/v1/${'x'.repeat(8_000)}`;
  const decision = decide({}, { path });
  expect(decision.allowed ? '' : decision.reason).toMatch(
    /^the plugin’s rule refunds does not allow path .{195}…$/,
  );
});

test('query parameters and headers pass only by name; content-type and accept by default', () => {
  expect(
    decide(
      { query: ['limit'] },
      {
        query: [
          ['limit', '1'],
          ['limit', '2'],
        ],
      },
    ).allowed,
  ).toBe(true);
  expect(decide({ query: ['limit'] }, { query: [['Limit', '1']] }).allowed).toBe(false);
  expect(decide({}, { headers: ['content-type', 'accept'] }).allowed).toBe(true);
  expect(decide({ headers: ['x-a'] }, { headers: ['x-a'] }).allowed).toBe(true);
  expect(decide({ headers: ['x-a'] }, { headers: ['accept'] }).allowed).toBe(false);
});

test('a header that the broker owns never passes, even when a rule names it', () => {
  for (const header of ['host', 'cookie', 'transfer-encoding', 'x-http-method-override', 'via']) {
    expect(decide({ headers: [header] }, { headers: [header] }).allowed).toBe(false);
    expect(v.safeParse(EgressRuleSchema, { ...RULE, headers: [header] }).success).toBe(false);
  }
});

test('content types compare without parameters and case', () => {
  const contentTypes = ['application/json'];
  const ok = (contentType: string | undefined) => decide({ contentTypes }, { contentType }).allowed;
  expect(ok('application/json')).toBe(true);
  expect(ok('Application/JSON; charset=utf-8')).toBe(true);
  expect(ok(undefined)).toBe(true);
  expect(ok('application/json-patch')).toBe(false);
  expect(ok('text/plain; application/json')).toBe(false);
  expect(ok('')).toBe(false);
});

test('paths that two parsers could read differently are refused before any rule', () => {
  for (const path of [
    '/v1/%2e%2e/refunds',
    '/v1/.%2E/refunds',
    '/v1/../refunds',
    '/v1/./refunds',
    '/v1//refunds',
    '//v1/refunds',
    '/v1/refunds;a=b',
    '/v1%2frefunds',
    '/v1%2Frefunds',
    '/v1%5crefunds',
    '/v1\\refunds',
    '/v1/refunds%00',
    '/v1/%2565',
    '/v1/refunds%',
    '/v1/refunds%zz',
    '/v1/refunds?x=1',
    '/v1/refunds#x',
    '/v1/ refunds',
    '/v1/refunds\n',
    'v1/refunds',
    '',
  ]) {
    expect(pathProblem(path), path).toBeString();
    expect(decide({ path: '/**' }, { path })).toMatchObject({ allowed: false, layer: 'request' });
  }
});

test('{name} is one segment that is not empty, ** is any rest below its place', () => {
  expect(pathMatches('/v1/{id}/x', '/v1/a/x')).toBe(true);
  expect(pathMatches('/v1/{id}/x', '/v1/a/b/x')).toBe(false);
  expect(pathMatches('/v1/{id}', '/v1/')).toBe(false);
  expect(pathMatches('/v1/**', '/v1/a/b/c')).toBe(true);
  expect(pathMatches('/v1/**', '/v1')).toBe(false);
  expect(pathMatches('/v1/**', '/v10/a')).toBe(false);
  expect(pathMatches('/v1/{id}', '/v1/a%20b')).toBe(true);
  expect(pathMatches('/v1/a', '/v1/%61')).toBe(true);
});

test('a wildcard covers labels below a name, never the name, a suffix of it or an address', () => {
  expect(hostMatches('*.example.com', 'a.example.com')).toBe(true);
  expect(hostMatches('*.example.com', 'a.b.example.com')).toBe(true);
  for (const host of [
    'example.com',
    '.example.com',
    'a..example.com',
    'badexample.com',
    'a.example.com.evil.com',
  ]) {
    expect(hostMatches('*.example.com', host)).toBe(false);
  }
  expect(hostMatches('*.0.0.1', '127.0.0.1')).toBe(false);
});

test('rules that cover too much, or say nothing exact, are refused', () => {
  for (const change of [
    { host: '*.com' },
    { host: '*.co.uk' },
    { host: '*.github.io' },
    { host: '*' },
    { host: '*.0.0.1' },
    { host: 'a.*.com' },
    { host: 'API.stripe.com' },
    { host: 'api.stripe.com.' },
    { host: 'api_stripe.com' },
    { host: '' },
    { host: 'https://a.com' },
    { path: 'v1' },
    { path: '/a/**/b' },
    { path: '/a/../b' },
    { path: '/a%2fb' },
    { path: '/a?b' },
    { path: '/v1/%72efunds' },
    { path: '/caf%c3%a9' },
    { path: '/f/{a}.{b}' },
    { path: '/{}' },
    { path: '/f/{id}.json' },
    { path: '/f/v{id}' },
    { path: '/{1a}' },
    { path: '/{a-b}' },
    { path: '/{a}}' },
    { path: '/a*' },
    { path: '/*' },
    { path: '/a**' },
    { path: '/***' },
    { path: '/**/' },
    { idempotency: { header: 'Host', retentionHours: 1 } },
    { idempotency: { header: 'Transfer-Encoding', retentionHours: 1 } },
    { idempotency: { header: 'a b', retentionHours: 1 } },
    { idempotency: { header: 'a\r\nb', retentionHours: 1 } },
    { idempotency: { header: '', retentionHours: 1 } },
    { port: 0 },
    { port: 65_536 },
    { port: 443.5 },
    { port: '443' },
    { scheme: 'ftp' },
    { methods: [] },
    { methods: ['TRACE'] },
    { methods: ['get'] },
    { id: 'Bad Id' },
    { headers: ['Content-Type'] },
    { contentTypes: ['json'] },
    { maxCalls: 0 },
    { maxBytes: -1 },
    { maxPerMinute: 0 },
    { maxPerMinute: 100_001 },
    { maxPerMinute: 2.5 },
    { extra: true },
  ]) {
    const parsed = v.safeParse(GrantableRulesSchema, [{ ...RULE, ...change }]);
    expect(parsed.success, JSON.stringify(change)).toBe(false);
  }
});

test('what the formats show as a rule is one', () => {
  for (const change of [
    { path: '/' },
    { path: '/**' },
    { path: '/v1/{id}/x/{other_1}/**' },
    { idempotency: { header: 'Idempotency-Key', retentionHours: 24 } },
    { idempotency: { header: 'idempotency-key', retentionHours: 24 } },
  ]) {
    const parsed = v.safeParse(EgressRuleSchema, { ...RULE, ...change });
    expect(parsed.success, JSON.stringify(change)).toBe(true);
  }
});

test('each rule has an id of its own', () => {
  expect(v.safeParse(EgressRulesSchema, [RULE, RULE]).success).toBe(false);
  expect(v.safeParse(EgressRulesSchema, [RULE, { ...RULE, id: 'b' }]).success).toBe(true);
});

test('a network is loopback or a CIDR block', () => {
  for (const text of ['loopback', '10.1.0.0/16', 'fd00::/8']) {
    expect(v.safeParse(NetworkSchema, text).success).toBe(true);
  }
  for (const text of ['localhost', '10.1.0.0', '*', '', '0.0.0.0/0', '169.254.169.254/32']) {
    expect(v.safeParse(NetworkSchema, text).success).toBe(false);
  }
  expect(v.safeParse(OperatorEgressSchema, { rules: [] }).success).toBe(false);
});

const KEYED = { header: 'Idempotency-Key', retentionHours: 24 };

test('a credential passes only when the plugin asks for it and the operator grants it', () => {
  const asks = { ...RULE, credential: 'stripe' };
  const other = { ...RULE, id: 'other', credential: 'github' };
  expect(decideEgress(contract([asks], [asks]), 'read', REQUEST)).toMatchObject({ allowed: true });
  expect(decideEgress(contract([asks], [RULE]), 'read', REQUEST)).toMatchObject({
    layer: 'operator',
    reason: expect.stringContaining('grants no credential'),
  });
  expect(decideEgress(contract([RULE], [asks]), 'read', REQUEST)).toMatchObject({
    layer: 'operator',
    reason: expect.stringContaining('asks for none'),
  });
  const second = decideEgress(contract([asks], [other, asks]), 'read', REQUEST);
  expect(second).toMatchObject({ allowed: true, rules: { operator: { id: 'refunds' } } });
});

test('any two rules that agree will do: one that nobody else agrees with is in no other’s way', () => {
  const secret = { ...RULE, id: 'secret', credential: 'stripe' };
  expect(decideEgress(contract([secret, RULE], [RULE]), 'read', REQUEST)).toEqual({
    allowed: true,
    rules: { plugin: RULE, operator: RULE },
  });
  const keyed = {
    ...RULE,
    id: 'keyed',
    headers: ['x-key'],
    idempotency: { ...KEYED, header: 'X-Key' },
  };
  const plain = { ...RULE, headers: ['x-key'] };
  const request = { ...REQUEST, method: 'POST', headers: ['x-key'] };
  expect(decideEgress(contract([keyed], [keyed, plain]), 'write', request)).toMatchObject({
    rules: { plugin: { id: 'keyed' }, operator: { id: 'refunds' } },
  });
});

test('an idempotency key needs both layers, one header, and lives for the shorter retention', () => {
  const keyed = { ...RULE, idempotency: KEYED };
  const shorter = { ...RULE, idempotency: { header: 'idempotency-key', retentionHours: 1 } };
  const elsewhere = { ...RULE, idempotency: { header: 'X-Request-Id', retentionHours: 24 } };
  expect(idempotencyOf({ plugin: keyed, operator: shorter })).toEqual({
    header: 'idempotency-key',
    retentionHours: 1,
  });
  expect(idempotencyOf({ plugin: keyed, operator: RULE })).toBeUndefined();
  expect(idempotencyOf({ plugin: RULE, operator: keyed })).toBeUndefined();
  expect(idempotencyOf({ plugin: keyed, operator: elsewhere })).toBeUndefined();
});

test('a plugin never sets the header that carries the platform’s key, even where a rule names it', () => {
  const keyed = { ...RULE, headers: ['idempotency-key'], idempotency: KEYED };
  const request = { ...REQUEST, method: 'POST', headers: ['idempotency-key'] };
  expect(decideEgress(contract([keyed]), 'write', request)).toMatchObject({
    allowed: false,
    layer: 'request',
    reason: expect.stringContaining('idempotency-key'),
  });
});

test('the name of matched rules is one id when both layers agree', () => {
  expect(ruleName({ plugin: RULE, operator: RULE })).toBe('refunds');
  expect(ruleName({ plugin: RULE, operator: { ...RULE, id: 'granted' } })).toBe('refunds granted');
});

test('each layer has a rate of its own, and a rule without one has none', () => {
  const [plugin, operator] = [
    { ...RULE, maxPerMinute: 5 },
    { ...RULE, id: 'granted' },
  ];
  expect(ratesOf({ plugin, operator })).toEqual([
    { layer: 'plugin', rule: 'refunds', perMinute: 5 },
  ]);
  expect(ratesOf({ plugin: RULE, operator: { ...operator, maxPerMinute: 100_000 } })).toEqual([
    { layer: 'operator', rule: 'granted', perMinute: 100_000 },
  ]);
  expect(ratesOf({ plugin: RULE, operator })).toEqual([]);
});
