/** What a plugin may do: a corpus in which everything fails proves nothing. */
import { oneBody, plainWith } from '../guest-bytes.ts';
import { literal } from '../guest-text.ts';
import { type Family, fails, HELD, says } from '../module-case.ts';

const MISSING = literal('no such invoice');

export const control: Family = {
  name: 'control',
  title: 'What is allowed passes',
  cases: [
    {
      name: 'answers',
      danger: 'none',
      module: '(func (export "run") (call $held))',
      expect: HELD,
    },
    {
      name: 'says nothing',
      danger: 'none',
      module: '(func (export "run"))',
      expect: says(''),
    },
    {
      name: 'sets a global in its start section',
      danger: 'none',
      module: `(global $ready (mut i32) (i32.const 0))
        (func $begin (global.set $ready (i32.const 1)))
        (start $begin)
        (func (export "run") (call $verdict (global.get $ready)))`,
      expect: HELD,
    },
    {
      name: 'grows its memory to the limit and writes to the last page',
      danger: 'none',
      module: `(memory 1)
        (func (export "run")
          (drop (memory.grow (i32.const 255)))
          (i32.store8 (i32.const 0xffffff) (i32.const 1))
          (call $verdict (i32.eq (memory.size) (i32.const 256))))`,
      limits: { memoryMiB: 16 },
      expect: HELD,
    },
    {
      name: 'fills a table up to the limit',
      danger: 'none',
      module: `(table $t 1 funcref)
        (func (export "run")
          (drop (table.grow $t (ref.null func) (i32.const 9999)))
          (call $verdict (i32.eq (table.size $t) (i32.const 10000))))`,
      expect: HELD,
    },
    {
      name: 'calls the host 9,000 times',
      danger: 'none',
      module: `(func (export "run") (local $i i32)
          (loop $again
            (drop (call $clock_time))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 9000))))
          (call $held))`,
      expect: HELD,
    },
    {
      name: 'declares 10,000 local variables',
      danger: 'none',
      module: () => plainWith({ code: oneBody([], [1, 0x90, 0x4e, 0x7e]) }),
      expect: says(''),
    },
    {
      name: 'computes on vectors of 128 bits',
      danger: 'none',
      module: `(func (export "run")
          (call $verdict (i32x4.extract_lane 0
            (i32x4.add (v128.const i32x4 1 0 0 0) (v128.const i32x4 0 0 0 0)))))`,
      expect: HELD,
    },
    {
      name: 'reports an error of its own',
      danger: 'none',
      module: `${MISSING.memory} (func (export "run") (call $error_set ${MISSING.put}))`,
      expect: fails('guest.error'),
    },
  ],
};
