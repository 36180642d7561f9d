import { expect, test } from 'bun:test';
import { type GuestRequest, parseRequest } from './outbound-request.ts';

function parse(over: Partial<GuestRequest>) {
  const body = new Uint8Array();
  return parseRequest({ method: 'GET', url: 'https://a.test/x', headers: [], body, ...over });
}

test('what is matched is what is sent', () => {
  const parsed = parse({
    url: 'HTTPS://API.Example.com:8443/v1/a%20b?x=1&y=%2B',
    headers: [
      ['Content-Type', 'text/plain'],
      ['Accept', '*/*'],
    ],
  });
  if (!parsed.ok) throw new Error(parsed.reason);
  expect(parsed.request.target).toEqual({
    method: 'GET',
    scheme: 'https',
    host: 'api.example.com',
    port: 8443,
    path: '/v1/a%20b',
    query: [
      ['x', '1'],
      ['y', '+'],
    ],
    headers: ['accept', 'content-type'],
    contentType: 'text/plain',
  });
  expect(parsed.request.path).toBe('/v1/a%20b?x=1&y=%2B');
});

test('a path and a query leave in their one spelling, in whatever runtime they are parsed', () => {
  const parsed = parse({ url: 'https://a.test/%7Eu/%c3%a9/a^b|c?%71=%2b^|"&x[]={1}' });
  if (!parsed.ok) throw new Error(parsed.reason);
  const path = '/~u/%C3%A9/a%5Eb%7Cc?q=%2B%5E%7C%22&x[]=%7B1%7D';
  expect(parsed.request).toMatchObject({ path, url: `https://a.test${path}` });
  expect(parsed.request.target.query).toEqual([
    ['q', '+^|"'],
    ['x[]', '{1}'],
  ]);
});

test('numeric hosts become the address that they mean', () => {
  for (const url of ['http://2130706433/', 'http://0x7f.1/', 'http://127.1/']) {
    const parsed = parse({ url });
    expect(parsed.ok && parsed.request.target.host).toBe('127.0.0.1');
  }
});

test('URLs that two parsers could read differently are refused', () => {
  for (const url of [
    'https://user@a.test/',
    'https://user:pw@a.test/',
    'https://a.test@b.test/',
    'https://a.test./',
    'https://a.test/#f',
    'https://a.test\\@b.test/',
    'https://a.test/a\\b',
    'https://a.test/../b',
    'https://a.test/%2e%2e/b',
    'https://a.test/a%2fb',
    'https://a.test//b',
    'https://a.test/a;b',
    'https://a.test/?a=1;b=2',
    'https://a.test/?%%361=2',
    'https://a.test/a b',
    'https://a.test/\u00e9',
    'https://a.test/\n',
    ' https://a.test/',
    'https:/a.test/',
    'https:a.test',
    '//a.test/',
    'ftp://a.test/',
    'file:///etc/passwd',
    'data:text/plain,x',
    'https://a.test:99999/',
    'https:///x',
    'https://[::1/',
    `https://a.test/${'x'.repeat(9_000)}`,
  ]) {
    expect([url, parse({ url }).ok]).toEqual([url, false]);
  }
});

test('header injection, doubled headers and odd methods are refused', () => {
  expect(parse({ headers: [['a', 'x\r\nhost: b']] }).ok).toBe(false);
  expect(parse({ headers: [['a b', 'x']] }).ok).toBe(false);
  expect(parse({ headers: [['a:', 'x']] }).ok).toBe(false);
  expect(
    parse({
      headers: [
        ['Accept', 'x'],
        ['accept', 'y'],
      ],
    }).ok,
  ).toBe(false);
  expect(parse({ method: 'GET /' }).ok).toBe(false);
  expect(parse({ method: 'get' }).ok).toBe(false);
});

test('a read carries no body: a server that looks for none would take it for the next request', () => {
  const body = new TextEncoder().encode('DELETE /v1/items/7 HTTP/1.1\r\nhost: a.test\r\n\r\n');
  for (const method of ['GET', 'HEAD']) {
    expect(parse({ method, body })).toEqual({ ok: false, reason: `${method} carries a body` });
  }
  expect(parse({ method: 'POST', body }).ok).toBe(true);
});
