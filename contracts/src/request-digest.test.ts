import { expect, test } from 'bun:test';
import { requestDigest, requestStatement } from './request-digest.ts';

const REQUEST = {
  method: 'POST',
  url: 'https://api.stripe.com/v1/refunds',
  headers: { 'Content-Type': 'application/json', Accept: '*/*' },
  bodyDigest: null,
  rule: 'refunds',
} as const;

test('case and order of headers do not matter', async () => {
  const other = { ...REQUEST, headers: { accept: '*/*', 'content-type': 'application/json' } };
  expect(await requestDigest(REQUEST)).toBe(await requestDigest(other));
  const pairs = Object.entries(REQUEST.headers).map(([k, v]): [string, string] => [k, v]);
  expect(await requestDigest({ ...REQUEST, headers: pairs })).toBe(await requestDigest(REQUEST));
});

test('everything else does', async () => {
  const bodyDigest = `sha256:${'a'.repeat(64)}` as const;
  const digests = await Promise.all(
    [
      REQUEST,
      { ...REQUEST, method: 'PUT' },
      { ...REQUEST, url: `${REQUEST.url}?a=1` },
      { ...REQUEST, headers: {} },
      { ...REQUEST, headers: { ...REQUEST.headers, Accept: 'a' } },
      { ...REQUEST, bodyDigest },
      { ...REQUEST, rule: null },
    ].map(requestDigest),
  );
  expect(new Set(digests).size).toBe(digests.length);
});

test('headers stand as sorted pairs, so that a repeated one is kept', () => {
  const headers: [string, string][] = [
    ['B', '2'],
    ['a', '2'],
    ['A', '1'],
  ];
  expect(requestStatement({ ...REQUEST, headers })).toMatchObject({
    headers: [
      ['a', '1'],
      ['a', '2'],
      ['b', '2'],
    ],
  });
});
