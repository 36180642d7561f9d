/** Floods: of output, log, variables and errors. */
import { literal } from '../guest-text.ts';
import { type Family, fails, HELD, says } from '../module-case.ts';

const MIB = 1024 * 1024;
const BAD = literal('bad');

export const floods: Family = {
  name: 'flood',
  title: 'Floods of output, log and variables',
  cases: [
    {
      name: 'an output of a byte too much',
      danger: 'Memory and disk of the Control Plane',
      module: `(func (export "run")
          (call $output_set (call $alloc (i64.const 1001)) (i64.const 1001)))`,
      limits: { outputBytes: 1_000 },
      expect: fails('limit.output'),
    },
    {
      name: 'an output of 32 MiB',
      danger: 'The pipe to the host, and the host’s memory',
      module: `(func (export "run")
          (call $output_set (call $alloc (i64.const ${32 * MIB})) (i64.const ${32 * MIB})))`,
      expect: fails('limit.output'),
    },
    {
      name: 'an output that is longer than its block',
      danger: 'Bytes behind the block',
      module: `(func (export "run")
          (call $output_set (call $alloc (i64.const 8)) (i64.const 0x10000000000)) (unreachable))`,
      expect: fails('guest.trap'),
    },
    {
      name: '9,000 log lines',
      danger: 'Disk, and whoever reads them',
      module: `(func (export "run") (local $i i32)
          (loop $more (call $log_info (call $alloc (i64.const 4)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 9000))))
          (call $held))`,
      expect: HELD,
    },
    {
      name: 'log lines without end',
      danger: 'Work for the host, though nothing of it is kept',
      module: `(func (export "run")
          (loop $more (call $log_error (call $alloc (i64.const 4))) (br $more)))`,
      expect: fails('limit.hostcalls'),
    },
    {
      name: 'log lines without end in the start section',
      danger: 'Work for the host before anything is called',
      module: `(func $begin
          (loop $more (call $log_warn (call $alloc (i64.const 4))) (br $more)))
        (start $begin) (func (export "run"))`,
      expect: fails('limit.hostcalls'),
    },
    {
      name: 'one log line of 32 MiB',
      danger: 'One line that is within every count',
      module: `(func (export "run")
          (call $log_info (call $alloc (i64.const ${32 * MIB}))) (call $held))`,
      expect: HELD,
    },
    {
      name: 'twenty log lines of 8 MiB',
      danger: 'Time for text that is thrown away',
      module: `(func (export "run") (local $i i32)
          (loop $more (call $log_trace (call $alloc (i64.const ${8 * MIB})))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 20))))
          (call $held))`,
      expect: HELD,
    },
    {
      name: 'a variable of 2 MiB',
      danger: 'Memory of the host',
      module: `(func (export "run")
          (call $var_set (call $alloc (i64.const 1)) (call $alloc (i64.const ${2 * MIB}))))`,
      expect: fails('guest.trap'),
    },
    {
      name: '9,000 variables',
      danger: 'Memory of the host, each below every bound',
      module: `(func (export "run") (local $i i32) (local $key i64) (local $value i64)
          (local.set $key (call $alloc (i64.const 8)))
          (local.set $value (call $alloc (i64.const 1000)))
          (loop $more
            (call $store_u64 (local.get $key) (i64.extend_i32_u (local.get $i)))
            (call $var_set (local.get $key) (local.get $value))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 9000)))))`,
      expect: fails('guest.trap'),
    },
    {
      name: 'one variable again and again',
      danger: 'none: what was replaced does not count',
      module: `(func (export "run") (local $i i32) (local $key i64) (local $value i64)
          (local.set $key (call $alloc (i64.const 8)))
          (local.set $value (call $alloc (i64.const 100000)))
          (loop $more
            (call $var_set (local.get $key) (local.get $value))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 1000))))
          (call $held))`,
      expect: HELD,
    },
    {
      name: 'an error of a MiB',
      danger: 'Rows, entries and screens',
      module: '(func (export "run") (call $error_set (call $alloc (i64.const 1048576))))',
      expect: fails('guest.error'),
    },
    {
      name: 'an error and an output',
      danger: 'An attempt that is both',
      module: `${BAD.memory} (func (export "run") (call $held) (call $error_set ${BAD.put}))`,
      expect: fails('guest.error'),
    },
    {
      name: 'an output of 100,000 brackets, as JSON',
      danger: 'Whoever parses it runs out of stack',
      module: `(memory 2) (func (export "run")
          (memory.fill (i32.const 0) (i32.const 0x5b) (i32.const 100000))
          (call $output_set (call $put (i32.const 0) (i32.const 100000)) (i64.const 100000)))`,
      operation: { encoding: 'json' },
      expect: says('['.repeat(100_000)),
      inProduct: fails('output.invalid'),
    },
    {
      name: 'an output of 2 MiB that its schema lets pass',
      danger: 'none',
      module: `(func (export "run")
          (call $output_set (call $alloc (i64.const 2097152)) (i64.const 2097152)))`,
      operation: { encoding: 'bytes' },
      expect: says('\0'.repeat(2_097_152)),
    },
  ],
};
