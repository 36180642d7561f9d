import { expect, test } from 'bun:test';
import { changeText, egressText, ruleText } from './egress-text.ts';

const rule = {
  id: 'status',
  methods: ['GET' as const],
  scheme: 'https' as const,
  host: 'api.example.com',
  port: 443,
  path: '/ok',
};
const other = { ...rule, id: 'other', path: '/other', query: ['a', 'b'] };
type Rules = { id: string; path: string }[];
const SLOTS = [
  { slot: 'status', kind: 'header', host: 'api.example.com', description: 'X-Key\u001b[2J' },
];
const egress = (asked: Rules, granted: Rules, networks: string[] = [], changed?: object) =>
  ({
    plugin: { name: 'p', version: '1.0.0', rules: asked, credentials: SLOTS },
    operator: { rules: granted, networks, revision: 1 },
    ...(changed === undefined ? {} : { changed }),
  }) as unknown as Parameters<typeof egressText>[0];

test('a rule is one line, and what its author wrote can not break the terminal', () => {
  expect(ruleText({ ...other, maxCalls: 2 })).toBe(
    'GET https://api.example.com:443/other  query=a,b maxCalls=2',
  );
  expect(ruleText({ ...rule, maxBytes: 9, maxPerMinute: 60 })).toEndWith(
    '/ok  maxBytes=9 maxPerMinute=60',
  );
  expect(ruleText({ ...rule, query: ['a\u001b[2J'] })).toEndWith('query=a[2J');
  const idempotency = { header: 'Idempotency-Key', retentionHours: 24 };
  expect(ruleText({ ...rule, credential: 'stripe', idempotency })).toEndWith(
    '/ok  credential=stripe idempotency=Idempotency-Key/24h',
  );
});

test('authorities of a rule are named', () => {
  const caCertificates = ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'];
  const trusting = { ...rule, caCertificates };
  expect(ruleText(trusting)).toEndWith(
    '/ok  trusts only a certificate that this machine can not read',
  );
});

test('what a slot’s credential has to be is told, and its author’s words can not break the terminal', () => {
  expect(egressText(egress([rule], [])).split('\n')).toContain(
    '  credential status  header for api.example.com  X-Key[2J',
  );
});

test('a change shows what was added, removed, altered and kept', () => {
  const changed = { added: ['new'], removed: ['gone'], altered: ['other'] };
  const before = egress([], [rule, other, { ...rule, id: 'gone' }]);
  const after = egress(
    [],
    [rule, { ...other, path: '/x' }, { ...rule, id: 'new' }],
    ['loopback'],
    changed,
  );
  const text = changeText(before, after);
  for (const line of ['= status  GET', '~ other  GET', '+ new  GET', '- gone  GET']) {
    expect(text).toContain(line);
  }
  expect(text).toContain('now  GET https://api.example.com:443/x');
  expect(text).toEndWith('~ networks  (public addresses only), now loopback');
});

test('a change of a rate alone is told with the old and the new one', () => {
  const rated = (maxPerMinute: number) => egress([], [{ ...other, maxPerMinute } as never]);
  const changed = { added: [], removed: [], altered: ['other'] };
  const text = changeText(rated(60), { ...rated(90), changed });
  expect(text).toMatch(/~ other .*maxPerMinute=60\n.*maxPerMinute=90/);
});

test('the whole picture names both layers', () => {
  expect(egressText(egress([rule], []))).toContain('The operator grants');
});
