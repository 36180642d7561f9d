import { expect, test } from 'bun:test';
import { runCount } from '@portarium/contracts/testing/run-count';
import fc from 'fast-check';
import { admit } from './admit.ts';
import { ByteReader } from './byte-reader.ts';
import { encodeU32 } from './byte-writer.ts';
import { readModule } from './read-module.ts';
import { sampleManifest } from './testing/sample-manifest.ts';
import {
  exportFunction,
  importFunction,
  limits,
  PROCEDURE,
  plainModule,
  text,
} from './testing/wasm-builder.ts';

const manifest = sampleManifest();

const rich = plainModule({
  types: [PROCEDURE, [0x60, 1, 0x7e, 1, 0x7e], [0x60, 1, 0x7e, 0], [0x60, 1, 0x7f, 0]],
  imports: [
    importFunction('extism:host/env', 'alloc', 1),
    importFunction('extism:host/env', 'free', 2),
    importFunction('wasi_snapshot_preview1', 'proc_exit', 3),
  ],
  tables: [[0x70, ...limits(1, 5)]],
  memories: [limits(1, 9)],
  exports: [exportFunction('run', 2), [...text('memory'), 2, 0]],
  start: 2,
});

const SEED = 20_260_922;

test('a module that was cut off or had bits flipped never makes admission throw', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(rich.length),
      fc.array(fc.tuple(fc.nat(rich.length - 1), fc.nat(7)), { maxLength: 6 }),
      async (length, flips) => {
        const bytes = rich.slice();
        for (const [at, bit] of flips) bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        const admission = await admit(bytes.subarray(0, length), manifest, { memoryMiB: 1 });
        if (!admission.ok) {
          expect(admission.findings.length).toBeGreaterThan(0);
          return;
        }
        const read = readModule(admission.module);
        expect(read.start).toBeUndefined();
        expect(read.imports.some(({ module }) => module === 'wasi_snapshot_preview1')).toBe(false);
        const [memory] = read.memories;
        expect(memory === undefined || (memory.maximum ?? Number.POSITIVE_INFINITY) <= 16).toBe(
          true,
        );
      },
    ),
    { seed: SEED, numRuns: runCount(3_000, 60_000) },
  );
});

test('arbitrary bytes behind a true header never make admission throw', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (tail) => {
      const bytes = Uint8Array.from([...rich.subarray(0, 8), ...tail]);
      await admit(bytes, manifest, { memoryMiB: 1 });
    }),
    { seed: SEED, numRuns: runCount(3_000, 60_000) },
  );
});

test('each 32-bit integer survives encoding and reading', () => {
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), (value) => {
      expect(new ByteReader(Uint8Array.from(encodeU32(value))).u32()).toBe(value);
    }),
    { seed: SEED },
  );
});
