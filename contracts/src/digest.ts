/** SHA-256 digests as they stand in JSON: `sha256:` and 64 lowercase hexadecimal digits. */
import * as v from 'valibot';
import { canonicalBytes } from './canonical-json.ts';

export type Digest = `sha256:${string}`;

export const DigestSchema = v.pipe(
  v.string(),
  v.regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 lowercase hexadecimal digits'),
  v.transform((text) => text as Digest),
);

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
/** The runtime's own, where it has them. */
const nativeHex = (Uint8Array.prototype as { toHex?(this: Uint8Array): string }).toHex;
const nativeFromHex = (Uint8Array as { fromHex?(hex: string): Uint8Array }).fromHex;

export function toHex(bytes: Uint8Array): string {
  if (nativeHex) return nativeHex.call(bytes);
  let hex = '';
  for (const byte of bytes) hex += HEX[byte];
  return hex;
}

/** @throws RangeError when `hex` is not an even number of hexadecimal digits */
export function fromHex(hex: string): Uint8Array {
  if (hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) {
    throw new RangeError('expected an even number of hexadecimal digits');
  }
  if (nativeFromHex) return nativeFromHex.call(Uint8Array, hex);
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  }
  return bytes;
}

/**
 * SHA-256 at once, where the runtime has such a thing (Bun, Deno, Node): some hundred bytes take less than
 * a microsecond there, and by Web Crypto, which browsers have alone, 30 and a promise each.
 */
export const sha256Now: ((bytes: Uint8Array) => Uint8Array) | undefined = hashNow();

function hashNow(): ((bytes: Uint8Array) => Uint8Array) | undefined {
  const hexNow = hexHashNow();
  if (!hexNow) return undefined;
  const decode = nativeFromHex?.bind(Uint8Array) ?? fromHex;
  return (bytes) => decode(hexNow(bytes));
}

/** Hexadecimal is what every runtime hands over quickly. */
function hexHashNow(): ((bytes: Uint8Array) => string) | undefined {
  const native = globalThis.process?.getBuiltinModule?.('node:crypto');
  if (!native) return undefined;
  return native.hash
    ? (bytes) => native.hash('sha256', bytes, 'hex')
    : (bytes) => native.createHash('sha256').update(bytes).digest('hex');
}

const hexNow = hexHashNow();

export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return sha256Now ? sha256Now(bytes) : sha256ByWebCrypto(bytes);
}

/** The same for every runtime; one promise a hash. */
export async function sha256ByWebCrypto(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
}

/** Hashes that are in flight at once, by Web Crypto: more only take memory. */
const IN_FLIGHT = 1_024;

/** The hashes of `count` messages. @param message makes one; its bytes are used before the next is made */
export async function sha256Each(
  count: number,
  message: (index: number) => Uint8Array,
): Promise<Uint8Array[]> {
  const hashes: Uint8Array[] = [];
  if (sha256Now) {
    for (let i = 0; i < count; i++) hashes.push(sha256Now(message(i)));
    return hashes;
  }
  for (let start = 0; start < count; start += IN_FLIGHT) {
    const end = Math.min(count, start + IN_FLIGHT);
    const part: Promise<Uint8Array>[] = [];
    // Web Crypto takes its own copy before it answers.
    for (let i = start; i < end; i++) part.push(sha256ByWebCrypto(message(i)));
    hashes.push(...(await Promise.all(part)));
  }
  return hashes;
}

/** The digest of exact bytes. */
export async function digestOf(bytes: Uint8Array): Promise<Digest> {
  return hexNow ? `sha256:${hexNow(bytes)}` : digestFrom(await sha256ByWebCrypto(bytes));
}

/** The digests of all of these. */
export async function digestEach(messages: readonly Uint8Array[]): Promise<Digest[]> {
  const now = hexNow;
  if (now) return messages.map((bytes): Digest => `sha256:${now(bytes)}`);
  const hashes = await sha256Each(messages.length, (i) => messages[i] ?? new Uint8Array());
  return hashes.map(digestFrom);
}

/** A hash in the form that stands in JSON. */
export function digestFrom(hash: Uint8Array): Digest {
  return `sha256:${toHex(hash)}`;
}

/** The digest of a value's canonical JSON (RFC 8785). */
export async function digestOfJson(value: unknown): Promise<Digest> {
  return digestOf(canonicalBytes(value));
}
