/** Imports and exports: everything that a module could reach, or that would reach into it. */
import { exportFunction, PROCEDURE, vector } from '@portarium/admission/testing/wasm-builder';
import { plainWith } from '../guest-bytes.ts';
import { type Family, HELD, type ModuleCase, refused, says } from '../module-case.ts';

const RUN = '(func (export "run"))';

const unknown = (module: string, name: string, danger: string, type = ''): ModuleCase => ({
  name: `imports ${name || 'nothing'} from ${module || 'nowhere'}`,
  danger,
  module: `(import "${module}" "${name}" (func ${type})) ${RUN}`,
  expect: refused('import.unknown'),
});

const kind = (what: string, danger: string, field: string): ModuleCase => ({
  name: `imports ${what}`,
  danger,
  module: `(import "extism:host/env" "memory" ${field}) ${RUN}`,
  expect: refused('import.kind'),
});

const ofType = (module: string, name: string, type: string): ModuleCase => ({
  name: `imports ${name} as ${type}`,
  danger: 'The host is given other values than it expects, or gives other ones back',
  module: `(import "${module}" "${name}" (func ${type})) ${RUN}`,
  expect: refused('import.type'),
});

export const imports: Family = {
  name: 'import',
  title: 'Imports and exports',
  cases: [
    unknown('env', 'abort', 'Something that a host gives by chance'),
    unknown('env', 'memory_grow', 'A way around limits'),
    unknown('env', 'Date.now', 'The machine’s time', '(result f64)'),
    unknown('env', 'seed', 'The machine’s chance', '(result f64)'),
    unknown('env', '__indirect_function_table', 'Functions of another module'),
    unknown('extism:host/env', 'exec', 'Whatever a host calls so'),
    unknown('extism:host/user', 'run_command', 'Functions that an operator never gave'),
    unknown('extism:host/env', 'constructor', 'Every object of JavaScript has one'),
    unknown('extism:host/env', '__proto__', 'What all objects share'),
    unknown('extism:host/env', 'toString', 'A function that is always there'),
    unknown('__proto__', 'toString', 'What all objects share, as a module'),
    unknown('constructor', 'constructor', 'A constructor of functions from text'),
    unknown('extism:host/env\\00', 'alloc', 'A name that is cut at the zero by whoever reads C'),
    unknown('extism:host/env\\e2\\80\\8b', 'alloc', 'A name that looks like an allowed one'),
    unknown('Extism:Host/Env', 'alloc', 'A name that is an allowed one in lower case'),
    unknown('', '', 'A look-up of nothing'),
    unknown('node:fs', 'readFileSync', 'Files, where modules are resolved as scripts are'),
    unknown('./cell.mjs', 'default', 'The cell’s own script'),
    unknown(
      'wasm:js-string',
      'length',
      'Built-in functions of the engine',
      '(param externref) (result i32)',
    ),
    unknown('wasi_unstable', 'fd_write', 'Files, by a name of before'),
    unknown('wasi_snapshot_preview2', 'open', 'Files, by a name of later'),
    unknown('wasi:filesystem/types', 'open-at', 'Files, as a component has them'),
    unknown('portarium:host/v2', 'clock_time', 'A version that does not exist', '(result i64)'),
    unknown('portarium:host/v1', 'secret', 'Whatever a host calls so'),
    kind('a memory', 'Memory of the host or of another guest', '(memory 1)'),
    kind('a table', 'Functions of the host or of another guest', '(table 1 funcref)'),
    kind('a global', 'A value that the host keeps between attempts', '(global (mut i32))'),
    kind(
      'a function and then a memory under one name',
      'One is checked, and the other is used',
      '(memory 1 65536)',
    ),
    {
      name: 'imports a tag of exceptions',
      danger: 'Exceptions of the host are caught, and with them its refusals',
      module: `(import "extism:host/env" "tag" (tag)) ${RUN}`,
      expect: refused('module.feature'),
    },
    ofType('portarium:host/v1', 'clock_time', '(param i64) (result i64)'),
    ofType('portarium:host/v1', 'random_bytes', '(param f64) (result i64)'),
    ofType('extism:host/env', 'alloc', '(param i32) (result i32)'),
    ofType('extism:host/env', 'output_set', '(param externref)'),
    ofType('extism:host/env', 'input_length', '(result f64)'),
    {
      name: 'imports one function 900 times',
      danger: 'none',
      module: `${'(import "extism:host/env" "free" (func (param i64)))\n'.repeat(900)} ${RUN}`,
      expect: says(''),
    },
    {
      name: 'does not export what is called',
      danger: 'Whatever is called so elsewhere is called',
      module: '(func (export "walk"))',
      expect: refused('export.missing'),
    },
    {
      name: 'exports a global under the name that is called',
      danger: 'A value is called',
      module: '(global (export "run") i32 (i32.const 0))',
      expect: refused('export.missing'),
    },
    {
      name: 'exports its memory under the name that is called',
      danger: 'A memory is called',
      module: '(memory (export "run") 1)',
      expect: refused('export.missing'),
    },
    {
      name: 'takes parameters',
      danger: 'Values that nobody gave',
      module: '(func (export "run") (param i32))',
      expect: refused('export.signature'),
    },
    {
      name: 'returns a reference to the host',
      danger: 'An object of the engine leaves the guest',
      module: '(func (export "run") (result externref) (ref.null extern))',
      expect: refused('export.signature'),
    },
    {
      name: 'exports a function of the host under the name that is called',
      danger: 'The host calls itself',
      module: `(import "extism:host/env" "http_status_code" (func (result i32)))
        (export "run" (func 0))`,
      expect: says(''),
    },
    {
      name: 'returns a status that is not zero',
      danger: 'none: an error is what error_set says, as under Extism',
      module: '(func (export "run") (result i32) (i32.const 1))',
      expect: says(''),
    },
    {
      name: 'has an export that promises look for',
      danger: 'Whoever awaits the exports calls it',
      module: `(global $called (mut i32) (i32.const 0))
        (func (export "then") (global.set $called (i32.const 1)))
        (func (export "run") (call $verdict (i32.eqz (global.get $called))))`,
      expect: HELD,
    },
    {
      name: 'has exports of names that a host could call by itself',
      danger: 'Code runs before, beside or instead of what is called',
      module: `(global $called (mut i32) (i32.const 0))
        (func $mark (global.set $called (i32.const 1)))
        (export "main" (func $mark)) (export "then" (func $mark))
        (export "toString" (func $mark)) (export "valueOf" (func $mark))
        (func (export "run") (call $verdict (i32.eqz (global.get $called))))`,
      expect: HELD,
    },
    {
      name: 'has an export of a name that only the rewriter writes',
      danger: 'The host calls it, as if it had been the start section',
      module: '(func (export "portarium:start")) (func (export "run"))',
      expect: refused('export.reserved'),
    },
    {
      name: 'has exports of the names that all objects have',
      danger: 'A check by name finds the object’s own',
      module: () =>
        plainWith({
          type: vector([PROCEDURE]),
          export: vector(
            ['run', '__proto__', 'constructor', 'hasOwnProperty'].map((name) =>
              exportFunction(name, 0),
            ),
          ),
        }),
      expect: says(''),
    },
    {
      name: 'is called by a name that all objects have',
      danger: 'Something is there, though the module exports nothing',
      module: '(func (export "run"))',
      operation: { export: 'constructor' },
      expect: refused('export.missing'),
    },
    {
      name: 'is called by the name of what all objects share',
      danger: 'Something is there, though the module exports nothing',
      module: '(func (export "run"))',
      operation: { export: '__proto__' },
      expect: refused('export.missing'),
    },
  ],
};
