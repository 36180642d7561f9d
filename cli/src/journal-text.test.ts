import { expect, test } from 'bun:test';
import { type JournalCall, JournalSchema } from '@portarium/client/answers';
import * as v from 'valibot';
import { callLine, callsWithoutEntry, journalText } from './journal-text.ts';

const ATTEMPT = 'att_019b76da80007000800000000000aaaa';

function call(changes: object): JournalCall {
  const { items } = v.parse(JournalSchema, {
    items: [
      {
        ...{ call: 1, method: 'GET', scheme: 'https', host: 'api.example.com', port: 443 },
        ...{ path: '/v1/items', verdict: 'allowed', rule: 'items', status: 200 },
        ...{ requestDigest: `sha256:${'a'.repeat(64)}`, bytesOut: 0, bytesIn: 17, ms: 12 },
        attempt: ATTEMPT,
        ...changes,
      },
    ],
  });
  const [first] = items;
  if (first === undefined) throw new Error('no call');
  return first;
}

test('each call stands with its attempt, address, verdict, sizes and rule', () => {
  const text = journalText([call({})], [{ id: ATTEMPT, fence: 2 }]);
  expect(text.split('\n')[1]).toMatch(
    /^1 +2 +GET https:\/\/api\.example\.com:443\/v1\/items +allowed +- +200 +0 +17 +12 +items$/,
  );
});

test('a denial stands with its layer, and rules of several layers with what each name is', () => {
  const denied = { verdict: 'denied', layer: 'operator', rule: undefined, reason: 'because' };
  const text = journalText([call(denied), call({ rule: 'items own less' })], []);
  expect(text).toMatch(/denied +operator +200 .*because\n/);
  expect(text).toMatch(/items → own → less\nRules are named plugin → operator → approver/);
  expect(journalText([call({})], [])).not.toContain('named plugin');
});

test('a call whose answer was not seen is told in words', () => {
  const text = journalText([call({ call: 3, method: 'POST', verdict: 'open' })], []);
  expect(text).toContain('Call 3 was sent, or may have been; its answer was not seen.');
});

test('what a plugin wrote can neither steer a terminal nor begin a line', () => {
  const hostile = { path: '/x\u001b[2J\n1  2  GET', reason: 'a\u202eb\nc', verdict: 'denied' };
  for (const text of [journalText([call(hostile)], []), callLine(call(hostile))]) {
    for (const part of ['\u001b', '\u202e', '\n1  2']) expect(text).not.toContain(part);
    expect(text).toContain('ab c');
  }
});

test('reads that were made stand in no entry; writes and denials do', () => {
  const calls = [call({}), call({ method: 'POST' }), call({ verdict: 'denied' })];
  expect(callsWithoutEntry(calls)).toEqual([calls[0]] as never);
  expect(callLine(call({}))).toBe(
    'call 1  GET https://api.example.com:443/v1/items  allowed 200, 12 ms',
  );
});
