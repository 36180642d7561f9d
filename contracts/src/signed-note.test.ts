import { expect, test } from 'bun:test';
import { toHex } from './digest.ts';
import {
  isKeyName,
  keyHash,
  openNote,
  parseVerifierKey,
  signNote,
  verifierKey,
} from './signed-note.ts';
import { testKey } from './testing/test-key.ts';

/** The example of Go's golang.org/x/mod/sumdb/note. */
const GO_KEY = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const GO_TEXT =
  'If you think cryptography is the answer to your problem,\n' +
  "then you don't know what your problem is.\n";
const GO_SIGNATURE =
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
const GO_NOTE = `${GO_TEXT}\n${GO_SIGNATURE}`;

test('a note that Go signed opens', async () => {
  const opened = await openNote(GO_NOTE, [GO_KEY]);
  expect(opened).toMatchObject({ ok: true, text: GO_TEXT, signedBy: [{ name: 'PeterNeumann' }] });
});

test('a verifier key that Go wrote parses and is written back the same', async () => {
  const key = await parseVerifierKey(GO_KEY);
  expect(key && toHex(await keyHash(key.name, key.publicKey))).toBe('c74f20a3');
  expect(key && (await verifierKey(key.name, key.publicKey))).toBe(GO_KEY);
});

test('what is signed here opens here, and its signature is deterministic', async () => {
  const key = await testKey('example.com/log');
  const sign = () => signNote('hello\n', key.name, key.privateKey, key.publicKey);
  expect(await sign()).toBe(await sign());
  expect(await openNote(await sign(), [key.verifierKey])).toMatchObject({ ok: true });
});

test('a changed text, a changed signature and a foreign key do not open a note', async () => {
  const reason = async (note: string, key: string) => {
    const opened = await openNote(note, [key]);
    return opened.ok ? 'ok' : opened.reason;
  };
  const other = await testKey('PeterNeumann');
  expect(await reason(GO_NOTE.replace('answer', 'Answer'), GO_KEY)).toBe('bad-signature');
  expect(await reason(GO_NOTE.replace('x08go/ZJ', 'x08go/ZK'), GO_KEY)).toBe('bad-signature');
  expect(await reason(GO_NOTE, other.verifierKey)).toBe('unsigned');
  expect(await reason(GO_NOTE.replace('PeterNeumann', 'Someone'), GO_KEY)).toBe('unsigned');
});

test('a good signature does not excuse a bad one of the same key', async () => {
  const bad = GO_SIGNATURE.replace('x08go/ZJ', 'x08go/ZK');
  const opened = await openNote(`${GO_NOTE}${bad}`, [GO_KEY]);
  expect(opened).toMatchObject({ ok: false, reason: 'bad-signature' });
});

test('signatures of unknown keys are ignored beside one that is known', async () => {
  const foreign = '— witness.example AAAAAAE=\n';
  expect(await openNote(`${GO_NOTE}${foreign}`, [GO_KEY])).toMatchObject({ ok: true });
});

test('text may hold blank lines; the last one parts it from the signatures', async () => {
  const key = await testKey('k');
  const note = await signNote('a\n\nb\n', key.name, key.privateKey, key.publicKey);
  expect(await openNote(note, [key.verifierKey])).toMatchObject({ ok: true, text: 'a\n\nb\n' });
});

test('malformed notes are refused', async () => {
  for (const note of [
    '',
    GO_TEXT,
    `${GO_TEXT}\n`,
    GO_NOTE.slice(0, -1),
    GO_NOTE.replace('— ', '- '),
    GO_NOTE.replace('— ', '—  '),
    GO_NOTE.replace('JnAM=', 'JnAM'),
    GO_NOTE.replace('JnAM=', 'JnAN='),
    GO_NOTE.replace('problem,', 'problem,\r'),
    GO_NOTE.replace('problem,', 'problem\u0000'),
    GO_NOTE.replace('problem,', '\ud800'),
    `${GO_NOTE}\n`,
    `${GO_TEXT}\n${GO_SIGNATURE.repeat(101)}`,
    `${'x'.repeat(1_000_001)}\n\n${GO_SIGNATURE}`,
  ]) {
    expect(await openNote(note, [GO_KEY])).toMatchObject({ ok: false, reason: 'malformed' });
  }
});

test('malformed verifier keys are refused', async () => {
  for (const text of [
    '',
    'PeterNeumann',
    GO_KEY.replace('c74f20a3', 'c74f20a4'),
    GO_KEY.replace('c74f20a3', 'C74F20A3'),
    GO_KEY.replace('+ARpc', '+AhpC'),
    GO_KEY.replace('10TW', '10T='),
    GO_KEY.replace('PeterNeumann', 'Peter Neumann'),
    ` ${GO_KEY}`,
    `${GO_KEY}\n`,
  ]) {
    expect(await parseVerifierKey(text)).toBeUndefined();
  }
  expect(await openNote(GO_NOTE, ['nonsense'])).toMatchObject({ ok: false, reason: 'malformed' });
});

test('a key name has no space, no plus, no control character and is not empty', () => {
  expect(isKeyName('local/acme')).toBe(true);
  for (const name of ['', 'a b', 'a+b', 'a\u00a0b', 'a\nb', 'a\u2028b', '\ud800']) {
    expect(isKeyName(name)).toBe(false);
  }
});

test('signing refuses a text that no reader would take', async () => {
  const key = await testKey('k');
  for (const text of ['no newline', 'tab\t\n', '\ud800\n']) {
    await expect(signNote(text, key.name, key.privateKey, key.publicKey)).rejects.toThrow(
      RangeError,
    );
  }
  await expect(signNote('x\n', 'a b', key.privateKey, key.publicKey)).rejects.toThrow('key name');
  await expect(signNote('x\n', 'a', key.privateKey, new Uint8Array(31))).rejects.toThrow(
    '32 bytes',
  );
});
