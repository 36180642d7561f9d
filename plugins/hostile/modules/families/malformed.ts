/** Bytes that are no module, or that two readers could read differently. */
import { concatBytes } from '@portarium/admission/byte-writer';
import {
  exportFunction,
  importFunction,
  PROCEDURE,
  STATUS,
  vector,
} from '@portarium/admission/testing/wasm-builder';
import { many, oneBody, plainWith, section, sectionOfSize } from '../guest-bytes.ts';
import { type Family, type ModuleCase, refused } from '../module-case.ts';

const encoder = new TextEncoder();
const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** 2^32 - 1 as LEB128. */
const MOST = [0xff, 0xff, 0xff, 0xff, 0x0f];

const noModule = (name: string, bytes: Uint8Array | readonly number[]): ModuleCase => ({
  name,
  danger: 'Something else than WebAssembly reaches what runs WebAssembly',
  module: () => Uint8Array.from(bytes),
  expect: refused('module.not-wasm'),
});

const malformed = (name: string, danger: string, module: () => Uint8Array): ModuleCase => ({
  ...{ name, danger, module, expect: refused('module.malformed') },
});

const invalid = (name: string, danger: string, module: () => Uint8Array): ModuleCase => ({
  ...{ name, danger, module, expect: refused('module.invalid') },
});

const badStart = (what: string, danger: string, module: () => Uint8Array): ModuleCase => ({
  ...{ name: `a start function that ${what}`, danger, module, expect: refused('start.type') },
});

/** The plain module without what stands behind `share` of it. */
const cut = (share: number) => () => {
  const whole = plainWith({});
  return whole.subarray(0, Math.floor(whole.length * share));
};

const code = (...instructions: number[]) => plainWith({ code: oneBody(instructions) });

export const malformedModules: Family = {
  name: 'malformed',
  title: 'Malformed, truncated and invalid modules',
  cases: [
    noModule('no byte at all', []),
    noModule('half a header', HEADER.slice(0, 5)),
    noModule('text format', encoder.encode('(module (func (export "run")))')),
    noModule('a component', [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]),
    noModule('a version that does not exist', [0, 0x61, 0x73, 0x6d, 2, 0, 0, 0]),
    noModule('a program of the machine', [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]),
    noModule('an archive', [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
    noModule('JavaScript', encoder.encode('#!/usr/bin/env node\nprocess.exit(0)')),
    {
      name: 'a header and nothing else',
      danger: 'A valid module without anything to call',
      module: () => Uint8Array.from(HEADER),
      expect: refused('export.missing'),
    },
    malformed('cut off after a quarter', 'A reader that reads on', cut(0.25)),
    malformed('cut off after half', 'A reader that reads on', cut(0.5)),
    malformed('cut off after nine tenths', 'A reader that reads on', cut(0.9)),
    malformed('without its last byte', 'A reader that reads on', () => plainWith({}).slice(0, -1)),
    malformed('a section that is longer than the file', 'A reader that trusts a length', () =>
      concatBytes([HEADER, sectionOfSize(1, [100], vector([PROCEDURE]))]),
    ),
    malformed('a section of 4 GiB', 'Memory is taken for a length that was read', () =>
      concatBytes([HEADER, sectionOfSize(0, MOST, [0])]),
    ),
    malformed('a length in six bytes', 'Readers differ on how long an integer may be', () =>
      concatBytes([HEADER, sectionOfSize(1, [0x84, 0x80, 0x80, 0x80, 0x80, 0], [1, 0x60, 0, 0])]),
    ),
    malformed('a length of more than 32 bits', 'Readers differ on the bits that do not count', () =>
      concatBytes([HEADER, sectionOfSize(1, [0x84, 0x80, 0x80, 0x80, 0x70], [1, 0x60, 0, 0])]),
    ),
    malformed('more types than bytes', 'Memory is taken for a count that was read', () =>
      plainWith({ type: [0x88, 0x27, 0x60, 0, 0] }),
    ),
    malformed('bytes behind the contents of a section', 'Two readers see two sections', () =>
      plainWith({ function: [1, 0, 0x0b] }),
    ),
    malformed('sections in another order', 'A reader that looks up what it has not read', () =>
      concatBytes([
        HEADER,
        section('function', vector([[0]])),
        section('type', vector([PROCEDURE])),
      ]),
    ),
    malformed('two sections of memory', 'The first is checked, and the second runs', () =>
      concatBytes([
        HEADER,
        section('memory', vector([[0, 1]])),
        section('memory', vector([[0, 0x80, 0x80, 4]])),
      ]),
    ),
    malformed('two start sections', 'The first is seen, and the second runs', () =>
      concatBytes([
        ...[HEADER, section('type', vector([PROCEDURE])), section('function', vector([[0]]))],
        ...[section('start', [0]), section('start', [0])],
        section('code', vector([[2, 0, 0x0b]])),
      ]),
    ),
    malformed('a section that does not exist', 'A newer reader knows it', () =>
      concatBytes([plainWith({}), section(99, [0])]),
    ),
    malformed('a module behind the module', 'Two readers see two modules', () =>
      concatBytes([plainWith({}), plainWith({})]),
    ),
    malformed('fewer bodies than functions', 'A function without code is called', () =>
      plainWith({ function: vector([[0], [0]]) }),
    ),
    malformed('more bodies than functions', 'Code without a type', () =>
      plainWith({ code: many(2, [2, 0, 0x0b]) }),
    ),
    malformed('a body that ends behind its section', 'A reader that trusts a length', () =>
      plainWith({ code: [1, 100, 0, 0x0b] }),
    ),
    malformed(
      'locals that are longer than their body',
      'A reader runs into the next function',
      () => plainWith({ code: [1, 2, 5, 0x0b, 0x7f, 1, 0x7f, 1] }),
    ),
    malformed('an export whose name is no UTF-8', 'Names are compared as text', () =>
      plainWith({ export: vector([exportFunction('run', 0), [2, 0xc3, 0x28, 0, 0]]) }),
    ),
    malformed('an import whose name is no UTF-8', 'A name that one reader mends into another', () =>
      plainWith({ import: vector([[1, 0xff, 1, 0x61, 0, 0]]) }),
    ),
    malformed('a custom section whose name is no UTF-8', 'Names reach screens', () =>
      concatBytes([plainWith({}), section('custom', [2, 0xed, 0xa0])]),
    ),
    {
      name: 'two exports of one name',
      danger: 'One is checked, and the other is called',
      module: () =>
        plainWith({
          function: vector([[0], [0]]),
          code: many(2, [2, 0, 0x0b]),
          export: vector([exportFunction('run', 0), exportFunction('run', 1)]),
        }),
      expect: refused('export.duplicate'),
    },
    {
      name: 'an export of a function that does not exist',
      danger: 'A type is looked up behind the end of a list',
      module: () => plainWith({ export: vector([exportFunction('run', 7)]) }),
      expect: refused('module.malformed'),
    },
    malformed('a function of a type that does not exist', 'A look-up behind the end', () =>
      plainWith({ function: vector([[0], [9]]), code: many(2, [2, 0, 0x0b]) }),
    ),
    malformed('a body without its end', 'A reader runs into the next function', () =>
      plainWith({ code: vector([[2, 0, 1]]) }),
    ),
    malformed('an instruction that does not exist', 'A newer engine knows it', () => code(0xff)),
    invalid('operands of another type', 'An integer becomes a reference', () =>
      code(0x42, 1, 0x41, 1, 0x6a, 0x1a),
    ),
    invalid('operands that nobody pushed', 'The stack of the engine', () => code(0x1a)),
    malformed('a branch out of its function', 'A jump to nowhere', () => code(0x0c, 99)),
    malformed('a call of a function that does not exist', 'A jump to nowhere', () =>
      code(0x10, 99),
    ),
    malformed('a local that does not exist', 'The stack of the engine', () => code(0x20, 99, 0x1a)),
    malformed('a global that does not exist', 'Memory of the engine', () => code(0x23, 99, 0x1a)),
    malformed('an instruction on memory in a module without one', 'Memory of another module', () =>
      plainWith({ memory: undefined, code: oneBody([0x41, 0, 0x28, 2, 0, 0x1a]) }),
    ),
    malformed('a start function that does not exist', 'A jump to nowhere, before any call', () =>
      plainWith({ start: [9] }),
    ),
    badStart('takes parameters', 'Values that nobody gave', () =>
      plainWith({
        type: vector([PROCEDURE, [0x60, 1, 0x7f, 0]]),
        function: vector([[0], [1]]),
        code: many(2, [2, 0, 0x0b]),
        start: [1],
      }),
    ),
    badStart('returns something', 'A value that nobody takes', () =>
      plainWith({
        type: vector([PROCEDURE, STATUS]),
        function: vector([[0], [1]]),
        code: vector([
          [2, 0, 0x0b],
          [4, 0, 0x41, 0, 0x0b],
        ]),
        start: [1],
      }),
    ),
    invalid('a memory that starts above its own maximum', 'A bound that is none', () =>
      plainWith({ memory: vector([[1, 2, 1]]) }),
    ),
    invalid('a memory whose maximum does not exist', 'The rewriter would mend it', () =>
      plainWith({ memory: vector([[1, 1, 0x81, 0x80, 4]]) }),
    ),
    malformed('another number of data segments than is said', 'One count is believed', () =>
      plainWith({ dataCount: [2], data: vector([[1, 1, 0x78]]) }),
    ),
    malformed(
      'a global that starts with a call',
      'Code that runs where only constants may stand',
      () => plainWith({ global: vector([[0x7f, 0, 0x10, 0, 0x0b]]) }),
    ),
    {
      name: 'a global that refers to itself',
      danger: 'A reader that never comes to an end',
      module: () => plainWith({ global: vector([[0x7f, 0, 0x23, 0, 0x0b]]) }),
      expect: refused('module.malformed'),
    },
    malformed('an import of a type that does not exist', 'A look-up behind the end', () =>
      plainWith({
        import: vector([importFunction('extism:host/env', 'free', 9)]),
        export: vector([exportFunction('run', 1)]),
      }),
    ),
  ],
};
