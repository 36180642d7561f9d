import { expect, test } from 'bun:test';
import { InFlightBytes, ResponseBuffer } from './response-buffer.ts';

test('many chunks of one byte cost one buffer, and no chunk is kept', () => {
  const inFlight = new InFlightBytes(1_000_000);
  const buffer = new ResponseBuffer(inFlight, 500_000);
  const chunk = new Uint8Array(1);
  for (let i = 0; i < 100_000; i++) {
    chunk[0] = i % 251;
    expect(buffer.add(chunk)).toBe(true);
  }
  const bytes = buffer.bytes();
  expect([bytes.length, bytes[0], bytes[252], bytes[99_999]]).toEqual([
    100_000,
    0,
    1,
    99_999 % 251,
  ]);
  expect(buffer.capacity).toBeLessThanOrEqual(200_000);
  expect(inFlight.used).toBe(buffer.capacity);
  buffer.release();
  expect(inFlight.used).toBe(0);
  expect(bytes).toHaveLength(100_000);
});

test('the buffer never sets more aside than its bound', () => {
  const buffer = new ResponseBuffer(new InFlightBytes(1_000_000), 20_000);
  buffer.add(new Uint8Array(17_000));
  buffer.add(new Uint8Array(3_000));
  expect(buffer.capacity).toBe(20_000);
});

test('responses share one room, and what is given back can be taken again', () => {
  const inFlight = new InFlightBytes(100_000);
  const first = new ResponseBuffer(inFlight, 100_000);
  const second = new ResponseBuffer(inFlight, 100_000);
  expect(first.add(new Uint8Array(60_000))).toBe(true);
  expect(second.add(new Uint8Array(60_000))).toBe(false);
  expect(second.bytes()).toHaveLength(0);
  first.release();
  expect(second.add(new Uint8Array(60_000))).toBe(true);
});
