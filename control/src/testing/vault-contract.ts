/** The contract of the port `Vault`, as one suite for every adapter. */
import { expect, test } from 'bun:test';
import type { SecretName, Vault } from '../application/ports/vault.ts';

const name = (credential: string, version = 1, workspace = 'acme') =>
  ({ workspace, credential, version }) as unknown as SecretName;
const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);

export function vaultContract(what: string, open: () => Promise<Vault>): void {
  test(`${what} gives back what was put, by name and version`, async () => {
    const vault = await open();
    await vault.put(name('cred_a'), bytes('first'));
    await vault.put(name('cred_a', 2), bytes('second'));
    expect(text(await vault.get(name('cred_a')))).toBe('first');
    expect(text(await vault.get(name('cred_a', 2)))).toBe('second');
    expect(await vault.get(name('cred_a', 3))).toBeUndefined();
    expect(await vault.get(name('cred_a', 1, 'other'))).toBeUndefined();
  });

  test(`${what} never writes a name twice`, async () => {
    const vault = await open();
    await vault.put(name('cred_b'), bytes('first'));
    await expect(vault.put(name('cred_b'), bytes('second'))).rejects.toThrow();
    expect(text(await vault.get(name('cred_b')))).toBe('first');
  });

  test(`${what} forgets every version of a credential, and no other's`, async () => {
    const vault = await open();
    for (const version of [1, 2]) await vault.put(name('cred_c', version), bytes(`v${version}`));
    await vault.put(name('cred_cc'), bytes('other'));
    await vault.put(name('cred_c', 1, 'other'), bytes('other workspace'));
    await vault.destroy('acme' as never, 'cred_c' as never);
    await vault.destroy('acme' as never, 'cred_c' as never);
    expect(await vault.get(name('cred_c', 2))).toBeUndefined();
    expect(text(await vault.get(name('cred_cc')))).toBe('other');
    expect(text(await vault.get(name('cred_c', 1, 'other')))).toBe('other workspace');
  });

  test(`${what} takes many puts at once`, async () => {
    const vault = await open();
    const all = Array.from({ length: 20 }, (_, i) => name(`cred_d${i}`));
    await Promise.all(all.map((one, i) => vault.put(one, bytes(`secret ${i}`))));
    const read = await Promise.all(all.map((one) => vault.get(one)));
    expect(read.map(text)).toEqual(all.map((_, i) => `secret ${i}`));
  });

  test(`${what} answers`, async () => {
    await (await open()).ping();
  });
}
