/** Ed25519 keys for tests and vectors, made from a name: public knowledge, never used elsewhere. */
import { fromHex, sha256 } from '../digest.ts';
import { verifierKey } from '../signed-note.ts';

export interface TestKey {
  readonly name: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: Uint8Array;
  readonly verifierKey: string;
}

/** PKCS #8 wrapping of a 32-byte Ed25519 seed (RFC 8410). */
const PKCS8 = '302e020100300506032b657004220420';

/** The seed is the SHA-256 of `portarium test key <name>`. */
export async function testKey(name: string): Promise<TestKey> {
  const seed = await sha256(new TextEncoder().encode(`portarium test key ${name}`));
  const pkcs8 = new Uint8Array([...fromHex(PKCS8), ...seed]);
  const privateKey = await crypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', true, ['sign']);
  const { x } = await crypto.subtle.exportKey('jwk', privateKey);
  const binary = atob((x ?? '').replaceAll('-', '+').replaceAll('_', '/'));
  const publicKey = Uint8Array.from(binary, (char) => char.charCodeAt(0));
  return { name, privateKey, publicKey, verifierKey: await verifierKey(name, publicKey) };
}
