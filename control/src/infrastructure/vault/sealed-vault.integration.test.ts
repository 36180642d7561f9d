import { afterAll, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecretName } from '../../application/ports/vault.ts';
import { vaultContract } from '../../testing/vault-contract.ts';
import { readMasterKeys } from './master-keys.ts';
import { openSealedVault } from './sealed-vault.ts';

const folders: string[] = [];
async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'portarium-vault-'));
  folders.push(folder);
  return folder;
}
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

const newKey = () => randomBytes(32).toString('hex');
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);
const NAME = { workspace: 'acme', credential: 'cred_1', version: 1 } as unknown as SecretName;
const SECRET = 'canary-secret-in-a-vault-0123456789';

vaultContract('the sealed vault', async () => openSealedVault(await scratch(), [newKey()]));

test('what is put is there after a restart, under the same master key only', async () => {
  const [folder, key] = [await scratch(), newKey()];
  await (await openSealedVault(folder, [key])).put(NAME, bytes(SECRET));
  expect(text(await (await openSealedVault(folder, [key])).get(NAME))).toBe(SECRET);
  await expect(openSealedVault(folder, [newKey()])).rejects.toThrow('another master key');
});

test('neither the secret nor the master key stands in the file, which only its owner reads', async () => {
  const [folder, key] = [await scratch(), newKey()];
  await (await openSealedVault(folder, [key])).put(NAME, bytes(SECRET));
  const file = join(folder, 'vault.json');
  const kept = await readFile(file, 'latin1');
  for (const form of [SECRET, Buffer.from(SECRET).toString('base64'), key]) {
    expect(kept.includes(form)).toBe(false);
  }
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test('an entry that was put in another’s place, and one with a flipped bit, do not open', async () => {
  const [folder, key] = [await scratch(), newKey()];
  const other = { ...NAME, credential: 'cred_2' } as unknown as SecretName;
  const vault = await openSealedVault(folder, [key]);
  await vault.put(NAME, bytes(SECRET));
  await vault.put(other, bytes('the other secret of this test'));
  const file = join(folder, 'vault.json');
  const kept = JSON.parse(await readFile(file, 'utf8')) as {
    entries: Record<string, { ciphertext: string }>;
  };
  const [one = '', two = ''] = Object.keys(kept.entries);
  const { [one]: first, [two]: second } = kept.entries;
  const swapped = { ...kept, entries: { [one]: second, [two]: first } };
  await writeFile(file, JSON.stringify(swapped));
  const reopened = await openSealedVault(folder, [key]);
  await expect(reopened.get(NAME)).rejects.toThrow('does not open');
  const flipped = `${first?.ciphertext.startsWith('A') ? 'B' : 'A'}${first?.ciphertext.slice(1)}`;
  const broken = {
    ...kept,
    entries: { ...kept.entries, [one]: { ...first, ciphertext: flipped } },
  };
  await writeFile(file, JSON.stringify(broken));
  await expect((await openSealedVault(folder, [key])).get(NAME)).rejects.toThrow('does not open');
});

test('a new master key wraps every entry anew, and the old one opens nothing from then on', async () => {
  const [folder, old, next] = [await scratch(), newKey(), newKey()];
  await (await openSealedVault(folder, [old])).put(NAME, bytes(SECRET));
  const changed = await openSealedVault(folder, [next, old]);
  expect(changed.rewrap?.entries).toBe(1);
  expect(text(await changed.get(NAME))).toBe(SECRET);
  // The note of it stays until it is evidence, also over a crash.
  expect((await openSealedVault(folder, [next])).rewrap?.entries).toBe(1);
  await changed.confirmRewrap();
  const after = await openSealedVault(folder, [next]);
  expect([after.rewrap, text(await after.get(NAME))]).toEqual([undefined, SECRET]);
  await expect(openSealedVault(folder, [old])).rejects.toThrow('another master key');
});

test('a vault of the first form is opened and gets keys of its own', async () => {
  const [folder, key] = [await scratch(), newKey()];
  const { createCipheriv } = await import('node:crypto');
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key, 'hex'), nonce);
  cipher.setAAD(Buffer.from('api-key-pepper'));
  const ciphertext = Buffer.concat([cipher.update(bytes('pepper')), cipher.final()]);
  const entry = {
    nonce: nonce.toString('base64'),
    ciphertext: ciphertext.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
  };
  await writeFile(join(folder, 'vault.json'), JSON.stringify({ 'api-key-pepper': entry }));
  const vault = await openSealedVault(folder, [key]);
  const pepper = await vault.getOrCreate('api-key-pepper', () => Promise.reject(new Error('made')));
  expect(text(pepper)).toBe('pepper');
});

test('master keys come from a variable or a file, and a bad one is refused without being told', async () => {
  const [folder, key, older] = [await scratch(), newKey(), newKey()];
  const file = join(folder, 'master.key');
  await writeFile(file, `${key}\n${older}\n`);
  expect(await readMasterKeys(undefined, file)).toEqual([key, older]);
  expect(await readMasterKeys(`${key},${older}`, undefined)).toEqual([key, older]);
  await expect(readMasterKeys(undefined, undefined)).rejects.toThrow('PORTARIUM_MASTER_KEY');
  await expect(readMasterKeys(key, file)).rejects.toThrow('either');
  const wrong = `${key}0`;
  const told = await readMasterKeys(wrong, undefined).catch((error: Error) => error.message);
  expect(told).toContain('64 hexadecimal digits');
  expect(told).not.toContain(key);
});
