/** State: what one attempt leaves for the next in the same cell. */
import { literal } from '../guest-text.ts';
import { type Family, fails, HELD, type ModuleCase } from '../module-case.ts';

const BAD = literal('bad');

/** Looks for a trace of an attempt before, and leaves one. */
const looks = (name: string, module: string): ModuleCase => ({
  name: `leaves ${name}, and looks for it`,
  danger: 'A workspace’s data reaches another action of it',
  module,
  expect: HELD,
  attempts: 3,
});

export const leftovers: Family = {
  name: 'leftover',
  title: 'State left for the next attempt',
  cases: [
    looks(
      'a global',
      `(global $seen (mut i32) (i32.const 0)) (func (export "run")
          (call $verdict (i32.eqz (global.get $seen))) (global.set $seen (i32.const 1)))`,
    ),
    looks(
      'bytes in memory',
      `(memory 1) (func (export "run")
          (call $verdict (i32.eqz (i32.load (i32.const 1024))))
          (i32.store (i32.const 1024) (i32.const -1)))`,
    ),
    looks(
      'memory that it has grown',
      `(memory 1) (func (export "run")
          (call $verdict (i32.eq (memory.size) (i32.const 1)))
          (drop (memory.grow (i32.const 10))))`,
    ),
    looks(
      'bytes in pages that it grows',
      `(memory 1) (func (export "run") (local $at i32) (local $found i32)
          (drop (memory.grow (i32.const 64)))
          (local.set $at (i32.const 0x10000))
          (loop $next
            (local.set $found (i32.or (local.get $found) (i32.load (local.get $at))))
            (i32.store (local.get $at) (i32.const -1))
            (local.set $at (i32.add (local.get $at) (i32.const 4)))
            (br_if $next (i32.lt_u (local.get $at) (i32.const 0x400000))))
          (call $verdict (i32.eqz (local.get $found))))`,
    ),
    looks(
      'an entry of a table',
      `(table $t 4 funcref) (elem declare func $f) (func $f) (func (export "run")
          (call $verdict (ref.is_null (table.get $t (i32.const 2))))
          (table.set $t (i32.const 2) (ref.func $f)))`,
    ),
    looks(
      'a data segment that it has dropped',
      `(memory 1) (data $d "x") (func (export "run")
          (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))
          (data.drop $d) (call $held))`,
    ),
    looks(
      'what its start section has done',
      `(global $starts (mut i32) (i32.const 0))
        (func $begin (global.set $starts (i32.add (global.get $starts) (i32.const 1))))
        (start $begin) (func (export "run")
          (call $verdict (i32.eq (global.get $starts) (i32.const 1))))`,
    ),
    looks(
      'a variable',
      `(func (export "run") (local $key i64) (local.set $key (call $alloc (i64.const 1)))
          (call $verdict (i64.eqz (call $var_get (local.get $key))))
          (call $var_set (local.get $key) (local.get $key)))`,
    ),
    looks(
      'a block of the host',
      `(func (export "run") (local $i i64) (local $found i64) (local $at i64)
          (loop $next
            (local.set $at (i64.shl (local.get $i) (i64.const 48)))
            (if (i64.ne (call $length (local.get $at)) (i64.const 12345)) (then) (else
              (local.set $found (i64.const 1))))
            (local.set $i (i64.add (local.get $i) (i64.const 1)))
            (br_if $next (i64.lt_u (local.get $i) (i64.const 100))))
          (drop (call $alloc (i64.const 12345)))
          (call $verdict (i64.eqz (local.get $found))))`,
    ),
    looks(
      'bytes in a block of the host',
      `(func (export "run") (local $i i64) (local $found i64) (local $at i64)
          (local.set $at (call $alloc (i64.const 65536)))
          (loop $next
            (local.set $found (i64.or (local.get $found)
              (call $load_u64 (i64.add (local.get $at) (local.get $i)))))
            (call $store_u64 (i64.add (local.get $at) (local.get $i)) (i64.const -1))
            (local.set $i (i64.add (local.get $i) (i64.const 8)))
            (br_if $next (i64.lt_u (local.get $i) (i64.const 65536))))
          (call $verdict (i64.eqz (local.get $found))))`,
    ),
    looks(
      'a long input of before',
      `(func (export "run") (call $verdict (i64.eqz (call $input_length))))`,
    ),
    looks(
      'counts of host calls and blocks',
      `(func (export "run") (local $i i32) (loop $more
          (drop (call $alloc (i64.const 0)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $more (i32.lt_u (local.get $i) (i32.const 15000))))
          (call $held))`,
    ),
    {
      name: 'leaves an error, and goes on after it',
      danger: 'An error of before fails the next attempt, or its cell',
      module: `${BAD.memory} (global $seen (mut i32) (i32.const 0))
        (func (export "run")
          (if (global.get $seen) (then (unreachable)))
          (global.set $seen (i32.const 1))
          (call $error_set ${BAD.put}))`,
      expect: fails('guest.error'),
      attempts: 3,
    },
  ],
};
