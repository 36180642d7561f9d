import { expect, test } from 'bun:test';
import * as v from 'valibot';
import { CellMessageSchema } from './messages.ts';
import { outgoingRequest } from './outgoing-request.ts';

const MOST = 1_000;
const ask = (over: Partial<Parameters<typeof outgoingRequest>[0]>) => {
  const plain = { method: 'POST', url: 'http://a.test/', headers: [], body: new Uint8Array(3) };
  const made = outgoingRequest({ ...plain, ...over }, MOST);
  v.parse(CellMessageSchema, made.message);
  return { omitted: made.message.omitted, body: made.body.length, url: made.message.url.length };
};

test('a request that fits is passed on whole', () => {
  expect(ask({})).toEqual({ omitted: undefined, body: 3, url: 14 });
  expect(ask({ body: new Uint8Array(MOST) })).toMatchObject({ omitted: undefined, body: MOST });
});

test('a part that is too large is left out and named with its true size', () => {
  expect(ask({ body: new Uint8Array(MOST + 1) })).toEqual({
    omitted: { part: 'body', size: MOST + 1 },
    body: 0,
    url: 14,
  });
  expect(ask({ url: 'u'.repeat(16_385) })).toEqual({
    omitted: { part: 'url', size: 16_385 },
    body: 0,
    url: 16_384,
  });
  const headers = Array.from({ length: 129 }, (_, i) => [`h${i}`, 'x'] as const);
  expect(ask({ headers })).toMatchObject({ omitted: { part: 'headers', size: 129 }, body: 0 });
  const long = Array.from({ length: 9 }, (_, i) => [`h${i}`, '\u0000'.repeat(8_000)] as const);
  expect(ask({ headers: long })).toMatchObject({ omitted: { part: 'headers', size: 9 } });
  expect(ask({ headers: [['n'.repeat(257), 'x']] })).toMatchObject({
    omitted: { part: 'headers', size: 1 },
  });
});
