/**
 * `LogSigner` with keys in the sealed vault: one list of generations, the newest first. One key signs for every
 * workspace, and its name in a note is the instance's. A private part is there until its key has handed over.
 */
import { checkpointText } from '@portarium/contracts/checkpoint';
import { toHex } from '@portarium/contracts/digest';
import { cosignNote, keyHash, signNote, verifierKey } from '@portarium/contracts/signed-note';
import * as v from 'valibot';
import type { LogKey, LogSigner } from '../../application/ports/outside.ts';
import type { SealedVault } from '../vault/sealed-vault.ts';

/** The first key of an instance, until it is rotated for the first time. */
const FIRST_KEY = 'log-signing-key';
const KEY_LIST = 'log-signing-keys';

const StoredKeySchema = v.object({
  /** The public key, base64url. */
  x: v.string(),
  /** The private one; destroyed once the key is retired. */
  d: v.optional(v.string()),
  state: v.picklist(['next', 'current', 'retiring', 'retired']),
  validFrom: v.optional(v.string()),
  validUntil: v.optional(v.string()),
});
type StoredKey = v.InferOutput<typeof StoredKeySchema>;
const KeyListSchema = v.object({ v: v.literal(1), keys: v.array(StoredKeySchema) });
const FirstKeySchema = v.object({ d: v.string(), x: v.string() });

interface Generation {
  readonly stored: StoredKey;
  readonly publicKey: Uint8Array;
  readonly privateKey: CryptoKey | undefined;
  readonly id: string;
  readonly verifierKey: string;
}

/** @param instance the name that stands before the slash in each checkpoint's origin */
export async function openLogSigner(vault: SealedVault, instance: string): Promise<LogSigner> {
  let generations = await open(vault, instance);

  async function change(keys: readonly StoredKey[]): Promise<void> {
    const list = new TextEncoder().encode(JSON.stringify({ v: 1, keys }));
    await vault.replaceOwn(
      new Map([
        [KEY_LIST, list],
        [FIRST_KEY, undefined],
      ]),
    );
    generations = await Promise.all(keys.map((key) => generationOf(key, instance)));
  }

  const inState = (state: StoredKey['state']) =>
    generations.find(({ stored }) => stored.state === state);
  const stored = () => generations.map((each) => each.stored);

  async function signWith(signers: readonly Generation[], text: string): Promise<string> {
    let note: string | undefined;
    for (const { privateKey, publicKey } of signers) {
      if (!privateKey) continue;
      note =
        note === undefined
          ? await signNote(text, instance, privateKey, publicKey)
          : await cosignNote(note, instance, privateKey, publicKey);
    }
    if (note === undefined) throw new Error('the vault holds no key that signs the log');
    return note;
  }

  return {
    origin: (workspace) => `${instance}/${workspace}`,
    sign: (workspace, size, root) =>
      signWith(generations, checkpointText({ origin: `${instance}/${workspace}`, size, root })),
    verifierKeys: () =>
      generations.filter((each) => each.stored.state !== 'next').map((each) => each.verifierKey),
    keys: () => generations.map(keyOf),
    async prepareNext() {
      const current = inState('current');
      if (!current) throw new Error('the vault holds no current key of the log');
      const known = inState('next');
      if (known) return { from: current.verifierKey, to: known.verifierKey };
      const { d, x } = await freshKey();
      await change([{ d, x, state: 'next' }, ...stored()]);
      return { from: current.verifierKey, to: inState('next')?.verifierKey ?? '' };
    },
    signHandover(text) {
      const both = [inState('current'), inState('next')].filter((each) => each !== undefined);
      if (both.length !== 2) throw new Error('there is no next key to hand over to');
      return signWith(both, text);
    },
    async adoptNext(at) {
      // Else the current key would retire, and nobody would be there to sign.
      if (!inState('next')) throw new Error('there is no next key to adopt');
      await change(
        stored().map((key) => {
          if (key.state === 'next') return { ...key, state: 'current', validFrom: at };
          return key.state === 'current' ? { ...key, state: 'retiring', validUntil: at } : key;
        }),
      );
    },
    async retire() {
      await change(
        stored().map((key) => {
          if (key.state !== 'retiring') return key;
          const { d: _, ...rest } = key;
          return { ...rest, state: 'retired' };
        }),
      );
    },
  };
}

async function open(vault: SealedVault, instance: string): Promise<readonly Generation[]> {
  const list = await vault.getOwn(KEY_LIST);
  if (list) {
    const { keys } = v.parse(KeyListSchema, JSON.parse(new TextDecoder().decode(list)));
    return Promise.all(keys.map((key) => generationOf(key, instance)));
  }
  const first = await vault.getOrCreate(FIRST_KEY, async () =>
    new TextEncoder().encode(JSON.stringify({ kty: 'OKP', crv: 'Ed25519', ...(await freshKey()) })),
  );
  const { d, x } = v.parse(FirstKeySchema, JSON.parse(new TextDecoder().decode(first)));
  return [await generationOf({ d, x, state: 'current' }, instance)];
}

async function freshKey(): Promise<{ readonly d: string; readonly x: string }> {
  const pair = (await crypto.subtle.generateKey('Ed25519', true, [
    'sign',
    'verify',
  ])) as CryptoKeyPair;
  return v.parse(FirstKeySchema, await crypto.subtle.exportKey('jwk', pair.privateKey));
}

async function generationOf(stored: StoredKey, instance: string): Promise<Generation> {
  const { d, x } = stored;
  const publicKey = new Uint8Array(Buffer.from(x, 'base64url'));
  const jwk = { kty: 'OKP', crv: 'Ed25519', x };
  const privateKey =
    d === undefined
      ? undefined
      : await crypto.subtle.importKey('jwk', { ...jwk, d }, 'Ed25519', false, ['sign']);
  const id = toHex(await keyHash(instance, publicKey));
  return { stored, publicKey, privateKey, id, verifierKey: await verifierKey(instance, publicKey) };
}

function keyOf({ stored, id, verifierKey: text }: Generation): LogKey {
  const { state, validFrom, validUntil } = stored;
  return {
    ...{ id, verifierKey: text, state },
    ...(validFrom === undefined ? {} : { validFrom }),
    ...(validUntil === undefined ? {} : { validUntil }),
  };
}
