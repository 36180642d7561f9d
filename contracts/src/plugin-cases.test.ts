import { expect, test } from 'bun:test';
import * as v from 'valibot';
import { CasesSchema } from './plugin-cases.ts';
import { violationsOf } from './violations.ts';

const CASE = { name: 'works', operation: 'greet', input: {}, expect: { output: {} } };

function problems(cases: unknown): string[] {
  const { issues = [] } = v.safeParse(CasesSchema, cases);
  return violationsOf(issues).map(({ pointer, message }) => `${pointer} ${message}`);
}

test('a case needs a name of its own, an operation and what is expected; the rest may be left out', () => {
  const [one] = v.parse(CasesSchema, [{ name: 'x', operation: 'o', expect: { output: null } }]);
  expect(one).toEqual({ name: 'x', operation: 'o', egress: [], expect: { output: null } });
  expect(problems([])).toEqual([expect.stringContaining('at least one case')] as never);
  expect(problems([CASE, CASE])).toEqual([' each case needs a name of its own']);
  expect(problems([{}]).map((line) => line.split(' ')[0])).toEqual([
    '/0/name',
    '/0/operation',
    '/0/expect',
  ]);
});

test('an output or the code of an error is expected, not both, and no code that there is not', () => {
  const expecting = (expectation: object) => problems([{ ...CASE, expect: expectation }]);
  expect(expecting({ error: 'egress.denied', message: 'no rule' })).toEqual([]);
  for (const wrong of [{}, { output: 1, error: 'guest.error' }, { error: 'no.such' }]) {
    expect(expecting(wrong)).toEqual(['/0/expect expected {"output": …} or {"error": "code"}']);
  }
});

test('a recording names method, whole address and status, and nothing that is not known', () => {
  const recorded = (request: object, response: object) =>
    problems([{ ...CASE, egress: [{ request, response }] }]);
  const request = { method: 'GET', url: 'https://api.example.com/v1/items?limit=1' };
  expect(recorded(request, { status: 200, headers: { 'x-a': '1' }, body: [1] })).toEqual([]);
  const wrong = recorded(
    { method: 'get', url: '/v1/items', port: 443 },
    { status: 99, headers: { 'X-A': '1' } },
  );
  expect(wrong.map((line) => line.split(' ')[0]).toSorted()).toEqual([
    '/0/egress/0/request/method',
    '/0/egress/0/request/port',
    '/0/egress/0/request/url',
    '/0/egress/0/response/headers/X-A',
    '/0/egress/0/response/status',
  ]);
});
