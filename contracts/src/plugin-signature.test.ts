import { expect, test } from 'bun:test';
import { fromBase64, toBase64 } from './base64.ts';
import type { Digest } from './digest.ts';
import { fromHex } from './digest.ts';
import {
  checkPluginSignature,
  readPublisherKey,
  type SignedPlugin,
  signatureText,
  signPlugin,
} from './plugin-signature.ts';
import { signNote, verifierKey } from './signed-note.ts';
import { testKey } from './testing/test-key.ts';

const digest = (char: string): Digest => `sha256:${char.repeat(64)}`;
const PLUGIN: SignedPlugin = {
  name: 'stripe-refunds',
  version: '1.2.0',
  digest: digest('a'),
  manifestDigest: digest('b'),
};
const acme = await testKey('acme');
const mallory = await testKey('mallory');
const note = await signPlugin(PLUGIN, acme.name, acme.privateKey, acme.publicKey);
const rule = async (signature: string, plugin = PLUGIN, keys = [acme.verifierKey]) => {
  const checked = await checkPluginSignature(signature, plugin, keys);
  return checked.ok ? checked.key.name : checked.rule;
};

test('a signature fits one name, version, module, manifest and publisher, and nothing else', async () => {
  expect(await rule(note)).toBe('acme');
  const others: Partial<SignedPlugin>[] = [
    { name: 'stripe-refund' },
    { version: '1.1.0' },
    { version: '1.3.0' },
    { digest: digest('c') },
    { manifestDigest: digest('c') },
  ];
  for (const other of others) {
    expect(await rule(note, { ...PLUGIN, ...other })).toBe('signature.mismatch');
  }
});

test('a signature by a key that was not given, or under a name that is not its own, is refused', async () => {
  const foreign = await signPlugin(PLUGIN, mallory.name, mallory.privateKey, mallory.publicKey);
  expect(await rule(foreign)).toBe('signature.unknown-key');
  // Mallory signs as acme: the name is acme's, the key is not.
  const posing = await signPlugin(PLUGIN, 'acme', mallory.privateKey, mallory.publicKey);
  expect(await rule(posing)).toBe('signature.unknown-key');
  // With the key id of acme's on the line.
  const line = (text: string) =>
    fromBase64(text.trimEnd().split(' ').at(-1) ?? '') ?? new Uint8Array();
  const grafted = new Uint8Array([...line(note).slice(0, 4), ...line(posing).slice(4)]);
  const head = note.slice(0, note.lastIndexOf(' ') + 1);
  expect(await rule(`${head}${toBase64(grafted)}\n`)).toBe('signature.bad');
  // The same key, trusted as another publisher: its text names the publisher whom it signed as.
  const alias = await verifierKey('other', acme.publicKey);
  expect(await rule(note, PLUGIN, [alias])).toBe('signature.unknown-key');
  const text = signatureText(PLUGIN, 'acme');
  const renamed = await signNote(text, 'other', acme.privateKey, acme.publicKey);
  expect(await rule(renamed, PLUGIN, [alias])).toBe('signature.mismatch');
});

test('a signature that says the same in other bytes is refused', async () => {
  const [text = '', line = ''] = note.split('\n\n');
  const bytes = fromBase64(line.trimEnd().split(' ').at(-1) ?? '') ?? new Uint8Array();
  const withSignature = (signature: Uint8Array) => {
    const all = new Uint8Array([...bytes.slice(0, 4), ...signature]);
    return `${text}\n\n— acme ${toBase64(all)}\n`;
  };
  const signature = bytes.slice(4);
  expect(withSignature(signature)).toBe(note);
  expect(await rule(withSignature(plusOrder(signature)))).toBe('signature.bad');
  expect(await rule(withSignature(new Uint8Array(64)))).toBe('signature.bad');
  expect(await rule(withSignature(signature.slice(0, 63)))).toBe('signature.bad');
  const twice = `${note}${line}`;
  const forms = [
    `${note}\n`,
    note.trimEnd(),
    note.replace('\n', '\r\n'),
    ` ${note}`,
    `${text}\n\n${line.replace('— ', '- ')}`,
    twice,
    note.replace(/=?\n$/, '==\n'),
    'x'.repeat(2_000),
    '',
  ];
  for (const form of forms) expect(await rule(form)).not.toBe('acme');
  expect(await rule(twice)).toBe('signature.malformed');
});

test('a log’s note, and any other text under the same key, is no signature of a plugin', async () => {
  const log = await signNote('acme/log\n7\nAAAA\n', 'acme', acme.privateKey, acme.publicKey);
  expect(await rule(log)).toBe('signature.mismatch');
  const more = `${signatureText(PLUGIN, 'acme')}trusted\n`;
  expect(await rule(await signNote(more, 'acme', acme.privateKey, acme.publicKey))).toBe(
    'signature.mismatch',
  );
});

test('a publisher’s key has a publisher’s name, a hash that fits, and an owner', async () => {
  expect(await readPublisherKey(acme.verifierKey)).toMatchObject({ key: { name: 'acme' } });
  const order1 = fromHex(`01${'00'.repeat(31)}`);
  const order8 = fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85');
  const zero = new Uint8Array(32);
  for (const point of [order1, order8, zero]) {
    expect(await readPublisherKey(await verifierKey('acme', point))).toContain('anybody');
  }
  const log = await verifierKey('test/acme', acme.publicKey);
  expect(await readPublisherKey(log)).toContain('name');
  expect(await readPublisherKey(acme.verifierKey.replace('acme+', 'acne+'))).toContain('expected');
});

/** S + L: the same equation holds for it, so who does not look at its size takes it. */
function plusOrder(signature: Uint8Array): Uint8Array {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  let s = 0n;
  for (const byte of signature.slice(32).toReversed()) s = (s << 8n) | BigInt(byte);
  s += order;
  const changed = signature.slice();
  for (let i = 32; i < 64; i++, s >>= 8n) changed[i] = Number(s & 0xffn);
  return changed;
}
