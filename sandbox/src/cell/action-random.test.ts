import { expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { ActionRandom } from './action-random.ts';

const SEED = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
/** Blocks 0, 1 and 2, computed with Python's hashlib. */
const STREAM =
  'a9d6e500293a88bd38cbe213d07ab71f8cb2258552072a01bdf1c40be527f4d0' +
  '6061c4386d7a1788ba52e2e8b2ee6fe6137644ec75a70bf7042cfd67a1e57bd3' +
  '7365a07b4571dc929c3629031f2b3b815637f619ae346d4a72c408ddbd3980e3';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('the stream is the blocks SHA-256(seed, index as 8 bytes, big-endian) in order', () => {
  expect(hex(new ActionRandom(SEED).take(96))).toBe(STREAM);
  const index = new Uint8Array(8);
  const blocks = [0, 1, 2].map((i) => {
    index[7] = i;
    return createHash('sha256').update(Buffer.from(SEED, 'hex')).update(index).digest('hex');
  });
  expect(blocks.join('')).toBe(STREAM);
});

test('how a guest cuts the stream changes nothing about its bytes', () => {
  const random = new ActionRandom(SEED);
  const parts = [1, 0, 30, 2, 40, 23].map((count) => hex(random.take(count)));
  expect(parts.join('')).toBe(STREAM);
});

test('the stream goes on beyond one byte of the index', () => {
  const digest = createHash('sha256').update(new ActionRandom(SEED).take(140_000)).digest('hex');
  expect(digest).toBe('cde68dde7aef0596d354156710c8f760b3b2d58ac3906f67df43f128ef796c7d');
});

test('what is taken is never the buffer of what is taken later', () => {
  const random = new ActionRandom(SEED);
  const first = random.take(32);
  expect(first.byteOffset).toBe(0);
  expect(first.buffer.byteLength).toBe(32);
  first.fill(0);
  expect(hex(random.take(32))).toBe(STREAM.slice(64, 128));
});

test('a seed that is not 64 hexadecimal digits is refused', () => {
  for (const seed of ['', SEED.slice(1), `${SEED}00`, SEED.toUpperCase(), SEED.replace('0', 'g')]) {
    expect(() => new ActionRandom(seed)).toThrow(RangeError);
  }
});
