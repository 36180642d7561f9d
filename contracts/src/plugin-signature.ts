/**
 * A publisher's signature over one version of a plugin: a signed note (C2SP signed-note, Ed25519) whose
 * text names everything that it is about, so that it fits nothing else. The text is computed from what was
 * uploaded and compared byte for byte; nothing of it is parsed or believed.
 */
import * as v from 'valibot';
import { type Digest, digestOf, toHex } from './digest.ts';
import { openNote, parseVerifierKey, signNote, type VerifierKey } from './signed-note.ts';

/** First line of the text: separates these signatures from those of logs and everything else. */
export const SIGNATURE_CONTEXT = 'portarium/plugin-signature/v1';

/** Longest note, in characters; the longest names leave room. */
export const MAX_SIGNATURE_LENGTH = 1_024;

export const PublisherNameSchema = v.pipe(
  v.string(),
  v.regex(
    /^[a-z][a-z0-9-]{1,62}$/,
    'expected a lowercase letter, then letters, digits and hyphens, at most 63',
  ),
);

/** What a signature is about. */
export interface SignedPlugin {
  readonly name: string;
  readonly version: string;
  /** Of the uploaded module. */
  readonly digest: Digest;
  /** Of plugin.json as the platform reads it: canonical JSON, each default in its place. */
  readonly manifestDigest: Digest;
}

export function signatureText(plugin: SignedPlugin, publisher: string): string {
  const { name, version, digest, manifestDigest } = plugin;
  return `${[
    SIGNATURE_CONTEXT,
    `publisher ${publisher}`,
    `plugin ${name}`,
    `version ${version}`,
    `module ${digest}`,
    `manifest ${manifestDigest}`,
  ].join('\n')}\n`;
}

/** @returns the note. @throws RangeError when the publisher's name can not stand in one */
export function signPlugin(
  plugin: SignedPlugin,
  publisher: string,
  privateKey: CryptoKey,
  publicKey: Uint8Array,
): Promise<string> {
  return signNote(signatureText(plugin, publisher), publisher, privateKey, publicKey);
}

export type CheckedSignature =
  | { readonly ok: true; readonly key: VerifierKey }
  | {
      readonly ok: false;
      readonly rule:
        | 'signature.malformed'
        /** By none of the keys. */
        | 'signature.unknown-key'
        /** Names one of the keys, and is not its signature of this text. */
        | 'signature.bad'
        /** A good signature of something else. */
        | 'signature.mismatch';
      readonly message: string;
    };

/**
 * @param note one text and one signature line, exactly as {@link signPlugin} writes them
 * @param keys texts of verifier keys, each named as its publisher
 */
export async function checkPluginSignature(
  note: string,
  plugin: SignedPlugin,
  keys: readonly string[],
): Promise<CheckedSignature> {
  if (note.length > MAX_SIGNATURE_LENGTH) {
    return refused('malformed', `the signature has more than ${MAX_SIGNATURE_LENGTH} characters`);
  }
  const opened = await openNote(note, keys);
  if (!opened.ok) {
    if (opened.reason === 'malformed') return refused('malformed', opened.error);
    if (opened.reason === 'bad-signature') return refused('bad', opened.error);
    return refused('unknown-key', 'the signature is by no key that was given');
  }
  const [key] = opened.signedBy;
  if (!key || note.slice(opened.text.length + 1).split('\n').length !== 2) {
    return refused('malformed', 'a signature of a plugin has exactly one signature line');
  }
  const expected = signatureText(plugin, key.name).split('\n');
  const signed = opened.text.split('\n');
  const at = expected.findIndex((line, index) => line !== signed[index]);
  if (at >= 0 || expected.length !== signed.length) {
    const [wanted = 'no more', found = 'no more'] = [expected[at], signed[at]];
    return refused('mismatch', `it signs “${found}”, and this is “${wanted}”`);
  }
  return { ok: true, key };
}

function refused(rule: 'malformed' | 'unknown-key' | 'bad' | 'mismatch', message: string) {
  return { ok: false, rule: `signature.${rule}`, message } as const;
}

/**
 * Reads the verifier key of a publisher.
 * @returns why it can not be one: `name+hash+base64`, a publisher's name, and a key that only its owner
 *   can sign with
 */
export async function readPublisherKey(
  text: string,
): Promise<{ readonly key: VerifierKey; readonly fingerprint: Digest } | string> {
  const key = await parseVerifierKey(text);
  if (!key)
    return 'expected a verifier key: name+hash+base64, as portarium plugin keygen prints it';
  const named = v.safeParse(PublisherNameSchema, key.name);
  if (!named.success) return `the key's name: ${named.issues[0].message}`;
  if (isSmallOrder(key.publicKey)) return 'this is no public key: anybody could sign for it';
  return { key, fingerprint: await digestOf(key.publicKey) };
}

/**
 * Points of small order, the last bit (the sign) left out: under them one signature fits many texts.
 * Chalkias, Garillot, Nikolaenko: “Taming the Many EdDSAs” (2020), table 5, with the encodings beyond the field.
 */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  `00${'00'.repeat(30)}00`,
  `01${'00'.repeat(30)}00`,
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]);

function isSmallOrder(publicKey: Uint8Array): boolean {
  const point = publicKey.slice();
  point[31] = (point[31] ?? 0) & 0x7f;
  return SMALL_ORDER.has(toHex(point));
}
