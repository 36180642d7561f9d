/** Calls of the host: storms, and arguments that nobody expects. */
import { literal } from '../guest-text.ts';
import { type Family, fails, HELD, type ModuleCase, says } from '../module-case.ts';

const storm = (
  name: string,
  danger: string,
  call: string,
  limits?: ModuleCase['limits'],
): ModuleCase => ({
  name,
  danger,
  module: `(func (export "run") (local $at i64)
      (local.set $at (call $alloc (i64.const 8)))
      (loop $again ${call} (br $again)))`,
  ...(limits ? { limits } : {}),
  expect: fails('limit.hostcalls'),
});

const METADATA = literal('{"method":"GET","url":"http://169.254.169.254/"}');
const BRACES = literal('{{{{');
const AT = '(local.get $at)';
const MOST = { hostCalls: 100_000, allocations: 60_000 };

const wrong = (
  name: string,
  danger: string,
  instructions: string,
  expect: ModuleCase['expect'],
): ModuleCase => ({
  name,
  danger,
  module: `(func (export "run") ${instructions})`,
  expect,
});

export const hostCalls: Family = {
  name: 'host-call',
  title: 'Host-call storms and addresses that are none',
  cases: [
    storm('asks for settings', 'A look-up each', `(drop (call $config_get ${AT}))`),
    storm(
      'asks for random bytes',
      'A hash each',
      '(call $free (call $random_bytes (i64.const 1)))',
    ),
    storm('asks for a variable', 'A copy each', `(drop (call $var_get ${AT}))`),
    storm('sets a variable', 'A copy each', `(call $var_set ${AT} ${AT})`),
    storm('deletes a variable', 'A look-up each', `(call $var_set ${AT} (i64.const 0))`),
    storm('asks for the headers of no response', 'A block each', '(drop (call $http_headers))'),
    storm('takes blocks of a byte', 'A block each', '(drop (call $alloc (i64.const 1)))'),
    storm(
      'takes blocks of nothing',
      'A block each, of no byte',
      '(drop (call $alloc (i64.const 0)))',
    ),
    storm(
      'takes more than 65,535 blocks, under the highest limits',
      'Addresses of blocks repeat after 65,535: one guest block is another',
      '(drop (call $alloc (i64.const 1)))',
      MOST,
    ),
    storm(
      'takes and frees more than 65,535 blocks, under the highest limits',
      'Addresses of blocks repeat after 65,535, freed or not',
      '(call $free (call $alloc (i64.const 1)))',
      MOST,
    ),
    {
      name: 'sends requests without end to where it may not',
      danger: 'Evidence of a denial each',
      module: `${METADATA.memory} (func (export "run") (loop $again
          (drop (call $http_request ${METADATA.put} (i64.const 0))) (br $again)))`,
      expect: fails('egress.denied'),
    },
    {
      name: 'sends a request in its start section',
      danger: 'A request before the call that it belongs to',
      module: `${METADATA.memory}
        (func $begin (drop (call $http_request ${METADATA.put} (i64.const 0))))
        (start $begin) (func (export "run"))`,
      expect: fails('egress.denied'),
    },
    {
      name: 'sends a request that is no JSON',
      danger: 'A parser of the host',
      module: `${BRACES.memory} (func (export "run")
          (drop (call $http_request ${BRACES.put} (i64.const 0))))`,
      expect: fails('guest.trap'),
    },
    {
      name: 'sends a request of 100,000 brackets',
      danger: 'A parser of the host runs out of stack',
      module: `(memory 2) (func (export "run")
          (memory.fill (i32.const 0) (i32.const 0x5b) (i32.const 100000))
          (drop (call $http_request (call $put (i32.const 0) (i32.const 100000)) (i64.const 0))))`,
      expect: fails('guest.trap'),
    },
    wrong(
      'more random bytes than one call gives',
      'Memory',
      '(drop (call $random_bytes (i64.const 65537)))',
      fails('guest.trap'),
    ),
    wrong(
      '-1 random bytes',
      'A length without a sign',
      '(drop (call $random_bytes (i64.const -1)))',
      fails('guest.trap'),
    ),
    wrong(
      'frees a block that it never had',
      'Bookkeeping of the host',
      '(call $free (i64.const 0x7fff000000000000))',
      says(''),
    ),
    wrong(
      'frees a block far behind the last, so that addresses repeat',
      'One block is another',
      '(call $free (i64.const 0x7fff000000000000)) (call $held)',
      fails('guest.trap'),
    ),
    {
      name: 'frees a block twice',
      danger: 'Bookkeeping of the host',
      module: `(func (export "run") (local $at i64) (local.set $at (call $alloc (i64.const 8)))
          (call $free (local.get $at)) (call $free (local.get $at)) (call $held))`,
      expect: HELD,
    },
    wrong(
      'asks how long a block is that it never had',
      'Bookkeeping of the host',
      '(call $verdict (i64.eqz (call $length (i64.const 0x7fff000000000000))))',
      HELD,
    ),
    wrong(
      'reads a block that it never had',
      'Memory of the host',
      '(drop (call $load_u8 (i64.const 0x7fff000000000000))) (call $held)',
      HELD,
    ),
    wrong(
      'writes to a block that it never had',
      'Memory of the host',
      '(call $store_u64 (i64.const 0x7fff000000000000) (i64.const 1)) (call $held)',
      HELD,
    ),
    wrong(
      'reads behind its block',
      'Bytes of another block',
      '(drop (call $load_u64 (i64.add (call $alloc (i64.const 8)) (i64.const 4)))) (call $held)',
      fails('guest.trap'),
    ),
    wrong(
      'reads before its block',
      'Bytes of another block',
      '(drop (call $load_u8 (i64.sub (call $alloc (i64.const 8)) (i64.const 1)))) (call $held)',
      fails('guest.trap'),
    ),
    wrong(
      'writes behind its block',
      'Bytes of another block',
      '(call $store_u64 (i64.add (call $alloc (i64.const 8)) (i64.const 8)) (i64.const -1)) (call $held)',
      fails('guest.trap'),
    ),
    wrong(
      'reads the input behind its end',
      'Bytes behind it',
      '(drop (call $input_load_u8 (i64.const 1000)))',
      fails('guest.trap'),
    ),
    wrong(
      'sets an output that it never had',
      'Memory of the host',
      '(call $output_set (i64.const 0x7fff000000000000) (i64.const 8))',
      fails('guest.trap'),
    ),
    wrong(
      'sets an error that it never had',
      'Memory of the host',
      '(call $error_set (i64.const 0x7fff000000000000))',
      fails('guest.trap'),
    ),
    wrong(
      'logs a block that it never had',
      'Memory of the host',
      '(call $log_info (i64.const 0x7fff000000000000)) (call $held)',
      HELD,
    ),
    wrong(
      'asks for settings under a block that it never had',
      'Memory of the host',
      '(call $verdict (i64.eqz (call $config_get (i64.const 0x7fff000000000000))))',
      HELD,
    ),
    wrong(
      'sets a variable under a block that it never had',
      'Memory of the host',
      '(call $var_set (i64.const 0x7fff000000000000) (i64.const 0x7fff000000000000)) (call $held)',
      HELD,
    ),
    wrong(
      'sends a request under a block that it never had',
      'Memory of the host',
      '(drop (call $http_request (i64.const 0x7fff000000000000) (i64.const 0))) (call $held)',
      HELD,
    ),
  ],
};
