import { expect, test } from 'bun:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { type Coding, codingsOf, codingToUnpack, Unpacker } from './decode-body.ts';

const PACK: Readonly<Record<Coding, (bytes: Uint8Array) => Buffer>> = {
  br: brotliCompressSync,
  deflate: deflateSync,
  gzip: gzipSync,
  'x-gzip': gzipSync,
};
const CODINGS = Object.keys(PACK) as Coding[];

interface Unpacked {
  readonly end: 'done' | 'stopped' | string;
  readonly bytes: Buffer;
}

/** Writes `chunks` as a connection would; stops once more than `most` bytes came out. */
function unpack(coding: Coding, chunks: readonly Uint8Array[], most = Infinity): Promise<Unpacked> {
  const { promise, resolve } = Promise.withResolvers<Unpacked>();
  const kept: Uint8Array[] = [];
  let size = 0;
  const left = [...chunks];
  const end = (how: string) => resolve({ end: how, bytes: Buffer.concat(kept) });
  const more = () => {
    for (let chunk = left.shift(); chunk !== undefined; chunk = left.shift())
      if (!unpacker.write(chunk)) return;
    unpacker.end();
  };
  const unpacker = new Unpacker(coding, {
    keep: (chunk) => {
      size += chunk.length;
      kept.push(new Uint8Array(chunk));
      if (size <= most) return;
      unpacker.destroy();
      // Whatever is still to come, comes before this.
      setTimeout(() => end('stopped'), 20);
    },
    drained: more,
    failed: end,
    done: () => end('done'),
  });
  more();
  return promise;
}

function split(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

const coding = fc.constantFrom(...CODINGS);
const body = fc.oneof(
  fc.uint8Array({ maxLength: 3_000 }),
  fc
    .array(fc.constantFrom('one ', 'two ', '漢'), { maxLength: 5_000 })
    .map((words) => Buffer.from(words.join(''))),
);
const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 8 });

test('however a packed body is cut into chunks, what comes out is what was packed', async () => {
  await fc.assert(
    fc.asyncProperty(coding, body, sizes, async (how, bytes, at) => {
      const { end, bytes: out } = await unpack(how, split(PACK[how](bytes), at));
      expect([end, out.equals(Buffer.from(bytes))]).toEqual(['done', true]);
    }),
    { numRuns: 100 },
  );
});

test('a body that ends early or late never counts as whole', async () => {
  await fc.assert(
    fc.asyncProperty(
      coding,
      body,
      sizes,
      fc.nat(),
      fc.boolean(),
      async (how, bytes, at, n, late) => {
        const whole = PACK[how](bytes);
        const wrong = late
          ? Buffer.concat([whole, Buffer.alloc(1 + (n % 9))])
          : whole.subarray(0, n % whole.length);
        if (wrong.length === 0) return;
        const { end } = await unpack(how, split(wrong, at));
        expect(end).toMatch(/^the response (is no whole|has bytes behind the end of its) /);
      },
    ),
    { numRuns: 100 },
  );
});

test('damaged bytes end in a reason or in bytes, never in silence or an exception', async () => {
  await fc.assert(
    fc.asyncProperty(
      coding,
      body,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }),
      async (how, bytes, changes) => {
        const damaged = Buffer.from(PACK[how](bytes));
        for (const [at, value] of changes) damaged[at % damaged.length] = value;
        const { end } = await unpack(how, [damaged], 1024 * 1024);
        expect(end).toMatch(/^(done|stopped|the response .+)$/);
      },
    ),
    { numRuns: 150 },
  );
});

test('no more is unpacked than is wanted, and one chunk', async () => {
  const zeros = Buffer.alloc(8 * 1024 * 1024);
  for (const how of CODINGS) {
    const bomb = PACK[how](zeros);
    for (const most of [0, 1, 100_000]) {
      const { end, bytes } = await unpack(how, split(bomb, [bomb.length]), most);
      expect([how, end, bytes.length > most]).toEqual([how, 'stopped', true]);
      expect(bytes.length).toBeLessThanOrEqual(most + 16 * 1024);
    }
  }
});

test('only one coding is unpacked, and only of the content', () => {
  const to = (content: string, transfer = '') =>
    codingToUnpack({ 'content-encoding': content, 'transfer-encoding': transfer });
  expect(['gzip', 'GZIP', ' br ', 'identity, deflate', 'x-gzip'].map((one) => to(one))).toEqual([
    ...(['gzip', 'gzip', 'br', 'deflate', 'x-gzip'] as const),
  ]);
  expect(to('gzip', 'chunked')).toBe('gzip');
  for (const [content, transfer] of [
    ...[
      ['', ''],
      ['identity', ''],
      ['zstd', ''],
      ['gzip, gzip', ''],
      ['__proto__', ''],
    ],
    ...[
      ['', 'gzip'],
      ['identity', 'gzip'],
      ['gzip', 'gzip, chunked'],
      ['gzip', 'identity'],
    ],
  ] as const) {
    expect([content, transfer, to(content ?? '', transfer)]).toEqual([
      content,
      transfer,
      undefined,
    ] as never);
  }
  expect(codingsOf({ 'content-encoding': ',identity,', 'transfer-encoding': 'Chunked' })).toEqual(
    [],
  );
});
