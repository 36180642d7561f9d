import { afterAll, beforeAll, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib';
import { digestOf } from '@portarium/contracts/digest';
import { type EgressRule, EgressRuleSchema } from '@portarium/contracts/egress-rule';
import { makeId } from '@portarium/contracts/ids';
import * as v from 'valibot';
import { leave } from '../testing/counterpart.ts';
import { EgressRigs } from '../testing/egress-rig.ts';
import type { BrokerOptions } from './egress-session.ts';

const MiB = 1024 * 1024;
const CRLF = '\r\n';

const rigs = new EgressRigs();
const sockets = new Set<Socket>();
/** What the server writes once a request is there. */
let answer: (socket: Socket, request: string) => void = () => undefined;
const server = createServer((socket) => {
  sockets.add(socket);
  let request = '';
  socket.on('error', () => undefined);
  socket.on('close', () => sockets.delete(socket));
  socket.on('data', (chunk) => {
    request += chunk.toString('latin1');
    if (request.includes(CRLF + CRLF)) answer(socket, request);
  });
});
let port = 0;

beforeAll(async () => {
  await rigs.start();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  port = (server.address() as { port: number }).port;
});
afterAll(async () => {
  await rigs.stop();
  for (const socket of sockets) socket.destroy();
  server.close();
});

function rule(over: object = {}): EgressRule {
  return v.parse(EgressRuleSchema, {
    ...{ id: 'main', methods: ['GET', 'HEAD', 'POST'], scheme: 'http', host: '127.0.0.1', port },
    ...{ path: '/**', headers: ['accept-encoding'], ...over },
  });
}

interface Ask {
  readonly method?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly most?: number;
  readonly rule?: object;
  readonly options?: Partial<BrokerOptions>;
}

/** One call of a guest, and all that is known of it afterwards. */
async function ask({ method = 'GET', headers = [], most = MiB, ...how }: Ask = {}) {
  const rules = [rule(how.rule)];
  const contract = { plugin: rules, operator: rules, networks: ['loopback'], approval: [] };
  const limits = { egressBytesIn: most };
  const effect = method === 'POST' ? ('write' as const) : ('read' as const);
  const rig = rigs.attempt({ contract, limits, effect }, how.options);
  const url = `http://127.0.0.1:${port}/`;
  const given = await rig.session.request({ method, url, headers, body: new Uint8Array() });
  const text = given.kind === 'response' ? new TextDecoder().decode(given.body) : undefined;
  return { answer: given, text, record: rig.session.calls[0], session: rig.session };
}

function head(headers: readonly string[], status = '200 OK'): string {
  return [`HTTP/1.1 ${status}`, ...headers, '', ''].join(CRLF);
}

function packed(coding: string, body: Uint8Array, more: readonly string[] = []): Buffer {
  const length = `content-length: ${body.length}`;
  return Buffer.concat([Buffer.from(head([`content-encoding: ${coding}`, length, ...more])), body]);
}

/** What the guest reads when the server writes this and nothing more. */
function told(bytes: Uint8Array | string, asked: Ask = {}) {
  answer = (socket) => socket.write(bytes);
  return ask(asked);
}

const QUICK = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
const TEXT = 'it is packed, äöü. '.repeat(2_000);

test('a packed answer is unpacked, and all that speaks of the packing is gone', async () => {
  const codings = [
    ['gzip', gzipSync(TEXT)],
    ['X-GZip', gzipSync(TEXT)],
    ['deflate', deflateSync(TEXT)],
    ['br', brotliCompressSync(TEXT)],
    ['identity, gzip', gzipSync(TEXT)],
    ['gzip', Buffer.concat([gzipSync(TEXT.slice(0, 99)), gzipSync(TEXT.slice(99))])],
  ] as const;
  for (const [coding, body] of codings) {
    const { answer: given, text, record } = await told(packed(coding, body, ['x-kept: yes']));
    expect([coding, text]).toEqual([coding, TEXT]);
    expect(given.kind === 'response' && given.headers).toEqual({ 'x-kept': 'yes' });
    // The journal has the digest and the size of what the guest read, never of what came packed.
    const bytes = new TextEncoder().encode(TEXT);
    expect(record).toMatchObject({
      ...{ verdict: 'allowed', bytesIn: bytes.length, responseDigest: await digestOf(bytes) },
      responseHeaders: { 'x-kept': 'yes' },
    });
  }
});

test('nothing packed is asked for, unless the guest asks; it reads plain bytes all the same', async () => {
  let asked = '';
  answer = (socket, request) => {
    asked = request.toLowerCase();
    socket.write(packed('gzip', gzipSync(TEXT)));
  };
  expect((await ask()).text).toBe(TEXT);
  expect(asked).toContain('accept-encoding: identity\r\n');
  expect((await ask({ headers: [['accept-encoding', 'br, gzip']] })).text).toBe(TEXT);
  expect(asked).toContain('accept-encoding: br, gzip\r\n');
});

test('an answer without a body is packed in nothing, whatever its headers say', async () => {
  const gzip = ['content-encoding: gzip', 'content-length: 1234', 'x-kept: yes'];
  const answers = [
    ['HEAD', head(gzip)],
    ['GET', head(gzip.slice(0, 1), '204 No Content')],
    ['GET', head(gzip, '304 Not Modified')],
    ['GET', head(['content-encoding: gzip', 'content-length: 0'])],
    ['GET', head(['content-encoding: gzip, gzip', 'content-length: 0'])],
  ] as const;
  for (const [method, bytes] of answers) {
    const { answer: given, text } = await told(bytes, { method });
    expect([bytes, text]).toEqual([bytes, '']);
    expect(given.kind === 'response' && given.headers).not.toHaveProperty('content-encoding');
  }
});

test('a large packed answer arrives whole, also when the server closes behind it', async () => {
  const random = randomBytes(3 * MiB).toString('hex');
  for (const body of [gzipSync(random), brotliCompressSync(random, QUICK)]) {
    const coding = body[0] === 0x1f ? 'gzip' : 'br';
    answer = (socket) => socket.end(packed(coding, body));
    expect((await ask({ most: 8 * MiB })).text).toBe(random);
  }
});

test('a gzip bomb of 1 MiB that would be 1 GiB ends at the limit, in little memory', async () => {
  const member = gzipSync(Buffer.alloc(16 * MiB));
  const bomb = Buffer.concat(Array.from({ length: 65 }, () => member));
  expect(bomb.length).toBeGreaterThan(MiB);
  const bytes = packed('gzip', bomb);
  const before = process.memoryUsage().rss;
  const { answer: given, record } = await told(bytes, { most: 2 * MiB });
  expect(given).toMatchObject({ kind: 'refused', code: 'limit.egress' });
  expect(record).toMatchObject({
    ...{ verdict: 'failed', layer: 'budget' },
    reason: `the response is larger than ${2 * MiB} bytes once unpacked`,
  });
  expect(record?.bytesIn).toBeLessThanOrEqual(2 * MiB + 16 * 1024);
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * MiB);
  const large = packed('br', brotliCompressSync(Buffer.alloc(64 * MiB), QUICK));
  expect((await told(large)).answer).toMatchObject({ code: 'limit.egress' });
});

test('packed bytes count too: a body that unpacks to nothing has the same limit', async () => {
  const nothing = Buffer.concat(Array.from({ length: 1_000 }, () => gzipSync('')));
  const small = await told(packed('gzip', nothing));
  expect([small.text, small.record?.bytesIn]).toEqual(['', nothing.length]);
  expect(small.session.bytesIn).toBe(nothing.length);
  const large = await told(packed('gzip', nothing), { most: 10_000 });
  expect(large.answer).toMatchObject({ kind: 'refused', code: 'limit.egress' });
});

test('what is packed twice, or in a way that the broker does not unpack, is refused by name', async () => {
  const twice = gzipSync(gzipSync(TEXT));
  const chunked = Buffer.concat([
    Buffer.from(`${head(['transfer-encoding: gzip, chunked'])}${twice.length.toString(16)}${CRLF}`),
    twice,
    Buffer.from(`${CRLF}0${CRLF}${CRLF}`),
  ]);
  const answers = [
    ['gzip, gzip', packed('gzip, gzip', twice)],
    ['gzip, gzip', packed('gzip', twice, ['content-encoding: gzip'])],
    ['br, gzip', packed('br,gzip', twice)],
    ['zstd', packed('zstd', twice)],
    ['compress', packed('compress', twice)],
    ['gzip, chunked', chunked],
    ['something unknown', packed('x-own', twice)],
  ] as const;
  for (const [named, bytes] of answers) {
    const { answer: given, record } = await told(bytes);
    const reason = `the response is packed as ${named}, which the broker does not unpack`;
    expect([given.kind, record]).toMatchObject(['failed', { verdict: 'failed', reason }]);
  }
});

test('a packed body that is cut off, damaged or longer than itself is a failure, not a short answer', async () => {
  const random = Buffer.from(TEXT);
  for (const [coding, whole] of [
    ['gzip', gzipSync(random)],
    ['deflate', deflateSync(random)],
    ['br', brotliCompressSync(random)],
  ] as const) {
    const broken = [
      ...[whole.subarray(0, -1), whole.subarray(0, 20), whole.subarray(0, 1)],
      ...[Buffer.from('plain text'), Buffer.concat([whole, Buffer.alloc(3)])],
    ];
    for (const body of broken) {
      const { answer: given, record } = await told(packed(coding, body));
      expect([coding, body.length, given.kind]).toEqual([coding, body.length, 'failed']);
      expect(record?.reason).toMatch(
        /^the response (is no whole|has bytes behind the end of its) /,
      );
    }
  }
});

test('a write whose answer can not be unpacked has happened, and nobody says that it failed', async () => {
  const idempotency = { header: 'Idempotency-Key', retentionHours: 24 };
  const cut = packed('gzip', gzipSync(TEXT).subarray(0, 30));
  const nested = packed('gzip, gzip', gzipSync(TEXT));
  const keyed = leave({ idempotency: { header: 'idempotency-key', key: 'k' } });
  for (const [bytes, key, code] of [
    [cut, false, 'outcome.unknown'],
    [cut, true, 'answer.lost'],
    // The same would come again.
    [nested, false, 'outcome.unknown'],
    [nested, true, 'outcome.unknown'],
  ] as const) {
    rigs.counterpart.intend = () => (key ? keyed : leave());
    const { answer: given } = await told(bytes, {
      method: 'POST',
      rule: key ? { idempotency } : {},
    });
    expect(given).toMatchObject({ kind: 'refused', code });
  }
});

test('a secret is scrubbed from what was unpacked', async () => {
  const secret = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc';
  const credential = {
    ...{ id: makeId('credential', 1, new Uint8Array(10)), slot: 'main', version: 1 },
    ...{ kind: 'bearer', secret },
  };
  rigs.counterpart.intend = () => leave({ credential });
  const { answer: given, text } = await told(packed('gzip', gzipSync(`it was ${secret}.`)), {
    rule: { credential: 'main' },
  });
  expect(text).toMatch(/^it was .+\.$/);
  expect(JSON.stringify([given, text])).not.toContain(secret);
  const named = await told(packed(secret, gzipSync('x')), { rule: { credential: 'main' } });
  expect(named.answer.kind).toBe('failed');
  expect(JSON.stringify([named.answer, named.record]).toLowerCase()).not.toContain(
    secret.toLowerCase(),
  );
});

test('a body without end stops at the limit, packed or not', async () => {
  const block = Buffer.alloc(16 * 1024, 'x');
  for (const coding of ['identity', 'gzip']) {
    answer = (socket) => {
      const start = head(['transfer-encoding: chunked', `content-encoding: ${coding}`]);
      socket.write(start);
      // Empty members unpack to nothing: only what came packed can stop them.
      const body = coding === 'gzip' ? gzipSync('') : block;
      const chunk = Buffer.concat([
        Buffer.from(body.length.toString(16) + CRLF),
        ...[body, Buffer.from(CRLF)],
      ]);
      const many = Buffer.concat(Array.from({ length: 100 }, () => chunk));
      const more = () => {
        if (!socket.destroyed) socket.write(many, () => setImmediate(more));
      };
      more();
    };
    const { answer: given } = await ask({ most: 100_000 });
    expect([coding, given]).toMatchObject([coding, { kind: 'refused', code: 'limit.egress' }]);
  }
});

test('a body or a head that drips ends by the time of a call', async () => {
  const drip = (start: string, bytes: Uint8Array, again = false) => {
    answer = (socket) => {
      socket.write(start);
      let at = 0;
      const timer = setInterval(() => {
        if (at < bytes.length || again)
          socket.write(bytes.subarray(at++ % bytes.length).subarray(0, 1));
      }, 50);
      socket.on('close', () => clearInterval(timer));
    };
  };
  const length = 'content-length: 1000';
  const starts = [
    () => drip(head([length]), Buffer.from('x'), true),
    () => drip(head([length, 'content-encoding: gzip']), gzipSync(TEXT)),
    () => drip(`HTTP/1.1 200 OK${CRLF}x-long: `, Buffer.from('x'), true),
    // Nothing at all.
    () => drip('', new Uint8Array()),
  ];
  for (const start of starts) {
    start();
    const began = performance.now();
    const { answer: given, record } = await ask({ options: { timeoutMs: 400 } });
    expect([given.kind, record?.reason]).toEqual(['failed', 'no full answer in 400 ms']);
    expect(performance.now() - began).toBeLessThan(3_000);
  }
});

test('a head without end is a failure before it is large', async () => {
  let written = 0;
  answer = (socket) => {
    socket.write(`HTTP/1.1 200 OK${CRLF}`);
    const lines = `x-more: ${'y'.repeat(1_000)}${CRLF}`.repeat(16);
    const more = () => {
      if (socket.destroyed) return;
      written += lines.length;
      socket.write(lines, () => setImmediate(more));
    };
    more();
  };
  const { answer: given } = await ask({ options: { timeoutMs: 5_000 } });
  expect(given.kind).toBe('failed');
  // What the kernel's buffers take is not what the broker keeps.
  expect(written).toBeLessThan(64 * MiB);
});

test('informational answers before a packed one are passed over', async () => {
  const hints = `HTTP/1.1 103 Early Hints${CRLF}content-encoding: br${CRLF}${CRLF}`;
  const bytes = Buffer.concat([Buffer.from(hints.repeat(3)), packed('gzip', gzipSync(TEXT))]);
  expect((await told(bytes)).text).toBe(TEXT);
});

test('a length that is not true is no answer, or gives what it says', async () => {
  const body = gzipSync(TEXT);
  const gzip = 'content-encoding: gzip';
  // Fewer bytes than told, and then the end.
  for (const headers of [['content-length: 9'], [`content-length: ${body.length + 1}`, gzip]]) {
    answer = (socket) => {
      socket.write(head(headers));
      socket.end(headers.length > 1 ? body : 'short');
    };
    const { answer: given } = await ask();
    expect([headers, given.kind]).toEqual([headers, 'failed']);
  }
  // More bytes than told: those behind are nobody's.
  const more = await told(`${head(['content-length: 5'])}short and more`);
  expect(more.answer.kind === 'response' ? more.text : 'short').toBe('short');
  const cut = await told(Buffer.concat([packed('gzip', body.subarray(0, 40)), body.subarray(40)]));
  expect(cut.answer.kind).toBe('failed');
});

test('an answer with two lengths, or a length and chunks, is refused: two readers could differ on it', async () => {
  const chunks = `5${CRLF}plain${CRLF}0${CRLF}${CRLF}`;
  const ambiguous = [
    head(['content-length: 5', 'content-length: 20']) + chunks,
    head(['content-length: 5, 20']) + chunks,
    head(['content-length: 20', 'transfer-encoding: chunked']) + chunks,
    head(['transfer-encoding: chunked', 'content-length: 5']) + chunks,
    head(['content-length: +5']) + chunks,
    head(['transfer-encoding: chunked, identity']) + chunks,
    head(['transfer-encoding: identity, chunked']) + chunks,
    head(['transfer-encoding: identity']) + chunks,
    head(['transfer-encoding: chunked, chunked']) + chunks,
    head(['transfer-encoding: chunked', 'transfer-encoding: chunked']) + chunks,
  ];
  for (const bytes of ambiguous) {
    answer = (socket) => socket.end(bytes);
    const { answer: given } = await ask({ options: { timeoutMs: 1_000 } });
    expect([bytes, given.kind]).toEqual([bytes, 'failed']);
  }
});
