/** Parts of WebAssembly that are not admitted, because engines differ or because of what they can. */
import { PROCEDURE, vector } from '@portarium/admission/testing/wasm-builder';
import { oneBody, plainWith } from '../guest-bytes.ts';
import { type Family, type ModuleCase, refused } from '../module-case.ts';

const feature = (name: string, danger: string, module: ModuleCase['module']): ModuleCase => ({
  ...{ name, danger, module, expect: refused('module.feature') },
});

const EMPTY_STRUCT = [0x5f, 0];

export const features: Family = {
  name: 'feature',
  title: 'Features beyond what is admitted',
  cases: [
    feature(
      'waits on an address',
      'A thread that sleeps, outside processor time',
      `(memory 1) (func (export "run")
          (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))`,
    ),
    feature(
      'adds to memory in one step',
      'Threads count nanoseconds for each other',
      '(memory 1) (func (export "run") (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1))))',
    ),
    feature(
      'catches everything',
      'A refusal of the host is caught, and the guest goes on',
      `(func (export "run") (try (do (drop (call $alloc (i64.const -1)))) (catch_all (call $held))))`,
    ),
    feature(
      'has exceptions of its own',
      'What the host throws meets what the guest throws',
      `(tag $t) (func (export "run") (throw $t))`,
    ),
    feature(
      'computes with relaxed rounding',
      'Results differ from machine to machine, and a replay is none',
      `(func (export "run") (drop (f32x4.relaxed_madd
          (v128.const f32x4 1 1 1 1) (v128.const f32x4 1 1 1 1) (v128.const f32x4 1 1 1 1))))`,
    ),
    feature('has types with a collector', 'Objects of the engine, outside memory', () =>
      plainWith({ type: vector([PROCEDURE, EMPTY_STRUCT]) }),
    ),
    feature('has types that refer to each other', 'Types without end', () =>
      plainWith({ type: [2, 0x60, 0, 0, 0x4e, 1, 0x5f, 1, 0x63, 1, 0] }),
    ),
    feature('takes references of a type of its own', 'Values that engines know differently', () =>
      plainWith({ type: vector([PROCEDURE, [0x60, 1, 0x63, 0, 0]]) }),
    ),
    feature('switches stacks', 'A stack of the engine in the hands of a guest', () =>
      plainWith({ code: oneBody([0xe0, 0]) }),
    ),
    {
      name: 'gives pages back',
      danger: 'Memory that is not what an engine thinks',
      module: () => plainWith({ code: oneBody([0x41, 0, 0x41, 0, 0xfc, 0x12, 0]) }),
      expect: refused('module.feature'),
    },
    feature('multiplies to 128 bits', 'Known to one engine and not to another', () =>
      plainWith({ code: oneBody([0x42, 0, 0x42, 0, 0xfc, 0x16, 0x1a, 0x1a]) }),
    ),
  ],
};
