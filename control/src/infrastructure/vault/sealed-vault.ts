/**
 * A local vault: named secrets of the instance in one file, each sealed with AES-256-GCM under the
 * master key. The name is authenticated, so entries can not be swapped.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';

export interface SealedVault {
  /** The secret called `name`; made by `create` and stored when there is none yet. */
  getOrCreate(name: string, create: () => Promise<Uint8Array>): Promise<Uint8Array>;
}

/** Thrown when the vault can not be opened with this master key. */
export class VaultError extends Error {
  override readonly name = 'VaultError';
}

interface Sealed {
  readonly nonce: string;
  readonly ciphertext: string;
  readonly tag: string;
}

/** @param masterKeyFile holds 64 hexadecimal digits */
export async function openSealedVault(folder: string, masterKeyFile: string): Promise<SealedVault> {
  const key = await readMasterKey(masterKeyFile);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'vault.json');
  const entries = new Map<string, Sealed>(Object.entries(await readEntries(path)));
  let writing: Promise<unknown> = Promise.resolve();

  return {
    getOrCreate(name, create) {
      const result = writing.then(async () => {
        const sealed = entries.get(name);
        if (sealed) return unseal(key, name, sealed);
        const secret = await create();
        entries.set(name, seal(key, name, secret));
        await writeDurably(path, JSON.stringify(Object.fromEntries(entries), null, 2));
        return secret;
      });
      writing = result.catch(() => undefined);
      return result;
    },
  };
}

async function readMasterKey(file: string): Promise<Uint8Array> {
  const text = (await readFile(file, 'utf8')).trim();
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new VaultError(
      `${file} does not hold a master key: expected 64 hexadecimal digits in lower case`,
    );
  }
  return Buffer.from(text, 'hex');
}

async function readEntries(path: string): Promise<Record<string, Sealed>> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Record<string, Sealed>;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return {};
    throw new VaultError(`${path} is not readable as a vault: ${(error as Error).message}`);
  }
}

function seal(key: Uint8Array, name: string, secret: Uint8Array): Sealed {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(name));
  const ciphertext = Buffer.concat([cipher.update(secret), cipher.final()]);
  return {
    nonce: nonce.toString('base64'),
    ciphertext: ciphertext.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
  };
}

function unseal(key: Uint8Array, name: string, sealed: Sealed): Uint8Array {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(sealed.nonce, 'base64'));
    decipher.setAAD(Buffer.from(name));
    decipher.setAuthTag(Buffer.from(sealed.tag, 'base64'));
    return new Uint8Array(
      Buffer.concat([decipher.update(Buffer.from(sealed.ciphertext, 'base64')), decipher.final()]),
    );
  } catch {
    throw new VaultError(
      `the vault entry ${name} does not open: the master key is another one, or the file was changed`,
    );
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const aside = `${path}.part`;
  const file = await open(aside, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
}
