import { expect, test } from 'bun:test';
import { cpuMs } from '@portarium/contracts/testing/cpu-ms';
import { Scrubber } from './scrub.ts';

const SECRET = 'sk_test/"4eC39H+lq%5C\\x';
const scrubber = new Scrubber([SECRET], 'stripe');

function scrubbed(text: string): string | undefined {
  const bytes = scrubber.bytes(Buffer.from(text));
  return bytes && Buffer.from(bytes).toString();
}

test('each occurrence becomes a marker, and the rest stays byte for byte', () => {
  const hex = Buffer.from(SECRET).toString('hex');
  expect(scrubbed(`${SECRET}, ${encodeURIComponent(SECRET)}; ${hex}${hex.toUpperCase()}!`)).toBe(
    '[credential stripe], [credential stripe]; [credential stripe][credential stripe]!',
  );
  expect(scrubbed(JSON.stringify({ a: SECRET, b: [`x${SECRET}y`] }))).toBe(
    '{"a":"[credential stripe]","b":["x[credential stripe]y"]}',
  );
});

test('a secret that is encoded in two ways at once is found', () => {
  const mixed = [...SECRET]
    .map((character, i) => {
      const hex = character.charCodeAt(0).toString(16).padStart(2, '0');
      return [character, `%${hex}`, `\\u00${hex.toUpperCase()}`][i % 3];
    })
    .join('');
  expect(scrubbed(`<${mixed}>`)).toBe('<[credential stripe]>');
});

test('a part of the secret is no secret', () => {
  expect(scrubbed(SECRET.slice(1))).toBe(SECRET.slice(1));
  expect(scrubbed(SECRET.slice(0, -1))).toBe(SECRET.slice(0, -1));
  expect(scrubbed('%')).toBe('%');
  expect(scrubbed('\\u00')).toBe('\\u00');
});

test('what the marker makes with its surroundings is scrubbed too', () => {
  const secret = `]${'a'.repeat(20)}`;
  const own = new Scrubber([secret], 'main');
  const left = own.bytes(Buffer.from(secret + 'a'.repeat(20)));
  expect(Buffer.from(left ?? []).toString()).toBe('[credential main[credential main]');
});

test('a slot that is named after its secret does not tell it', () => {
  const own = new Scrubber(['the-very-long-secret'], 'the-very-long-secret');
  expect(own.text('is the-very-long-secret.')).toBe('is [credential].');
});

test('a body that makes the secret anew again and again can not be scrubbed', () => {
  const secret = `]${'a'.repeat(16)}`;
  const own = new Scrubber([secret], 'main');
  expect(own.bytes(Buffer.from(secret + 'a'.repeat(16 * 8)))).toBeUndefined();
});

test('bytes that read like escapes do not make scrubbing slow', () => {
  for (const text of ['\\', '%', '%73', '\\u0073', '\\\\/', SECRET.slice(0, -1)]) {
    const started = process.cpuUsage();
    const body = Buffer.alloc(1024 * 1024, text);
    expect(scrubber.bytes(body)).toBe(body);
    expect([text, cpuMs(started) < 3_000]).toEqual([text, true]);
  }
});

test('a body of the default budget is scrubbed in a moment', () => {
  const body = Buffer.alloc(8 * 1024 * 1024, 'abcdefghijklmnopqrstuvwxyz0123456789%2F\\u00');
  const started = process.cpuUsage();
  expect(scrubber.bytes(body)).toBe(body);
  expect(cpuMs(started)).toBeLessThan(5_000);
});
