/** Tables: bombs, and entries that are not what they are called as. */
import { encodeU32 } from '@portarium/admission/byte-writer';
import { PROCEDURE, vector } from '@portarium/admission/testing/wasm-builder';
import { many, plainWith } from '../guest-bytes.ts';
import { type Family, fails, HELD, refused } from '../module-case.ts';

const FUNCREF = 0x70;

export const table: Family = {
  name: 'table',
  title: 'Tables',
  cases: [
    {
      name: 'starts with 10,000,001 entries',
      danger: 'Engines differ on whether they take it',
      module: '(table 10000001 funcref) (func (export "run"))',
      expect: refused('table.limit'),
    },
    {
      name: 'starts with 2^32 - 1 entries',
      danger: '32 GiB of the engine, outside the module’s memory',
      module: '(table 0xffffffff externref) (func (export "run"))',
      expect: refused('table.limit'),
    },
    {
      name: 'grows an entry at a time, as far as it gets',
      danger: 'Entries are the engine’s memory, which no page limit bounds',
      module: `(table $t 0 externref) (func (export "run")
          (block $full (loop $more
            (br_if $full (i32.eq (table.grow $t (ref.null extern) (i32.const 1)) (i32.const -1)))
            (br $more)))
          (call $verdict (i32.eq (table.size $t) (i32.const 10000))))`,
      expect: HELD,
    },
    {
      name: 'declares a maximum of 2^32 - 1 entries and grows to it',
      danger: 'A maximum that a module wrote for itself',
      module: `(table $t 0 0xffffffff funcref) (func (export "run")
          (call $verdict (i32.eq (i32.const -1)
            (table.grow $t (ref.null func) (i32.const 0xffffffff)))))`,
      expect: HELD,
    },
    {
      name: 'has a thousand tables',
      danger: 'Each within its bound',
      module: () => plainWith({ table: many(1_000, [FUNCREF, 0, ...encodeU32(10_000)]) }),
      expect: refused('module.count'),
    },
    {
      name: 'has a table that is shared',
      danger: 'Threads',
      module: () => plainWith({ table: vector([[FUNCREF, 3, 1, 2]]) }),
      expect: refused('table.limit'),
    },
    {
      name: 'has a table of 64 bits',
      danger: 'Indices beyond every bound that is written into modules',
      module: () => plainWith({ table: vector([[FUNCREF, 4, 1]]) }),
      expect: refused('table.limit'),
    },
    {
      name: 'has an element segment behind its table',
      danger: 'Instantiation fails each time, on every host',
      module: '(table 1 funcref) (elem (i32.const 1) $f) (func $f (export "run"))',
      expect: refused('element.range'),
    },
    {
      name: 'has an element segment at the last index of 32 bits',
      danger: 'A sum of offset and length that does not fit 32 bits',
      module: '(table 1 funcref) (elem (i32.const -1) $f $f) (func $f (export "run"))',
      expect: refused('element.range'),
    },
    {
      name: 'has more than a MiB of element segments',
      danger: 'Work for the engine at each instantiation',
      module: () =>
        plainWith({
          table: vector([[FUNCREF, 0, 1]]),
          element: many(200_000, [0, 0x41, 0, 0x0b, 1, 0]),
        }),
      expect: refused('module.count'),
    },
    {
      name: 'copies an element segment from behind its end',
      danger: 'References of the engine',
      module: `(table 4 funcref) (elem $e func $f) (func $f)
        (func (export "run") (table.init $e (i32.const 0) (i32.const 1) (i32.const 2)))`,
      expect: fails('guest.trap'),
    },
    {
      name: 'calls an entry that is empty',
      danger: 'A jump to nowhere',
      module: `(type $t (func)) (table 1 funcref)
        (func (export "run") (call_indirect (type $t) (i32.const 0)))`,
      expect: fails('guest.trap'),
    },
    {
      name: 'calls an entry as another type',
      danger: 'An integer is used as an address',
      module: `(type $t (func (param i64) (result i64))) (table 1 funcref)
        (elem (i32.const 0) $f) (func $f)
        (func (export "run") (drop (call_indirect (type $t) (i64.const 1) (i32.const 0))))`,
      expect: fails('guest.trap'),
    },
    {
      name: 'calls an entry behind the end',
      danger: 'A jump to memory of the engine',
      module: `(type $t (func)) (table 1 funcref)
        (func (export "run") (call_indirect (type $t) (i32.const -1)))`,
      expect: fails('guest.trap'),
    },
    {
      name: 'calls the host through its table',
      danger: 'A call of the host that no import section of a body names',
      module: `(type $t (func (param i64) (result i64))) (table 1 funcref)
        (elem (i32.const 0) $alloc)
        (func (export "run") (loop $again
          (drop (call_indirect (type $t) (i64.const 1) (i32.const 0))) (br $again))
          (drop (call $alloc (i64.const 1))))`,
      expect: fails('limit.hostcalls'),
    },
    {
      name: 'has a table of a type that nobody knows',
      danger: 'Readers that guess what an entry is',
      module: () => plainWith({ type: vector([PROCEDURE]), table: vector([[0x33, 0, 1]]) }),
      expect: refused('module.malformed'),
    },
  ],
};
