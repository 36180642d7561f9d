import { expect, test } from 'bun:test';
import { growthText } from './growth-text.ts';

test('a rule that allows more shows only what grew, before and after', () => {
  const before = { id: 'look', host: 'api.example.com', methods: ['GET'], path: '/v1' };
  const after = { ...before, host: '*.example.com', methods: ['GET', 'POST'], maxCalls: 2 };
  const fields = ['methods', 'host', 'maxCalls'];
  expect(growthText({ kind: 'rule-widened', name: 'look', fields, before, after })).toEqual({
    title: 'Rule look allows more: methods, host, maxCalls',
    lines: [
      '- methods: GET',
      '+ methods: GET, POST',
      '- host: api.example.com',
      '+ host: *.example.com',
      '- maxCalls: (not stated)',
      '+ maxCalls: 2',
    ],
  });
});

test('what is new is shown in full, and hidden characters of its author show', () => {
  const idempotency = { header: 'X-Key', retentionHours: 2 };
  const after = { id: 'pay', methods: ['POST'], path: '/pay\u202e', idempotency };
  expect(growthText({ kind: 'rule-added', name: 'pay', after })).toEqual({
    title: 'New rule pay',
    lines: [
      '+ methods: POST',
      '+ path: /pay\\u202e',
      '+ idempotency: header X-Key, retentionHours 2',
    ],
  });
});

test('operations, attributes, credentials and limits are told in a sentence', () => {
  const titles = [
    { kind: 'operation-added', name: 'pay', after: 'write' },
    { kind: 'effect-changed', name: 'pay', before: 'destructive', after: 'write' },
    { kind: 'attributes-dropped', name: 'pay', fields: ['amount'] },
    { kind: 'limit-raised', name: 'egressCalls', before: 1, after: 9 },
    { kind: 'retention-shortened', name: 'pay', before: 'forensic', after: 'compliance' },
  ] as const;
  expect(
    titles.map((growth) =>
      growthText('fields' in growth ? { ...growth, fields: [...growth.fields] } : growth),
    ),
  ).toEqual([
    { title: 'New operation pay (write)', lines: [] },
    { title: 'Operation pay is called write, and was called destructive', lines: [] },
    { title: 'Policies can not count on these inputs of pay any more: amount', lines: [] },
    { title: 'Limit egressCalls is raised from 1 to 9', lines: [] },
    { title: 'What pay leaves behind is kept as compliance, and was kept as forensic', lines: [] },
  ]);
  const [before, after] = [
    { kind: 'bearer', host: 'a.test' },
    { kind: 'bearer', host: 'b.test' },
  ];
  expect(
    growthText({ kind: 'credential-changed', name: 'c', fields: ['host'], before, after }),
  ).toEqual({
    title: 'Credential c is another: host',
    lines: ['- host: a.test', '+ host: b.test'],
  });
});
