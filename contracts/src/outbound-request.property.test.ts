import { expect, setDefaultTimeout, test } from 'bun:test';
import fc from 'fast-check';
import { decideEgress, type EgressRule } from './egress-rule.ts';
import { type OutboundRequest, parseRequest } from './outbound-request.ts';
import { chance, type Gen, pick } from './testing/egress-scenes.ts';
import { runCount } from './testing/run-count.ts';

// The large counts of `test --full` take longer than a test may otherwise.
setDefaultTimeout(120_000);

const RUNS = { seed: 20_261_129, numRuns: runCount(2_000, 100_000), endOnFailure: true };

/** A URL whose every part is in its one spelling. */
interface Parts {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** With its `?`, or empty. */
  readonly query: string;
}

const HOSTS = [
  'a.test',
  'x-1.b.a.test',
  'xn--9ca.test',
  '127.0.0.1',
  '10.0.0.1',
  '[::1]',
  '[fd00::a]',
];
const SEGMENTS = [
  'v1',
  'a',
  'B',
  'a%20b',
  '%C3%A9',
  '%FF',
  'x.y',
  'a@b',
  '...',
  '~x_-',
  '%3B',
  'a:b',
];
const QUERIES = [
  '',
  '?limit=1',
  '?expand[]=a%20b',
  '?q=%C3%A9&q=2',
  '?a+b=%2B&c',
  '?x=%25zz',
  '?x=%FF',
];

function randomParts(g: Gen): Parts {
  const scheme = pick(g, ['http', 'https'] as const);
  const segments = g(fc.array<string>, fc.constantFrom(...SEGMENTS), { maxLength: 3 });
  return {
    scheme,
    host: pick(g, HOSTS),
    port: pick(g, [scheme === 'https' ? 443 : 80, 8_443]),
    path: `/${segments.join('/')}`,
    query: pick(g, QUERIES),
  };
}

const isDefault = ({ scheme, port }: Parts) => port === (scheme === 'https' ? 443 : 80);
const textOf = (parts: Parts, port = isDefault(parts) ? '' : `:${parts.port}`) =>
  `${parts.scheme}://${parts.host}${port}${parts.path}${parts.query}`;

const escaped = (char: string) => `%${char.charCodeAt(0).toString(16)}`;
const atRandom = (g: Gen, text: string, pattern: RegExp, change: (found: string) => string) =>
  text.replaceAll(pattern, (found) => (chance(g, 40) ? change(found) : found));
const inserted = (g: Gen, text: string, what: string) => {
  const at = g(fc.nat, text.length);
  return text.slice(0, at) + what + text.slice(at);
};
const number = (host: string) => host.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);

type Respell = (g: Gen, parts: Parts) => string;
const isName = ({ host }: Parts) => /[a-z]/.test(host) && !host.startsWith('[');
const isIpv4 = ({ host }: Parts) => /^[\d.]+$/.test(host);

/** Other ways to write the same, and what becomes of them: the same request or a refusal. */
const SAME: Readonly<Record<string, Respell>> = {
  'capitals in scheme and host': (g, p) => {
    const upper = (text: string) => atRandom(g, text, /[a-z]/g, (char) => char.toUpperCase());
    return textOf({ ...p, scheme: upper(p.scheme) as 'http', host: upper(p.host) }, `:${p.port}`);
  },
  'the default port written out': (_g, p) => textOf(p, `:${p.port}`),
  'a port with zeros before, or without digits': (g, p) =>
    textOf(
      p,
      isDefault(p) ? pick(g, [':', ':000443'.replace('443', String(p.port))]) : `:0${p.port}`,
    ),
  'escapes of characters that need none': (g, p) => {
    // A dot that is escaped is a dot segment to some; those are refused below.
    const loosened = (text: string) =>
      text.replaceAll(/%..|[\w~-]/g, (found) =>
        found.length === 1 && chance(g, 30) ? escaped(found) : found,
      );
    return textOf({ ...p, path: loosened(p.path), query: loosened(p.query) });
  },
  'escapes in small letters': (g, p) => {
    const small = (text: string) => atRandom(g, text, /%../g, (found) => found.toLowerCase());
    return textOf({ ...p, path: small(p.path), query: small(p.query) });
  },
  'escapes in the host': (g, p) =>
    p.host.startsWith('[')
      ? textOf(p)
      : textOf({ ...p, host: atRandom(g, p.host, /[a-z0-9]/g, escaped) }),
  'a path left out': (_g, p) => textOf(p.path === '/' ? { ...p, path: '' } : p),
  'a question mark without a query': (_g, p) => textOf(p.query === '' ? { ...p, query: '?' } : p),
  'an IPv4 address as a number, in octal, in hexadecimal, or short': (g, p) => {
    const [a, b, c, d] = p.host.split('.').map(Number);
    if (!isIpv4(p)) return textOf(p);
    const octal = `0${a?.toString(8)}.${b}.${c}.0${d}`;
    const hex = `0x${a?.toString(16)}.${b}.0x${c?.toString(16)}.${d}`;
    const whole = number(p.host);
    const forms = [String(whole), `0x${whole.toString(16)}`, octal, hex, `${a}.${d}`, `${p.host}.`];
    return textOf({ ...p, host: pick(g, forms) });
  },
  'an IPv6 address at length': (g, p) => {
    if (!p.host.startsWith('[')) return textOf(p);
    const [head, tail] = p.host === '[::1]' ? ['0', '1'] : ['fd00', 'a'];
    const forms = [
      `${head}:0:0:0:0:0:0:${tail}`,
      `${head}::0.0.0.${Number.parseInt(tail, 16)}`,
      `${head}::000${tail}`,
    ];
    return textOf({ ...p, host: `[${pick(g, forms)}]` });
  },
};
const REFUSED: Readonly<Record<string, Respell>> = {
  'a tab, a line end or a space': (g, p) =>
    inserted(g, textOf(p), pick(g, ['\t', '\n', '\r\n', ' ', '\u0000', '\u00a0'])),
  'dot segments': (g, p) => {
    const dots = pick(g, ['/.', '/x/..', '/%2e', '/x/%2E%2e', '/x/.%2E']);
    return textOf({
      ...p,
      path: pick(g, [`${dots}${p.path}`, `${p.path.replace(/\/$/, '')}${dots}`]),
    });
  },
  'slashes doubled, turned or escaped': (g, p) =>
    textOf({ ...p, path: pick(g, ['//', '\\', '/%2f', '/%5C']) + p.path.slice(1) }),
  'a dot behind the name': (_g, p) =>
    textOf({ ...p, host: isName(p) ? `${p.host}.` : `${p.host}..` }),
  'a name in Unicode or in full width': (g, p) =>
    textOf({
      ...p,
      host: pick(g, ['\u00e9.test', '\uff41.test', 'a\u3002test', '\u2460.test', '\uff11']),
    }),
  'a user name': (g, p) =>
    textOf(p).replace('://', pick(g, ['://u@', '://u:p@', '://@', '://a.test%40@'])),
  'a fragment': (g, p) => textOf(p) + pick(g, ['#', '#x', '#/../x']),
  'a parameter of a segment': (_g, p) => textOf({ ...p, path: `${p.path};a=b` }),
  'one slash, three, or none': (g, p) =>
    textOf(p).replace('://', pick(g, [':/', ':///', ':', ':\\\\'])),
  'a percent that is no escape': (g, p) =>
    pick(g, [textOf({ ...p, path: `${p.path}%4` }), textOf({ ...p, query: '?%%361=x' })]),
  'an escape of NUL or of a percent': (g, p) =>
    textOf({ ...p, path: p.path + pick(g, ['%00', '%25', '%2541']) }),
};

const parse = (url: string) =>
  parseRequest({ method: 'GET', url, headers: [], body: new Uint8Array() });

/** What leaves: where to, and the bytes of the first line. */
function onWire({ target, origin, path }: OutboundRequest) {
  const { scheme, host, port } = target;
  return { origin, line: `${target.method} ${path}`, scheme, host, port };
}

/** Covers the URL, or near it. */
function ruleNear(g: Gen, { scheme, host, port, path, query }: Parts): EgressRule {
  const names = [...new URLSearchParams(query).keys()];
  const near = chance(g, 60);
  return {
    ...{ id: 'near', methods: ['GET'], scheme, port },
    host: near ? host : pick(g, ['*.a.test', ...HOSTS]),
    path: chance(g, 70) ? path : pick(g, ['/**', '/{a}', '/v1/**', '/%FF', '/v1']),
    query: chance(g, 80) ? names : names.slice(1),
  };
}

test('no two spellings of one URL get different verdicts: each is the same on the wire, or refused', () => {
  const counts = new Map<string, number>();
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
  const kinds = [...Object.entries(SAME), ...Object.entries(REFUSED)];
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const parts = randomParts(g);
      const plain = parse(textOf(parts));
      if (!plain.ok) throw new Error(`${textOf(parts)}: ${plain.reason}`);
      const { request } = plain;
      const { scheme, host, port, path } = parts;
      expect(request.target).toMatchObject({ scheme, host, port, path });
      const rules = [ruleNear(g, parts)];
      const verdict = (of: OutboundRequest) =>
        decideEgress(
          { plugin: rules, operator: rules, networks: [], approval: [] },
          'read',
          of.target,
        );
      count(verdict(request).allowed ? 'allowed' : 'denied');
      const [kind, respell] = pick(g, kinds);
      const text = respell(g, parts);
      if (text === textOf(parts)) return;
      count(kind);
      const other = parse(text);
      expect({ text, ok: other.ok }).toEqual({ text, ok: kind in SAME });
      if (!other.ok) return;
      expect({ text, ...onWire(other.request) }).toEqual({ text, ...onWire(request) });
      expect(other.request).toEqual(request);
      expect(verdict(other.request)).toEqual(verdict(request));
    }),
    RUNS,
  );
  const few = RUNS.numRuns / 200;
  const rare = ['allowed', 'denied', ...kinds.map(([kind]) => kind)].filter(
    (what) => (counts.get(what) ?? 0) < few,
  );
  expect(rare).toEqual([]);
});

/** Anything that begins like a URL, mostly of characters that parsers differ about. */
const anyUrl = fc
  .tuple(
    fc.constantFrom('http://', 'https://', 'HTTPS://'),
    fc.constantFrom(
      'a.test',
      'A.b.test',
      '127.1',
      '[::1]',
      '%61.test',
      'a..test',
      'a_b.test',
      '-a-',
    ),
    fc.constantFrom('', ':', ':80', ':443', ':65535', ':0', ':00081'),
    fc.string({
      unit: fc.constantFrom(...'/aZ9%2f5c6100?&=;:@!$\'()*+,-._~"<>^`{|}[]\\#'),
      maxLength: 24,
    }),
  )
  .map(([scheme, host, port, rest]) => `${scheme}${host}${port}/${rest}`);

test('what is sent is what was matched: it parses to itself, and to nothing else', () => {
  let taken = 0;
  fc.assert(
    fc.property(anyUrl, (url) => {
      const parsed = parse(url);
      if (!parsed.ok) return;
      taken++;
      const { request } = parsed;
      for (const text of [request.url, request.origin + request.path]) {
        expect({ url, again: parse(text) }).toEqual({ url, again: parsed });
      }
      expect(request.path).toMatch(/^\/[^\s"<>^`{|}\\#]*$/);
      const [path, ...query] = request.path.split('?');
      expect(request.target.path).toBe(path ?? '');
      expect(request.target.query).toEqual([...new URLSearchParams(`?${query.join('?')}`)]);
    }),
    { ...RUNS, numRuns: 5 * RUNS.numRuns },
  );
  expect(taken).toBeGreaterThan(RUNS.numRuns / 4);
});
