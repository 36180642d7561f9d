/** Depth: of calls, of blocks, of operands. */
import { concatBytes } from '@portarium/admission/byte-writer';
import { oneBody, plainWith, repeat } from '../guest-bytes.ts';
import { type Family, fails, HELD, type ModuleCase, refused, says } from '../module-case.ts';

const BLOCK = [0x02, 0x40];
const LOOP = [0x03, 0x40];
const IF = [0x41, 0, 0x04, 0x40];
const END = [0x0b];

const nested = (name: string, count: number, opening: readonly number[]): ModuleCase => ({
  name,
  danger: 'Compilers recur or remember each level: seconds, or the stack of the host',
  module: () =>
    plainWith({ code: oneBody(concatBytes([repeat(count, opening), repeat(count, END)])) }),
  expect: refused('code.nesting'),
});

export const depth: Family = {
  name: 'depth',
  title: 'Depth',
  cases: [
    {
      name: 'a function that calls itself',
      danger: 'The stack of the process that runs it',
      module: `(func $deep (param i32) (result i32)
          (i32.add (call $deep (local.get 0)) (i32.const 1)))
        (func (export "run") (drop (call $deep (i32.const 1))))`,
      expect: fails('guest.trap'),
    },
    {
      name: 'two functions that call each other through a table',
      danger: 'Recursion that no graph of calls shows',
      module: `(type $t (func (result i32))) (table 2 funcref) (elem (i32.const 0) $a $b)
        (func $a (result i32) (i32.add (call_indirect (type $t) (i32.const 1)) (i32.const 1)))
        (func $b (result i32) (i32.add (call_indirect (type $t) (i32.const 0)) (i32.const 1)))
        (func (export "run") (drop (call $a)))`,
      expect: fails('guest.trap'),
    },
    {
      name: 'a function of a thousand locals that calls itself',
      danger: 'Frames so large that one jumps over a guard page',
      module: `(func $deep (param i64) (result i64)
          ${'(local i64)'.repeat(1_000)}
          (local.set 1000 (i64.add (local.get 0) (i64.const 1)))
          (i64.add (call $deep (local.get 1000)) (local.get 1000)))
        (func (export "run") (drop (call $deep (i64.const 1))))`,
      expect: fails('guest.trap'),
    },
    {
      name: 'recursion in the start section',
      danger: 'The stack of whoever instantiates',
      module: `(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))
        (func $begin (drop (call $deep))) (start $begin)
        (func (export "run"))`,
      expect: fails('guest.trap'),
    },
    {
      name: 'calls of the host at the very end of the stack',
      danger: 'The host’s own code runs out of stack in the midst of its work',
      module: `(func $deep (result i64)
          (drop (call $length (i64.const 0)))
          (i64.add (call $deep) (i64.const 1)))
        (func (export "run") (drop (call $deep)))`,
      expect: fails('guest.trap'),
    },
    {
      name: 'a thousand calls inside each other',
      danger: 'none',
      module: `(func $deep (param i32) (if (local.get 0)
          (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))
        (func (export "run") (call $deep (i32.const 1000)) (call $held))`,
      expect: HELD,
    },
    nested('100,000 blocks inside each other', 100_000, BLOCK),
    nested('100,000 loops inside each other', 100_000, LOOP),
    nested('100,000 conditions inside each other', 100_000, IF),
    {
      name: 'a hundred blocks inside each other',
      danger: 'none',
      module: () =>
        plainWith({ code: oneBody(concatBytes([repeat(100, BLOCK), repeat(100, END)])) }),
      expect: says(''),
    },
    {
      name: 'more blocks are opened than closed',
      danger: 'A reader runs on into the next function',
      module: () => plainWith({ code: oneBody(repeat(50, BLOCK)) }),
      expect: refused('module.malformed'),
    },
    {
      name: 'more blocks are closed than opened',
      danger: 'A reader’s stack runs empty',
      module: () => plainWith({ code: oneBody(repeat(50, END)) }),
      expect: refused('module.malformed'),
    },
  ],
};
