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

export function toHex(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += HEX[byte];
  return hex;
}

/** @throws RangeError when `hex` is not an even number of hexadecimal digits */
export function fromHex(hex: string): Uint8Array {
  if (hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) {
    throw new RangeError('expected an even number of hexadecimal digits');
  }
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  }
  return bytes;
}

/** The hash of the runtime, where it has one: some hundred bytes take 1 µs there and 30 µs by Web Crypto. */
const native = globalThis.process?.getBuiltinModule?.('node:crypto');

export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  if (native) return new Uint8Array(native.createHash('sha256').update(bytes).digest());
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
}

/** The digest of exact bytes. */
export async function digestOf(bytes: Uint8Array): Promise<Digest> {
  if (native) return `sha256:${native.createHash('sha256').update(bytes).digest('hex')}`;
  return `sha256:${toHex(await sha256(bytes))}`;
}

/** The digest of a value's canonical JSON (RFC 8785). */
export async function digestOfJson(value: unknown): Promise<Digest> {
  return digestOf(canonicalBytes(value));
}
