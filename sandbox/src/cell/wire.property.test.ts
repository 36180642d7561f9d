import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { encodeFrame, type Frame, FrameReader, ProtocolViolation } from './wire.ts';

const SEED = 3;

test('frames survive any cutting of the stream into chunks', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.dictionary(fc.string(), fc.string()), fc.uint8Array()), {
        maxLength: 8,
      }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (messages, cuts) => {
        const stream = Buffer.concat(messages.map(([head, body], i) => encodeFrame(i, head, body)));
        const reader = new FrameReader(1_000_000);
        const frames: Frame[] = [];
        for (let offset = 0, i = 0; offset < stream.length; i++) {
          const length = cuts[i % cuts.length] ?? 1;
          frames.push(...reader.push(new Uint8Array(stream.subarray(offset, offset + length))));
          offset += length;
        }
        expect(frames.map(({ head }) => JSON.stringify(head))).toEqual(
          messages.map(([head]) => JSON.stringify(head)),
        );
        expect(frames.map(({ body }) => [...body])).toEqual(messages.map(([, body]) => [...body]));
      },
    ),
    { seed: SEED },
  );
});

test('arbitrary bytes give frames or a violation, never another error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        new FrameReader(200).push(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolViolation);
      }
    }),
    { seed: SEED, numRuns: 2_000 },
  );
});

test('a frame over the cap is refused from its length alone', () => {
  const reader = new FrameReader(100);
  expect(() => reader.push(Uint8Array.of(0, 0, 0, 101))).toThrow(ProtocolViolation);
});

test('a long head is refused whatever its frame may hold', () => {
  const reader = new FrameReader(1_000, 20);
  const [frame] = reader.push(encodeFrame(0, { a: 1 }, new Uint8Array(500)));
  expect(frame).toMatchObject({ head: { a: 1 }, headBytes: 7 });
  expect(() => reader.push(encodeFrame(1, { a: 'x'.repeat(20) }))).toThrow(/a head of 28 bytes/);
});

test('a frame that comes byte by byte is refused', () => {
  const frame = encodeFrame(0, {}, new Uint8Array(100_000));
  const send = (size: number) => {
    const reader = new FrameReader(1_000_000);
    for (let at = 0; at < frame.length; at += size) reader.push(frame.subarray(at, at + size));
  };
  expect(() => send(1)).toThrow(/pieces/);
  expect(() => send(512)).not.toThrow();
});

test('a repeated or skipped sequence number is refused', () => {
  const reader = new FrameReader(1_000);
  reader.push(encodeFrame(0, {}));
  expect(() => reader.push(encodeFrame(0, {}))).toThrow(/expected/);
  expect(() => new FrameReader(1_000).push(encodeFrame(1, {}))).toThrow(/expected/);
});
