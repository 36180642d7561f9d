/**
 * A guest that looks everywhere for what an attempt before it has left, and leaves its own marker
 * everywhere: memory, globals, tables, variables, blocks of the host, log, output or error.
 */
import type { AttemptErrorCode } from '@portarium/contracts/errors';
import type { ModuleCase } from '../module-case.ts';

/** How an attempt ends, after it has left its marker. */
export const ENDINGS = {
  /** Says the marker. */
  o: undefined,
  /** Reports it as an error. */
  e: 'guest.error',
  t: 'guest.trap',
  /** Runs until it is killed. */
  l: 'limit.cpu',
} as const satisfies Readonly<Record<string, AttemptErrorCode | undefined>>;

export type Ending = keyof typeof ENDINGS;

/** Sixteen letters that no attempt but this one has: `canary` and a number. */
export const markerOf = (attempt: number): string => `canary${String(attempt).padStart(10, '0')}`;
export const MARKER = /canary\d{10}/g;

export const inputOf = (attempt: number, ending: Ending): string => markerOf(attempt) + ending;

const PAGES = 8;
const MEMORY_BYTES = PAGES * 65_536;
const BLOCK_BYTES = 16_384;

/**
 * `$found` gathers every byte that is not zero; what was seen is then said instead of the marker. The
 * letters of "canary" stand nowhere in the module, so it can not find its own.
 */
const MODULE = `
  (memory ${PAGES})
  (table $table 16 funcref)
  (elem declare func $run)
  (global $first (mut i64) (i64.const 0))
  (global $second (mut i64) (i64.const 0))
  (data $once "\\01")

  (func $inMemory (result i64) (local $at i32) (local $found i64)
    (loop $next
      (local.set $found (i64.or (local.get $found) (i64.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const ${MEMORY_BYTES}))))
    (local.get $found))

  (func $inTable (result i64) (local $at i32) (local $found i64)
    (loop $next
      (if (i32.eqz (ref.is_null (table.get $table (local.get $at))))
        (then (local.set $found (i64.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 16))))
    (local.get $found))

  ;; Blocks 0 and 1 are the host's null page and this attempt's input.
  (func $inBlocks (result i64) (local $index i64) (local $found i64)
    (local.set $index (i64.const 2))
    (loop $next
      (local.set $found (i64.or (local.get $found)
        (call $length (i64.shl (local.get $index) (i64.const 48)))))
      (local.set $index (i64.add (local.get $index) (i64.const 1)))
      (br_if $next (i64.lt_u (local.get $index) (i64.const 64))))
    (local.get $found))

  (func $inNewBlock (param $at i64) (result i64) (local $offset i64) (local $found i64)
    (loop $next
      (local.set $found (i64.or (local.get $found)
        (call $load_u64 (i64.add (local.get $at) (local.get $offset)))))
      (local.set $offset (i64.add (local.get $offset) (i64.const 8)))
      (br_if $next (i64.lt_u (local.get $offset) (i64.const ${BLOCK_BYTES}))))
    (local.get $found))

  (func $mark (param $first i64) (param $second i64) (result i64) (local $block i64)
    (local.set $block (call $alloc (i64.const 16)))
    (call $store_u64 (local.get $block) (local.get $first))
    (call $store_u64 (i64.add (local.get $block) (i64.const 8)) (local.get $second))
    (local.get $block))

  (func $leave (param $first i64) (param $second i64) (param $block i64)
    (local $at i32) (local $offset i64)
    (loop $next
      (i64.store (local.get $at) (local.get $first))
      (i64.store offset=8 (local.get $at) (local.get $second))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const ${MEMORY_BYTES}))))
    (loop $next
      (call $store_u64 (i64.add (local.get $block) (local.get $offset)) (local.get $first))
      (local.set $offset (i64.add (local.get $offset) (i64.const 8)))
      (br_if $next (i64.lt_u (local.get $offset) (i64.const ${BLOCK_BYTES}))))
    (global.set $first (local.get $first))
    (global.set $second (local.get $second))
    (table.fill $table (i32.const 0) (ref.func $run) (i32.const 16))
    (data.drop $once)
    (call $var_set (call $key) (call $mark (local.get $first) (local.get $second)))
    (call $log_info (call $mark (local.get $first) (local.get $second))))

  (func $key (result i64) (local $at i64)
    (local.set $at (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $at) (i64.const 0x7365726f6d656d))
    (local.get $at))

  (func $run (export "run")
    (local $first i64) (local $second i64) (local $ending i32) (local $found i64) (local $block i64)
    (local.set $first (call $input_load_u64 (i64.const 0)))
    (local.set $second (call $input_load_u64 (i64.const 8)))
    (local.set $ending (call $input_load_u8 (i64.const 16)))
    (local.set $found (i64.or (call $inMemory) (call $inTable)))
    (local.set $found (i64.or (local.get $found) (call $inBlocks)))
    (local.set $found (i64.or (local.get $found)
      (i64.or (global.get $first) (global.get $second))))
    (local.set $block (call $alloc (i64.const ${BLOCK_BYTES})))
    (local.set $found (i64.or (local.get $found) (call $inNewBlock (local.get $block))))
    (local.set $found (i64.or (local.get $found) (call $var_get (call $key))))
    ;; Traps when an attempt before has dropped it for good; then the byte is taken away again.
    (memory.init $once (i32.const 0) (i32.const 0) (i32.const 1))
    (call $leave (local.get $first) (local.get $second) (local.get $block))
    (if (i64.ne (local.get $found) (i64.const 0)) (then (call $won) (return)))
    (if (i32.eq (local.get $ending) (i32.const ${code('e')}))
      (then (call $error_set (call $mark (local.get $first) (local.get $second))) (return)))
    (if (i32.eq (local.get $ending) (i32.const ${code('t')})) (then (unreachable)))
    (if (i32.eq (local.get $ending) (i32.const ${code('l')})) (then (loop $again (br $again))))
    (call $output_set (call $mark (local.get $first) (local.get $second)) (i64.const 16)))`;

function code(letter: Ending): number {
  return letter.charCodeAt(0);
}

export const CANARY: Pick<ModuleCase, 'module' | 'limits'> = {
  module: MODULE,
  limits: { cpuMs: 500, memoryMiB: 4 },
};
