import { test } from 'bun:test';
import fc from 'fast-check';
import { readTar, writeTar } from './tar.ts';

const segment = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/);
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const files = fc.uniqueArray(fc.record({ path, bytes: fc.uint8Array({ maxLength: 1_100 }) }), {
  selector: (file) => file.path,
  maxLength: 8,
});

test('any files survive an archive', () => {
  fc.assert(
    fc.property(files, (list) => {
      const read = readTar(writeTar(list));
      if (!read.ok || read.files.size !== list.length) return false;
      return list.every(({ path, bytes }) => {
        const found = read.files.get(path);
        return found?.length === bytes.length && found.every((byte, i) => byte === bytes[i]);
      });
    }),
  );
});

test('no bit outside the contents of files can be flipped without notice', () => {
  fc.assert(
    fc.property(files, fc.nat(), fc.nat(7), (list, pick, bit) => {
      const tar = writeTar(list);
      const before = readTar(tar);
      const at = pick % tar.length;
      tar[at] = (tar[at] ?? 0) ^ (1 << bit);
      const after = readTar(tar);
      if (!after.ok || !before.ok) return true;
      // The views share the archive's memory: an accepted archive must hold the flip in a file.
      const places = [...after.files.values()];
      return places.some((file) => at >= file.byteOffset && at < file.byteOffset + file.length);
    }),
    { numRuns: 1_000 },
  );
});

test('no bytes make the reader throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4 }), fc.nat(6), (noise, blocks) => {
      const tar = new Uint8Array(blocks * 512);
      noise.forEach((byte, i) => {
        tar[(i * 131) % Math.max(1, tar.length)] = byte;
      });
      readTar(tar);
      readTar(noise);
    }),
  );
});
