/** WASI: files, sockets, environment, clocks and descriptors that a host of WASI would have. */
import { type Family, fails, HELD, type ModuleCase, refused, says } from '../module-case.ts';

/** Parameters of the functions that are called; each returns an error number. */
const TYPES: Readonly<Record<string, string>> = {
  clock_time_get: 'i32 i64 i32',
  environ_sizes_get: 'i32 i32',
  args_sizes_get: 'i32 i32',
  fd_close: 'i32',
  fd_prestat_get: 'i32 i32',
  fd_read: 'i32 i32 i32 i32',
  fd_renumber: 'i32 i32',
  fd_write: 'i32 i32 i32 i32',
  path_open: 'i32 i32 i32 i32 i32 i64 i64 i32 i32',
  path_unlink_file: 'i32 i32 i32',
  poll_oneoff: 'i32 i32 i32 i32',
  proc_raise: 'i32',
  random_get: 'i32 i32',
  sched_yield: '',
  sock_accept: 'i32 i32 i32',
  sock_send: 'i32 i32 i32 i32 i32',
};

function imported(instructions: string): string {
  const imports = Object.entries(TYPES)
    .filter(([name]) => instructions.includes(`call $${name}`))
    .map(
      ([name, params]) =>
        `(import "wasi_snapshot_preview1" "${name}" (func $${name} (param ${params}) (result i32)))`,
    );
  const exits = instructions.includes('call $proc_exit')
    ? ['(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))']
    : [];
  return [...imports, ...exits].join('\n');
}

interface Guest extends Omit<ModuleCase, 'module' | 'expect'> {
  /** Locals and instructions of the function that is called. */
  readonly run: string;
  /** At address 0. */
  readonly data?: string;
  readonly expect?: ModuleCase['expect'];
}

const guest = ({ run, data = '', expect = HELD, ...rest }: Guest): ModuleCase => ({
  ...rest,
  module: `${imported(run)} (memory (export "memory") 16) (data (i32.const 0) "${data}")
    (func (export "run") ${run})`,
  expect,
});

/** Whether a call fails for each descriptor up to a thousand. @param call uses the local `$fd` */
const forEveryDescriptor = (call: string, from = 0) =>
  `(local $fd i32) (local $opened i32)
    (local.set $fd (i32.const ${from}))
    (loop $next
      (if (i32.eqz ${call}) (then (local.set $opened (i32.const 1))))
      (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $fd) (i32.const 1000))))
    (call $verdict (i32.eqz (local.get $opened)))`;

const FD = '(local.get $fd)';
/** Descriptor 0, path at 0 with 11 bytes, every right, the answer at 64. */
const OPEN = `(call $path_open ${FD} (i32.const 1) (i32.const 0) (i32.const 11) (i32.const 0)
  (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 64))`;

/** A subscription at 0 to a relative time of the monotonic clock. @param nanos as bytes */
const SLEEP_AN_HOUR = `${'\\00'.repeat(16)}\\01${'\\00'.repeat(7)}\\00\\a0\\b8\\30\\46\\03\\00\\00${'\\00'.repeat(16)}`;

export const wasi: Family = {
  name: 'wasi',
  title: 'WASI',
  cases: [
    guest({
      name: 'opens a file of the machine, below every descriptor',
      danger: 'Files of the host',
      data: '/etc/passwd',
      run: forEveryDescriptor(OPEN),
    }),
    guest({
      name: 'looks for directories that were opened for it',
      danger: 'Files of the host',
      run: forEveryDescriptor(`(call $fd_prestat_get ${FD} (i32.const 64))`),
    }),
    guest({
      name: 'deletes a file below every descriptor',
      danger: 'Files of the host',
      data: '/etc/passwd',
      run: forEveryDescriptor(`(call $path_unlink_file ${FD} (i32.const 0) (i32.const 11))`),
    }),
    guest({
      name: 'accepts connections on every descriptor',
      danger: 'Sockets that the cell was started with',
      run: forEveryDescriptor(`(call $sock_accept ${FD} (i32.const 0) (i32.const 64))`),
    }),
    guest({
      name: 'sends to every descriptor',
      danger: 'The pipe between cell and host',
      run: forEveryDescriptor(
        `(call $sock_send ${FD} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))`,
      ),
    }),
    guest({
      name: 'writes to every descriptor from 3 on',
      danger: 'The pipe between cell and host',
      run: forEveryDescriptor(
        `(call $fd_write ${FD} (i32.const 0) (i32.const 0) (i32.const 64))`,
        3,
      ),
    }),
    guest({
      name: 'reads from every descriptor from 1 on',
      danger: 'The pipe between cell and host',
      run: forEveryDescriptor(
        `(call $fd_read ${FD} (i32.const 0) (i32.const 0) (i32.const 64))`,
        1,
      ),
    }),
    guest({
      name: 'puts every descriptor in the place of its log',
      danger: 'The pipe between cell and host',
      run: forEveryDescriptor(`(call $fd_renumber ${FD} (i32.const 1))`),
    }),
    guest({
      name: 'reads the environment and the arguments',
      danger: 'Secrets and paths of the host',
      run: `(drop (call $environ_sizes_get (i32.const 64) (i32.const 68)))
        (drop (call $args_sizes_get (i32.const 72) (i32.const 76)))
        (call $verdict (i64.eqz (i64.or (i64.load (i32.const 64)) (i64.load (i32.const 72)))))`,
    }),
    guest({
      name: 'ends the process, well',
      danger: 'The cell, and an attempt that never ends',
      run: '(call $held) (call $proc_exit (i32.const 0)) (call $won)',
    }),
    guest({
      name: 'ends the process with an error',
      danger: 'The cell, and an attempt that never ends',
      run: '(call $held) (call $proc_exit (i32.const 3)) (call $won)',
      expect: fails('guest.trap'),
    }),
    {
      name: 'ends the process in its start section',
      danger: 'The cell, before anything was called',
      module: `${imported('call $proc_exit')} (memory (export "memory") 1)
        (func $begin (call $proc_exit (i32.const 1))) (start $begin) (func (export "run"))`,
      expect: fails('guest.trap'),
    },
    guest({
      name: 'kills its own process',
      danger: 'The cell',
      run: '(call $verdict (i32.ne (call $proc_raise (i32.const 9)) (i32.const 0)))',
    }),
    guest({
      name: 'sleeps for an hour',
      danger: 'A place of the pool, without a cycle of processor time',
      data: SLEEP_AN_HOUR,
      run: `(drop (call $poll_oneoff (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 64)))
        (call $held)`,
    }),
    guest({
      name: 'waits for 2^31 things at once',
      danger: 'Memory for a count that was given',
      run: `(call $verdict (i32.ne (i32.const 0) (call $poll_oneoff
        (i32.const 0) (i32.const 128) (i32.const 0x80000000) (i32.const 64))))`,
    }),
    guest({
      name: 'measures its own work by every clock',
      danger: 'What others do on the machine shows in time',
      run: `(local $i i32)
        (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 64)))
        (loop $more (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $more (i32.lt_u (local.get $i) (i32.const 5000000))))
        (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 72)))
        (drop (call $clock_time_get (i32.const 2) (i64.const 1) (i32.const 80)))
        (drop (call $clock_time_get (i32.const 3) (i64.const 1) (i32.const 88)))
        (call $verdict (i32.and
          (i64.eq (i64.sub (i64.load (i32.const 72)) (i64.load (i32.const 64))) (i64.const 1000))
          (i64.eqz (i64.or (i64.load (i32.const 80)) (i64.load (i32.const 88))))))`,
    }),
    guest({
      name: 'asks for more random bytes than its memory holds',
      danger: 'Memory of the host',
      run: '(call $verdict (i32.ne (call $random_get (i32.const 0) (i32.const -1)) (i32.const 0)))',
    }),
    guest({
      name: 'has the answer written behind its memory',
      danger: 'Memory of the host',
      run: `(call $verdict (i32.ne (i32.const 0)
        (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 0xfffffffc))))`,
    }),
    guest({
      name: 'asks for a MiB of random bytes again and again',
      danger: 'One counted call is much work',
      run: '(loop $more (drop (call $random_get (i32.const 0) (i32.const 1048576))) (br $more))',
      limits: { cpuMs: 300 },
      expect: fails('limit.cpu'),
    }),
    guest({
      name: 'writes 2^32 - 1 vectors at once',
      danger: 'Memory for a count that was given',
      run: `(call $verdict (i32.ne (i32.const 0)
        (call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 64))))`,
    }),
    guest({
      name: 'writes without end',
      danger: 'Work for the host, though nothing of it is kept',
      run: `(i32.store (i32.const 4) (i32.const 100000))
        (loop $more (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))
          (br $more))`,
      expect: fails('limit.hostcalls'),
    }),
    guest({
      name: 'yields without end',
      danger: 'Work for the host',
      run: '(loop $more (drop (call $sched_yield)) (br $more))',
      expect: fails('limit.hostcalls'),
    }),
    guest({
      name: 'closes its log, and looks whether it is open',
      danger: 'A descriptor of the cell is closed for the next attempt',
      run: `(if (i32.ne (call $fd_close (i32.const 1)) (i32.const 0)) (then (unreachable)))
        (call $verdict (i32.ne (i32.const 0)
          (call $fd_write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 64))))`,
      attempts: 2,
    }),
    {
      name: 'imports a function of WASI under another type',
      danger: 'The host is given other values than it expects',
      module: `(import "wasi_snapshot_preview1" "fd_write" (func (param f64) (result i64)))
        (func (export "run"))`,
      expect: refused('import.type'),
    },
    {
      name: 'imports what WASI is called here',
      danger: 'A module that knows how the host works inside',
      module: `(import "portarium:wasi/v1" "proc_exit" (func (param i32)))
        (import "portarium:wasi" "proc_exit" (func (param i32))) (func (export "run"))`,
      expect: refused('import.unknown'),
    },
    {
      name: 'imports a function that WASI does not have',
      danger: 'Whatever a host calls so',
      module: `(import "wasi_snapshot_preview1" "sock_open" (func (param i32))) (func (export "run"))`,
      expect: refused('import.unknown'),
    },
    {
      name: 'calls WASI without a memory',
      danger: 'An answer is written somewhere',
      module: `${imported('call $random_get')} (func (export "run")
        (call $verdict (i32.ne (call $random_get (i32.const 0) (i32.const 1)) (i32.const 0))))`,
      expect: refused('memory.export'),
    },
    {
      name: 'is a program that does nothing but start',
      danger: 'none',
      module: `${imported('call $proc_exit')} (memory (export "memory") 1)
        (func (export "_start") (call $proc_exit (i32.const 0))) (func (export "run"))`,
      expect: says(''),
    },
  ],
};
