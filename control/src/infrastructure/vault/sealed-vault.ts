/**
 * The local vault: secrets in one file, each sealed with AES-256-GCM under a key of its own, and those
 * keys under the master key. A secret's name is authenticated, so entries can not be swapped. One
 * process at a time owns the file; a master key never stands in it.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import type { SecretName, Vault } from '../../application/ports/vault.ts';
import { InfraError } from '../../application/ports/workspace-store.ts';
import { writeDurably } from './write-durably.ts';

export interface SealedVault extends Vault {
  /** The instance's own secret called `name`; made by `create` and stored when there is none yet. */
  getOrCreate(name: string, create: () => Promise<Uint8Array>): Promise<Uint8Array>;
  /** The instance's own secret called `name`; undefined when there is none. */
  getOwn(name: string): Promise<Uint8Array | undefined>;
  /** Sets the instance's own secrets, and destroys those that are undefined, all of them or none. */
  replaceOwn(changes: ReadonlyMap<string, Uint8Array | undefined>): Promise<void>;
  /** What the last change of the master key did, until {@link confirmRewrap} says that it is evidence. */
  readonly rewrap: Rewrap | undefined;
  confirmRewrap(): Promise<void>;
}

/** Key ids are the first 16 hexadecimal digits of SHA-256 over the key. */
export interface Rewrap {
  readonly to: string;
  readonly entries: number;
}

/** Thrown when the vault can not be opened with these master keys. */
export class VaultError extends Error {
  override readonly name = 'VaultError';
}

const SealedSchema = v.object({ nonce: v.string(), ciphertext: v.string(), tag: v.string() });
type Sealed = v.InferOutput<typeof SealedSchema>;
const EntrySchema = v.object({
  ...SealedSchema.entries,
  /** The entry's own key under a master key; older entries are sealed by the master key itself. */
  key: v.optional(v.object({ ...SealedSchema.entries, master: v.string() })),
});
type Entry = v.InferOutput<typeof EntrySchema>;
const FileSchema = v.object({
  v: v.literal(2),
  entries: v.record(v.string(), EntrySchema),
  rewrap: v.optional(v.object({ to: v.string(), entries: v.number() })),
});
const OldFileSchema = v.record(v.string(), EntrySchema);

interface MasterKey {
  readonly id: string;
  readonly bytes: Uint8Array;
}

/**
 * @param masterKeys 64 hexadecimal digits each, the newest first; entries under older ones are sealed
 * anew under the newest
 */
export async function openSealedVault(
  folder: string,
  masterKeys: readonly string[],
): Promise<SealedVault> {
  const keys = masterKeys.map(masterKeyOf);
  const [newest] = keys;
  if (!newest) throw new VaultError('no master key was given');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'vault.json');
  const file = await readVault(path);
  const entries = new Map<string, Entry>(Object.entries(file.entries));
  let rewrap = file.rewrap;
  let writing: Promise<unknown> = Promise.resolve();
  const save = () =>
    writeDurably(
      path,
      JSON.stringify(
        { v: 2, entries: Object.fromEntries(entries), ...(rewrap ? { rewrap } : {}) },
        null,
        2,
      ),
    );
  /** One change after the other; a change that was not stored is not kept in memory either. */
  function change<T>(work: () => Promise<T>): Promise<T> {
    const result = writing.then(work);
    writing = result.catch(() => undefined);
    return result;
  }
  async function set(name: string, secret: Uint8Array): Promise<void> {
    entries.set(name, sealEntry(newest as MasterKey, name, secret));
    try {
      await save();
    } catch (error) {
      entries.delete(name);
      throw error;
    }
  }

  const old = [...entries].filter(([, entry]) => entry.key?.master !== newest.id);
  if (old.length > 0) {
    for (const [name, entry] of old) entries.set(name, rewrapped(keys, newest, name, entry));
    rewrap = { to: newest.id, entries: old.length };
    await save();
  }

  return {
    getOrCreate: (name, create) =>
      change(async () => {
        const entry = entries.get(name);
        if (entry) return openEntry(keys, name, entry);
        const secret = await create();
        await set(name, secret);
        return secret;
      }),
    async getOwn(name) {
      await writing;
      const entry = entries.get(name);
      return entry && openEntry(keys, name, entry);
    },
    replaceOwn: (changes) =>
      change(async () => {
        const before = new Map(entries);
        for (const [name, secret] of changes) {
          if (secret === undefined) entries.delete(name);
          else entries.set(name, sealEntry(newest, name, secret));
        }
        try {
          await save();
        } catch (error) {
          entries.clear();
          for (const [name, entry] of before) entries.set(name, entry);
          throw error;
        }
      }),
    put: (name, secret) =>
      change(async () => {
        const key = nameOf(name);
        if (entries.has(key)) throw new Error(`the vault holds ${key} already`);
        await set(key, secret);
      }),
    async get(name) {
      await writing;
      const entry = entries.get(nameOf(name));
      if (!entry) return undefined;
      try {
        return openEntry(keys, nameOf(name), entry);
      } catch (error) {
        throw new InfraError((error as Error).message, { retryable: false });
      }
    },
    destroy: (workspace, credential) =>
      change(async () => {
        const prefix = `credential/${workspace}/${credential}/`;
        const gone = [...entries].filter(([name]) => name.startsWith(prefix));
        if (gone.length === 0) return;
        for (const [name] of gone) entries.delete(name);
        try {
          await save();
        } catch (error) {
          for (const [name, entry] of gone) entries.set(name, entry);
          throw error;
        }
      }),
    kind: 'sealed',
    ping: async () => undefined,
    get rewrap() {
      return rewrap;
    },
    confirmRewrap: () =>
      change(async () => {
        rewrap = undefined;
        await save();
      }),
  };
}

function nameOf({ workspace, credential, version }: SecretName): string {
  return `credential/${workspace}/${credential}/${version}`;
}

function masterKeyOf(text: string): MasterKey {
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new VaultError('a master key is not 64 hexadecimal digits in lower case');
  }
  const bytes = Buffer.from(text, 'hex');
  return { id: createHash('sha256').update(bytes).digest('hex').slice(0, 16), bytes };
}

async function readVault(path: string): Promise<v.InferOutput<typeof FileSchema>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return { v: 2, entries: {} };
    throw new VaultError(`${path} can not be read: ${(error as Error).message}`);
  }
  try {
    const value: unknown = JSON.parse(text);
    const parsed = v.safeParse(FileSchema, value);
    return parsed.success ? parsed.output : { v: 2, entries: v.parse(OldFileSchema, value) };
  } catch {
    throw new VaultError(`${path} is damaged: it is not a vault. Restore it from a backup.`);
  }
}

function sealEntry(master: MasterKey, name: string, secret: Uint8Array): Entry {
  const own = randomBytes(32);
  return { ...seal(own, name, secret), key: wrap(master, name, own) };
}

function wrap(master: MasterKey, name: string, own: Uint8Array): NonNullable<Entry['key']> {
  return { ...seal(master.bytes, `key of ${name}`, own), master: master.id };
}

function openEntry(keys: readonly MasterKey[], name: string, entry: Entry): Uint8Array {
  return unseal(ownKey(keys, name, entry.key), name, entry);
}

function ownKey(keys: readonly MasterKey[], name: string, wrapped: Entry['key']): Uint8Array {
  const master = keys.find(({ id }) => id === wrapped?.master);
  if (!wrapped || !master) {
    throw new VaultError(
      `the vault entry ${name} does not open: it is sealed under another master key`,
    );
  }
  return unseal(master.bytes, `key of ${name}`, wrapped);
}

/** Only the entry's key is sealed anew; an entry of the older form gets a key of its own. */
function rewrapped(
  keys: readonly MasterKey[],
  newest: MasterKey,
  name: string,
  entry: Entry,
): Entry {
  if (entry.key) return { ...entry, key: wrap(newest, name, ownKey(keys, name, entry.key)) };
  for (const { bytes } of keys) {
    try {
      return sealEntry(newest, name, unseal(bytes, name, entry));
    } catch {
      // Sealed under another of the keys.
    }
  }
  throw new VaultError(
    `the vault entry ${name} does not open: the master key is another one, or the file was changed`,
  );
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
