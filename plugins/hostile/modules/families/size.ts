/** Too much of something: of functions, of locals, of names, of bytes. */
import { concatBytes, encodeU32 } from '@portarium/admission/byte-writer';
import {
  exportFunction,
  importFunction,
  PROCEDURE,
  text,
  vector,
} from '@portarium/admission/testing/wasm-builder';
import { many, oneBody, plainWith, repeat, section } from '../guest-bytes.ts';
import { type Family, type ModuleCase, refused, unread } from '../module-case.ts';

const MILLION = 1_000_000;
const MIB = 1024 * 1024;
const I64 = 0x7e;
const NOP = [0x01];

const tooMany = (what: string, module: () => Uint8Array): ModuleCase => ({
  name: `a million ${what}`,
  danger: 'Each is small, and all together are gigabytes or seconds of an engine',
  module,
  expect: refused('module.count'),
});

const tooManyLocals = (name: string, locals: readonly number[] | Uint8Array): ModuleCase => ({
  name,
  danger: 'A few bytes that an engine writes out one by one',
  module: () => plainWith({ code: oneBody([], locals) }),
  expect: refused('code.locals'),
});

const custom = (name: string, bytes: number) =>
  section('custom', concatBytes([text(name), new Uint8Array(bytes)]));

export const size: Family = {
  name: 'size',
  title: 'Sizes and counts',
  cases: [
    tooMany('functions', () =>
      plainWith({ function: many(MILLION, [0]), code: many(MILLION, [2, 0, 0x0b]) }),
    ),
    tooMany('types', () => plainWith({ type: many(MILLION, PROCEDURE) })),
    tooMany('imports', () => plainWith({ import: many(MILLION, importFunction('a', 'b')) })),
    tooMany('exports', () =>
      plainWith({
        export: concatBytes([encodeU32(MILLION), repeat(MILLION, exportFunction('run', 0))]),
      }),
    ),
    tooMany('globals', () => plainWith({ global: many(MILLION, [0x7f, 0, 0x41, 0, 0x0b]) })),
    tooMany('results of one type', () =>
      plainWith({ type: vector([PROCEDURE, [0x60, 0, ...encodeU32(MILLION)]]) }),
    ),
    tooMany('parameters of one type', () =>
      plainWith({ type: vector([PROCEDURE, [0x60, ...encodeU32(MILLION)]]) }),
    ),
    tooManyLocals('a million locals in one group', [1, ...encodeU32(MILLION), I64]),
    tooManyLocals('two groups of 2^32 - 1 locals', [
      2,
      ...[...encodeU32(0xffffffff), I64],
      ...[...encodeU32(0xffffffff), I64],
    ]),
    tooManyLocals('100,000 groups of no locals', many(100_000, [0, I64])),
    {
      name: 'more than a million locals over many functions',
      danger: 'Each function within its bound',
      module: () => {
        const count = 101;
        const body = [1, ...encodeU32(10_000), I64, 0x0b];
        return plainWith({
          function: many(count, [0]),
          code: many(count, [body.length, ...body]),
        });
      },
      expect: refused('code.locals'),
    },
    {
      name: 'one function of more than a MiB',
      danger: 'Optimisers take more than linear time',
      module: () => plainWith({ code: oneBody(repeat(MIB, NOP)) }),
      expect: refused('code.size'),
    },
    {
      name: 'a branch with a million targets',
      danger: 'A jump table that is larger than everything else',
      module: () =>
        plainWith({
          code: oneBody(concatBytes([[0x41, 0, 0x0e], many(1_100_000, [0]), [0]])),
        }),
      expect: refused('code.size'),
    },
    {
      name: 'a module of a byte more than 16 MiB',
      danger: 'Compiles for seconds',
      module: () => {
        const rest = 16 * MIB + 1 - plainWith({ custom: text('debug') }).length;
        // The section's own size takes three bytes more than that of an almost empty one.
        return plainWith({ custom: concatBytes([text('debug'), new Uint8Array(rest - 3)]) });
      },
      expect: refused('module.size'),
    },
    {
      name: 'a module of 17 MiB',
      danger: 'Compiles for seconds',
      module: () => plainWith({ custom: concatBytes([text('debug'), new Uint8Array(17 * MIB)]) }),
      expect: refused('module.size'),
      inProduct: unread('body.too-large'),
    },
    {
      name: 'a custom section of 8 MiB',
      danger: 'Travels to each host and lies in each cache, and means nothing',
      module: () => plainWith({ custom: concatBytes([text('debug'), new Uint8Array(8 * MIB)]) }),
      expect: refused('custom.size'),
    },
    {
      name: '10,000 custom sections',
      danger: 'A list of sections that is longer than the module',
      module: () => concatBytes([plainWith({}), repeat(10_000, [...custom('a', 0)])]),
      expect: refused('module.count'),
    },
    {
      name: 'an export with a name of a MiB',
      danger: 'Names stand in findings, in records and on screens',
      module: () => {
        const long = [...encodeU32(MIB), ...repeat(MIB, [0x61])];
        return plainWith({ export: vector([exportFunction('run', 0), [...long, 0, 0]]) });
      },
      expect: refused('module.count'),
    },
    {
      name: '1,000 exports with long names, and not the one that is called',
      danger: 'A finding that lists all of them',
      module: () =>
        plainWith({
          export: vector(
            Array.from({ length: 1_000 }, (_, i) => exportFunction(`${i}`.padEnd(4_000, 'x'), 0)),
          ),
        }),
      expect: refused('export.missing'),
    },
  ],
};
