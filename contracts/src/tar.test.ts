import { expect, test } from 'bun:test';
import { readTar, writeTar } from './tar.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const one = () => writeTar([{ path: 'a/b.txt', bytes: bytes('hello') }]);

/** Changes bytes of the first header and, unless told not to, corrects its checksum. */
function patched(at: number, text: string, fixChecksum = true): Uint8Array {
  const tar = one();
  tar.set(bytes(text), at);
  if (fixChecksum) {
    tar.set(bytes('        '), 148);
    const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    tar.set(bytes(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  }
  return tar;
}

function errorOf(tar: Uint8Array): string {
  const read = readTar(tar);
  return read.ok ? 'ok' : read.error;
}

test('an archive is read back as it was written, and is the same each time', () => {
  const files = [
    { path: 'manifest.json', bytes: bytes('{}') },
    { path: 'empty', bytes: bytes('') },
    { path: 'log/tile/entries/x001/000', bytes: new Uint8Array(512).fill(7) },
    { path: `${'d'.repeat(100)}/${'f'.repeat(100)}`, bytes: bytes('long') },
  ];
  const tar = writeTar(files);
  expect(tar).toEqual(writeTar(files));
  const read = readTar(tar);
  expect(read.ok && [...read.files]).toEqual(files.map(({ path, bytes }) => [path, bytes]));
});

test('the writer refuses paths that the reader would refuse', () => {
  const tooLong = `${'d'.repeat(160)}/${'f'.repeat(10)}`;
  for (const path of ['', '/a', 'a//b', '../a', 'a/../b', './a', 'a/', 'a b', 'ä', tooLong]) {
    expect(() => writeTar([{ path, bytes: bytes('') }])).toThrow(RangeError);
  }
  const twice = { path: 'a', bytes: bytes('') };
  expect(() => writeTar([twice, twice])).toThrow('stands twice');
});

test('paths that leave the folder are refused', () => {
  expect(errorOf(patched(0, '../b.tx'))).toContain('dot segment');
  expect(errorOf(patched(0, '/a/b.tx'))).toContain('absolute');
  expect(errorOf(patched(0, 'a\\b.txt'))).toContain('unusual character');
  expect(errorOf(patched(345, '..'))).toContain('dot segment');
  expect(errorOf(patched(0, 'a\0b.txt'))).toContain('not plain text');
});

test('everything but plain files is refused', () => {
  for (const type of ['1', '2', '3', '4', '5', '6', '7', 'x', 'g', 'L', 'K', 'S', 'Z']) {
    expect(errorOf(patched(156, type))).toContain('plain files only');
  }
  expect(errorOf(patched(157, '/etc/passwd'))).toContain('link target');
});

test('wrong checksums, numbers and formats are refused', () => {
  expect(errorOf(patched(100, '0000777', false))).toContain('checksum');
  expect(errorOf(patched(148, '-00001\0 ', false))).toContain('checksum');
  expect(errorOf(patched(257, 'wrong'))).toContain('not an ustar');
  expect(errorOf(patched(124, '0000000000x'))).toContain('octal');
  expect(errorOf(patched(124, '-0000000005'))).toContain('octal');
  expect(errorOf(patched(124, '\u0080'))).toContain('octal');
});

test('sizes that do not fit and archives that were cut are refused', () => {
  expect(errorOf(patched(124, '77777777777'))).toContain('longer than the archive');
  expect(errorOf(patched(124, '00000000004'))).toContain('bytes between');
  expect(errorOf(one().subarray(0, -512))).toContain('second end block');
  expect(errorOf(one().subarray(0, -1024))).toContain('end of the archive is missing');
  expect(errorOf(one().subarray(0, -1))).toContain('512-byte blocks');
  expect(errorOf(new Uint8Array())).toContain('end of the archive is missing');
});

test('bytes after the end and repeated paths are refused', () => {
  const tar = one();
  const body = tar.subarray(0, -1024);
  expect(errorOf(new Uint8Array([...tar, ...tar]))).toContain('after the end');
  expect(errorOf(new Uint8Array([...body, ...tar]))).toContain('stands twice');
});

test('an archive that ordinary tar wrote is read', () => {
  const repacked = patched(136, '15000000000');
  repacked.set(bytes('root'), 265);
  const sum = repacked
    .subarray(0, 512)
    .reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
  repacked.set(bytes(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  expect(readTar(repacked).ok).toBe(true);
});
