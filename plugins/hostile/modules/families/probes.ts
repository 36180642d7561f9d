/** Probes: time and chance are the action’s, and nothing else tells one attempt from another. */
import { type Family, HELD, type ModuleCase, says } from '../module-case.ts';

/** Each attempt has to find the same. */
const same = (name: string, danger: string, module: string, expect = HELD): ModuleCase => ({
  ...{ name, danger, module, expect, attempts: 2 },
});

/** At which every action of the corpus starts, in microseconds. */
const START = Date.parse('2026-11-23T10:00:00.000Z') * 1_000;

export const probes: Family = {
  name: 'probe',
  title: 'Probes of clock and random',
  cases: [
    {
      ...same(
        'reads the clock',
        'When an attempt runs tells it from another, and a replay is none',
        `(func (export "run") (call $verdict (i64.lt_u
          (i64.sub (call $clock_time) (i64.const ${START})) (i64.const 1000))))`,
      ),
      // Any start is the action’s in the product: a cell’s own test sets one.
      inProduct: says('won!'),
    },
    same(
      'measures how long its own work takes',
      'What others do on the machine shows in time',
      `(func (export "run") (local $before i64) (local $i i32)
          (local.set $before (call $clock_time))
          (loop $more (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 5000000))))
          (call $verdict (i64.eq (i64.sub (call $clock_time) (local.get $before)) (i64.const 1))))`,
    ),
    same(
      'measures how long a call of the host takes',
      'What the host does for others shows in time',
      `(func (export "run") (local $before i64)
          (local.set $before (call $clock_time))
          (drop (call $random_bytes (i64.const 65536)))
          (call $verdict (i64.eq (i64.sub (call $clock_time) (local.get $before)) (i64.const 1))))`,
    ),
    {
      ...same(
        'asks for random bytes, and says them',
        'Attempts of an action that do not agree',
        `(func (export "run")
          (call $output_set (call $random_bytes (i64.const 16)) (i64.const 16)))`,
        says('*'),
      ),
    },
    same(
      'asks twice for random bytes',
      'A stream that repeats is none',
      `(func (export "run") (call $verdict (i64.ne
          (call $load_u64 (call $random_bytes (i64.const 8)))
          (call $load_u64 (call $random_bytes (i64.const 8))))))`,
    ),
    same(
      'looks for chance in blocks of the host',
      'Memory that was not cleared',
      `(func (export "run") (call $verdict (i64.eqz (i64.or
          (call $load_u64 (call $alloc (i64.const 8)))
          (call $load_u64 (call $alloc (i64.const 8)))))))`,
    ),
    {
      ...same(
        'says where its first block lies',
        'Addresses that tell one attempt from another',
        `(func (export "run") (local $at i64) (local.set $at (call $alloc (i64.const 8)))
          (call $store_u64 (local.get $at) (local.get $at))
          (call $output_set (local.get $at) (i64.const 8)))`,
        says('*'),
      ),
    },
  ],
};
