import { expect, test } from 'bun:test';
import * as v from 'valibot';
import { OperatorRulesSchema } from './egress-rule.ts';
import { GrantableOperatorRulesSchema, GrantableRulesSchema } from './grantable-rules.ts';
import { violationsOf } from './violations.ts';

const RULE = {
  ...{ id: 'a', methods: ['GET'], scheme: 'https', host: 'api.example.com', port: 443 },
  path: '/v1',
};

/** What is said of a rule with these changes: `/0/host why`. */
function said(changes: object, schema: v.GenericSchema = GrantableOperatorRulesSchema): string[] {
  const { issues = [] } = v.safeParse(schema, [{ ...RULE, ...changes }]);
  return violationsOf(issues).map(({ pointer, message }) => `${pointer} ${message}`);
}

test('a new rule that no request can match is refused, and one that is kept goes on', () => {
  for (const changes of [
    ...[
      '2130706433',
      '0x7f000001',
      '127.1',
      '0177.0.0.1',
      '[0:0::1]',
      '1.2.3.4.5',
      'com',
      'co.uk',
    ].map((host) => ({ host })),
    { path: '/repos/:id/issues' },
    ...['a=b', '*', 'a&b', ''].map((name) => ({ query: [name] })),
  ]) {
    const field = Object.keys(changes)[0];
    for (const schema of [GrantableRulesSchema, GrantableOperatorRulesSchema]) {
      expect([changes, said(changes, schema)]).toEqual([
        changes,
        [expect.stringContaining(`/0/${field} `)],
      ] as never);
    }
    expect([changes, said(changes, OperatorRulesSchema)]).toEqual([changes, []]);
  }
  for (const host of [
    'localhost',
    'intranet',
    'github.io',
    '*.example.co.uk',
    '[::1]',
    '1.1.1.1',
  ]) {
    expect([host, said({ host })]).toEqual([host, []]);
  }
  expect(said({ path: '/v1/models:predict', query: ['per_page', 'a[]', 'a.b'] })).toEqual([]);
});

test('an address that can never be opened may be asked for, and is not granted', () => {
  for (const host of [
    '169.254.169.254',
    '100.100.100.200',
    '0.0.0.0',
    '[fe80::1]',
    '[fd00:ec2::254]',
  ]) {
    expect([host, said({ host })]).toEqual([
      host,
      [expect.stringContaining('never be opened')],
    ] as never);
    expect([host, said({ host }, GrantableRulesSchema)]).toEqual([host, []]);
    expect([host, said({ host }, OperatorRulesSchema)]).toEqual([host, []]);
  }
  expect(said({ host: '10.0.0.5' })).toEqual([]);
});

test('what is wrong with a rule is told once, at its place, with what to write', () => {
  for (const [changes, message] of [
    [{ host: '*.com' }, 'host a wildcard may not cover a public suffix'],
    [{ host: '*.0.0.5' }, 'host an address takes no wildcard'],
    [{ host: 'API.example.com' }, 'host write it in lower case'],
    [{ host: 'https://a.com' }, 'host leave the scheme out'],
    [{ host: 'a.com:443' }, 'host leave the port out'],
    [{ host: 'a.com/v1' }, 'host leave the path out'],
    [{ host: '10.0.0.0/8' }, 'host a rule names one host; a CIDR block belongs in “networks”'],
    [{ host: '::1' }, 'host write an IPv6 address in brackets'],
    [
      { host: 'bücher.example' },
      'host write a name beyond ASCII in its form that begins with xn--',
    ],
    [{ host: '*' }, 'host a wildcard stands for the labels below a domain'],
    [{ host: 'a.com.' }, 'host leave the dot at the end out'],
    [{ host: 'a b' }, 'host expected a name such as'],
    [{ path: '/%2e%2e' }, 'path such a path can never be granted: dot segment'],
    [{ path: '/a%2fb' }, 'path such a path can never be granted: encoded slash'],
    [{ path: '/%61' }, 'path write letters, digits'],
    [{ path: '/a?b=c' }, 'path leave the query out'],
    [{ path: '/a*' }, 'path expected a path of segments'],
    [{ path: '/:id' }, 'path a parameter is written {id}'],
    [{ methods: ['get'] }, 'methods/0 expected GET, HEAD, POST, PUT, PATCH, DELETE, in capitals'],
    [{ methods: 'GET' }, 'methods expected a list'],
    [
      { contentTypes: ['json'] },
      'contentTypes/0 expected a type in lower case such as application/json',
    ],
    [{ paths: ['/'] }, 'paths this field is not known here; did you mean “path”?'],
  ] as const) {
    expect([changes, said(changes)]).toEqual([
      changes,
      [expect.stringContaining(`/0/${message}`)],
    ] as never);
  }
  const { issues = [] } = v.safeParse(GrantableOperatorRulesSchema, { rules: [RULE] });
  expect(violationsOf(issues)).toEqual([
    { pointer: '', message: 'expected the list of rules itself: [{"id": …}, …]' },
  ]);
});
