/**
 * Signed notes (C2SP signed-note) with Ed25519, as Go's `golang.org/x/mod/sumdb/note` reads them.
 * Parsing is strict; a signature of an unknown key is ignored, a bad one of a known key never is.
 */
import { fromBase64, toBase64 } from './base64.ts';
import { sha256, toHex } from './digest.ts';

/** Signature type of Ed25519 in C2SP signed-note. */
const ED25519 = 1;
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const KEY_HASH_BYTES = 4;
/** More signature lines than any honest log has witnesses; bounds the work of a hostile note. */
const MAX_SIGNATURES = 100;
const MAX_NOTE_LENGTH = 1_000_000;

const encoder = new TextEncoder();

/** A public key with the name that stands on its signature lines. */
export interface VerifierKey {
  readonly name: string;
  /** The 4-byte key id. */
  readonly hash: Uint8Array;
  /** 32 raw bytes. */
  readonly publicKey: Uint8Array;
}

export type OpenedNote =
  | {
      readonly ok: true;
      /** What was signed, ending in a newline. */
      readonly text: string;
      /** The keys, of those given, whose signatures verify; at least one. */
      readonly signedBy: readonly VerifierKey[];
      /** Signature lines of none of the keys given. */
      readonly strangers: number;
    }
  | {
      readonly ok: false;
      readonly reason: 'malformed' | 'bad-signature' | 'unsigned';
      readonly error: string;
    };

/** Whether `name` may stand in a verifier key: not empty, no space, no plus, no control character. */
export function isKeyName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  return name !== '' && name.isWellFormed() && !/[\s+\u0000-\u001f\u007f\u0085]/u.test(name);
}

/** The key id: SHA-256(name ‖ "\n" ‖ 0x01 ‖ public key), its first 4 bytes. */
export async function keyHash(name: string, publicKey: Uint8Array): Promise<Uint8Array> {
  const hash = await sha256(join(encoder.encode(`${name}\n`), typed(publicKey)));
  return hash.slice(0, KEY_HASH_BYTES);
}

/**
 * The text of a verifier key: `<name>+<8 hex digits>+<base64 of 0x01 ‖ public key>`.
 * @throws RangeError when the name or the key's length is not allowed
 */
export async function verifierKey(name: string, publicKey: Uint8Array): Promise<string> {
  assertKey(name, publicKey);
  return `${name}+${toHex(await keyHash(name, publicKey))}+${toBase64(typed(publicKey))}`;
}

/** The inverse of {@link verifierKey}; undefined when anything about `text` is wrong. */
export async function parseVerifierKey(text: string): Promise<VerifierKey | undefined> {
  const [name, hex, encoded, ...rest] = splitKey(text);
  if (name === undefined || hex === undefined || encoded === undefined || rest.length > 0) {
    return undefined;
  }
  const bytes = fromBase64(encoded);
  if (!isKeyName(name) || bytes?.length !== 1 + PUBLIC_KEY_BYTES || bytes[0] !== ED25519) {
    return undefined;
  }
  const publicKey = bytes.slice(1);
  const hash = await keyHash(name, publicKey);
  return toHex(hash) === hex ? { name, hash, publicKey } : undefined;
}

/** Splits at the first two plus signs: base64 may hold more. */
function splitKey(text: string): string[] {
  const first = text.indexOf('+');
  const second = text.indexOf('+', first + 1);
  if (first < 0 || second < 0) return [];
  return [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)];
}

/**
 * Signs `text` and returns the whole note.
 * @param text what is signed; ends in a newline, no control characters but newlines
 * @param name the key's name, as in its verifier key
 * @param privateKey an Ed25519 key that may sign
 * @param publicKey its 32 raw public bytes
 * @throws RangeError when text, name or key has the wrong form
 */
export async function signNote(
  text: string,
  name: string,
  privateKey: CryptoKey,
  publicKey: Uint8Array,
): Promise<string> {
  if (!isNoteText(text)) {
    throw new RangeError('a note is well-formed text that ends in a newline, without controls');
  }
  assertKey(name, publicKey);
  const signature = await crypto.subtle.sign('Ed25519', privateKey, encoder.encode(text));
  const line = join(await keyHash(name, publicKey), new Uint8Array(signature));
  return `${text}\n— ${name} ${toBase64(line)}\n`;
}

/**
 * The note with one more signature over the same text.
 * @throws RangeError as {@link signNote} does
 */
export async function cosignNote(
  note: string,
  name: string,
  privateKey: CryptoKey,
  publicKey: Uint8Array,
): Promise<string> {
  const text = noteText(note);
  const own = await signNote(text, name, privateKey, publicKey);
  return `${note}${own.slice(text.length + 1)}`;
}

/** Verifies a note under the keys given (texts of {@link verifierKey}). Never throws. */
export async function openNote(note: string, verifierKeys: readonly string[]): Promise<OpenedNote> {
  const parsed = parseNote(note);
  if (typeof parsed === 'string') return { ok: false, reason: 'malformed', error: parsed };
  const keys: VerifierKey[] = [];
  for (const text of verifierKeys) {
    const key = await parseVerifierKey(text);
    if (!key) return { ok: false, reason: 'malformed', error: 'a verifier key is malformed' };
    keys.push(key);
  }
  const message = encoder.encode(parsed.text);
  const signedBy: VerifierKey[] = [];
  let strangers = parsed.signatures.length;
  for (const key of keys) {
    const own = parsed.signatures.filter(
      (line) => line.name === key.name && toHex(line.hash) === toHex(key.hash),
    );
    for (const line of own) {
      if (!(await verifies(key.publicKey, line.signature, message))) {
        const error = `the signature of ${key.name}+${toHex(key.hash)} does not verify`;
        return { ok: false, reason: 'bad-signature', error };
      }
    }
    if (own.length > 0) signedBy.push(key);
    strangers -= own.length;
  }
  if (signedBy.length === 0) {
    return { ok: false, reason: 'unsigned', error: 'no signature of a given key is on the note' };
  }
  return { ok: true, text: parsed.text, signedBy, strangers };
}

interface SignatureLine {
  readonly name: string;
  readonly hash: Uint8Array;
  readonly signature: Uint8Array;
}

/** The text of a note, whoever signed it, or nobody. */
export function noteText(note: string): string {
  return note.slice(0, note.lastIndexOf('\n\n') + 1);
}

/** Text and signature lines of a note, or what is wrong with it. */
function parseNote(
  note: string,
): { readonly text: string; readonly signatures: readonly SignatureLine[] } | string {
  if (note.length > MAX_NOTE_LENGTH) return `longer than ${MAX_NOTE_LENGTH} characters`;
  if (!isNoteText(note))
    return 'not well-formed text that ends in a newline, or control characters';
  const split = note.lastIndexOf('\n\n');
  if (split < 0) return 'no blank line between text and signatures';
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) return `more than ${MAX_SIGNATURES} signatures`;
  const signatures: SignatureLine[] = [];
  for (const line of lines) {
    const match = /^— (\S+) (\S+)$/u.exec(line);
    const name = match?.[1];
    const bytes = fromBase64(match?.[2] ?? '');
    if (name === undefined || !isKeyName(name) || !bytes || bytes.length <= KEY_HASH_BYTES) {
      return 'a signature line is malformed; expected "— <name> <base64>"';
    }
    signatures.push({
      name,
      hash: bytes.slice(0, KEY_HASH_BYTES),
      signature: bytes.slice(KEY_HASH_BYTES),
    });
  }
  return { text: note.slice(0, split + 1), signatures };
}

async function verifies(
  publicKey: Uint8Array,
  signature: Uint8Array,
  message: Uint8Array,
): Promise<boolean> {
  if (signature.length !== SIGNATURE_BYTES) return false;
  try {
    const key = await crypto.subtle.importKey('raw', own(publicKey), 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify('Ed25519', key, own(signature), own(message));
  } catch {
    // Bytes that are no point on the curve are refused by the import on some runtimes.
    return false;
  }
}

function isNoteText(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  return text.endsWith('\n') && text.isWellFormed() && !/[\u0000-\u0009\u000b-\u001f]/.test(text);
}

function typed(publicKey: Uint8Array): Uint8Array {
  return join(Uint8Array.of(ED25519), publicKey);
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

/** WebCrypto's types want a plain buffer behind the view. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

function assertKey(name: string, publicKey: Uint8Array): void {
  if (!isKeyName(name)) throw new RangeError(`not a key name: ${JSON.stringify(name)}`);
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    throw new RangeError(`an Ed25519 public key has ${PUBLIC_KEY_BYTES} bytes`);
  }
}
