/** Guests that do not come to an end by themselves. */
import { type Family, fails, type ModuleCase } from '../module-case.ts';

/** Short, so that a run of the corpus is; long beside the time that a cell needs to answer. */
const SOON = { wallMs: 300 };

/** One that spins until its deadline. */
const spins = (name: string, danger: string, module: string): ModuleCase => ({
  ...{ name, danger, module, limits: SOON, expect: fails('limit.deadline') },
});

export const loops: Family = {
  name: 'loop',
  title: 'Loops',
  cases: [
    spins(
      'in a function',
      'The engine can not be interrupted, and the thread never comes back',
      '(func (export "run") (loop $again (br $again)))',
    ),
    {
      name: 'in a function, until its processor time is used up',
      danger: 'Others wait for the processor, though the deadline is far',
      module: '(func (export "run") (loop $again (br $again)))',
      limits: { wallMs: 20_000, cpuMs: 200 },
      expect: fails('limit.cpu'),
    },
    spins(
      'in the start section',
      'Code runs before anybody has called anything, outside a deadline of the call',
      `(func $begin (loop $again (br $again))) (start $begin)
        (func (export "run"))`,
    ),
    spins(
      'around a call of the host that costs nothing',
      'Each turn leaves WebAssembly, so an engine’s own interruption is never due',
      `(func (export "run") (loop $again
          (drop (call $input_length)) (br $again)))`,
    ),
    spins(
      'around a call of the host in the start section',
      'Calls of the host before the export is called',
      `(func $begin (loop $again (drop (call $length (i64.const 0))) (br $again)))
        (start $begin) (func (export "run"))`,
    ),
    {
      name: 'around a counted call of the host',
      danger: 'Work for the host without end',
      module: '(func (export "run") (loop $again (drop (call $clock_time)) (br $again)))',
      expect: fails('limit.hostcalls'),
    },
    {
      name: 'until the clock says that a minute has passed',
      danger: 'Waits for a time that never comes: the clock goes by reads',
      module: `(func (export "run") (local $until i64)
          (local.set $until (i64.add (call $clock_time) (i64.const 60000000000)))
          (loop $again
            (br_if $again (i64.lt_s (call $clock_time) (local.get $until)))))`,
      expect: fails('limit.hostcalls'),
    },
    spins(
      'through a table',
      'Calls whose target the engine does not know',
      `(type $t (func)) (table 1 funcref) (elem (i32.const 0) $step) (func $step)
        (func (export "run") (loop $again
          (call_indirect (type $t) (i32.const 0)) (br $again)))`,
    ),
    spins(
      'of single instructions that fill all memory',
      'One instruction works for milliseconds, and no branch is ever counted',
      `(memory 256) (func (export "run") (loop $again
          (memory.fill (i32.const 0) (i32.const 1) (i32.const 0xffffff)) (br $again)))`,
    ),
    spins(
      'of single instructions that copy all memory onto itself',
      'As filling, and the processor’s cache is everybody’s',
      `(memory 256) (func (export "run") (loop $again
          (memory.copy (i32.const 1) (i32.const 0) (i32.const 0xfffff0)) (br $again)))`,
    ),
    spins(
      'that grows memory by nothing',
      'Each growth may take a lock of the engine or move the memory',
      `(memory 1) (func (export "run") (loop $again
          (drop (memory.grow (i32.const 0))) (br $again)))`,
    ),
    spins(
      'that branches 2^60 times, as two calls in each of 60 calls',
      'No loop and no deep stack: a bound on either does not end it',
      `(func $twice (param $depth i32)
          (if (local.get $depth) (then
            (call $twice (i32.sub (local.get $depth) (i32.const 1)))
            (call $twice (i32.sub (local.get $depth) (i32.const 1))))))
        (func (export "run") (call $twice (i32.const 60)))`,
    ),
    spins(
      'that sets the output again and again',
      'Buffers of the host, if it kept them',
      `(func (export "run") (local $at i64) (local.set $at (call $alloc (i64.const 8)))
          (loop $again (call $output_set (local.get $at) (i64.const 8)) (br $again)))`,
    ),
    {
      ...spins(
        'that reads the input byte by byte',
        'Reads are not counted, since guests call them once a byte',
        `(func (export "run") (loop $again
            (drop (call $input_load_u8 (i64.const 0))) (br $again)))`,
      ),
      input: 'x',
    },
    ...['_start', '_initialize', 'hs_init'].map((name) =>
      spins(
        `in the export ${name}, which kits call before the one that is asked for`,
        'Code runs before anybody has called anything',
        `(func $begin (loop $again (br $again))) (export "${name}" (func $begin))
          (func (export "run"))`,
      ),
    ),
  ],
};
