/** Keys of publishers in files: PEM (PKCS #8 and SPKI, RFC 8410), as OpenSSL writes and reads them. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { PublisherNameSchema } from '@portarium/contracts/plugin-signature';
import { verifierKey } from '@portarium/contracts/signed-note';
import { InvalidArgumentError } from 'commander';
import * as v from 'valibot';
import { writeSentence } from './file-sentence.ts';
import { readTextFile } from './read-argument.ts';
import { UsageError } from './usage-error.ts';

export interface SigningKey {
  readonly privateKey: CryptoKey;
  /** 32 raw bytes. */
  readonly publicKey: Uint8Array;
}

/** A parser for commander. */
export function publisherName(text: string): string {
  const parsed = v.safeParse(PublisherNameSchema, text);
  if (parsed.success) return parsed.output;
  throw new InvalidArgumentError(`${parsed.issues[0].message}.`);
}

/** Writes a new private key for its owner alone. @throws UsageError when the file is there already */
export async function writeNewKey(path: string): Promise<Uint8Array> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' });
  try {
    await writeFile(path, pem, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new UsageError(`${path} exists, and a key is never replaced. Name another file.`);
    }
    throw new UsageError(writeSentence(path, error));
  }
  return rawPublic(privateKey);
}

/** @throws UsageError unless the file holds an Ed25519 private key without a passphrase */
export async function readSigningKey(path: string): Promise<SigningKey> {
  const key = parsed(path, await readTextFile(path), createPrivateKey, 'private');
  const der = new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }));
  const privateKey = await crypto.subtle.importKey('pkcs8', der, 'Ed25519', false, ['sign']);
  return { privateKey, publicKey: rawPublic(key) };
}

/** The text of a verifier key from a PEM file. @throws UsageError, also of a private key: nobody but its owner should have it */
export async function readVerifierKey(path: string, publisher: string): Promise<string> {
  const pem = await readTextFile(path);
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    throw new UsageError(
      `${path} holds a private key, which only its publisher should have. Ask for the public one: openssl pkey -in FILE -pubout, or what portarium plugin keygen printed.`,
    );
  }
  const key = parsed(path, pem, createPublicKey, 'public');
  return verifierKey(publisher, rawPublic(key));
}

function parsed(
  path: string,
  pem: string,
  parse: (pem: string) => KeyObject,
  kind: string,
): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = parse(pem);
  } catch {
    // Told below, as another kind of key is.
  }
  if (key?.asymmetricKeyType === 'ed25519') return key;
  throw new UsageError(
    `${path} holds no Ed25519 ${kind} key. Expected PEM without a passphrase, as portarium plugin keygen or openssl genpkey -algorithm ed25519 writes it.`,
  );
}

function rawPublic(key: KeyObject): Uint8Array {
  const { x } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' });
  return new Uint8Array(Buffer.from(x ?? '', 'base64url'));
}
