/** Memory bombs: declared, grown, by data segments, and in blocks that the host holds. */
import {
  exportFunction,
  limits,
  PROCEDURE,
  STATUS,
  vector,
} from '@portarium/admission/testing/wasm-builder';
import { many, plainWith } from '../guest-bytes.ts';
import { type Family, fails, HELD, refused } from '../module-case.ts';

const SMALL = { memoryMiB: 16 };
/** Flags of a memory: 2 shared, 4 64-bit, 8 a page size of its own. */
const SHARED = 2;
const WIDE = 4;
const OWN_PAGE_SIZE = 8;

export const memory: Family = {
  name: 'memory',
  title: 'Memory bombs',
  cases: [
    {
      name: 'starts with a page more than its limit',
      danger: 'The machine’s memory, before an instruction ran',
      module: '(memory 257) (func (export "run"))',
      limits: SMALL,
      expect: refused('memory.limit'),
    },
    {
      name: 'starts with 4 GiB',
      danger: 'The machine’s memory, before an instruction ran',
      module: '(memory 65536) (func (export "run"))',
      expect: refused('memory.limit'),
    },
    {
      name: 'grows without a maximum, and writes to each page',
      danger: 'The machine’s memory, a page at a time',
      module: `(memory 1) (func (export "run")
          (block $full (loop $more
            (br_if $full (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))
            (i32.store8 (i32.shl (i32.sub (memory.size) (i32.const 1)) (i32.const 16)) (i32.const 1))
            (br $more)))
          (call $verdict (i32.eq (memory.size) (i32.const 256))))`,
      limits: SMALL,
      expect: HELD,
    },
    {
      name: 'declares a maximum of 4 GiB and grows to it',
      danger: 'A maximum that a module wrote for itself',
      module: `(memory 1 65536) (func (export "run")
          (block $full (loop $more
            (br_if $full (i32.eq (memory.grow (i32.const 16)) (i32.const -1)))
            (br $more)))
          (call $verdict (i32.le_u (memory.size) (i32.const 256))))`,
      limits: SMALL,
      expect: HELD,
    },
    {
      name: 'grows by 4 GiB at once',
      danger: 'A sum that does not fit 32 bits',
      module: `(memory 1) (func (export "run")
          (call $verdict (i32.eq (memory.grow (i32.const 0xffffffff)) (i32.const -1))))`,
      expect: HELD,
    },
    {
      name: 'grows in the start section beyond its limit',
      danger: 'Growth before the export is called',
      module: `(memory 1) (global $got (mut i32) (i32.const 0))
        (func $begin (global.set $got (memory.grow (i32.const 1000)))) (start $begin)
        (func (export "run") (call $verdict (i32.eq (global.get $got) (i32.const -1))))`,
      limits: SMALL,
      expect: HELD,
    },
    {
      name: 'reads and writes behind its last page',
      danger: 'Memory of the engine',
      module: `(memory 1) (func (export "run")
          (i64.store offset=0xfffffff0 (i32.const 0xfffffff0) (i64.const 1)) (call $won))`,
      expect: fails('guest.trap'),
    },
    {
      name: 'writes 8 bytes of which only 4 are left',
      danger: 'Memory of the engine',
      module: '(memory 1) (func (export "run") (i64.store (i32.const 65532) (i64.const 1)))',
      expect: fails('guest.trap'),
    },
    {
      name: 'has a data segment behind its memory',
      danger: 'Instantiation fails each time, on every host',
      module: '(memory 1) (data (i32.const 65530) "0123456789") (func (export "run"))',
      expect: refused('data.range'),
    },
    {
      name: 'has a data segment at the last address of 32 bits',
      danger: 'A sum of offset and length that does not fit 32 bits',
      module: '(memory 1) (data (i32.const -1) "0123456789") (func (export "run"))',
      expect: refused('data.range'),
    },
    {
      name: 'has a data segment and no memory',
      danger: 'A segment without a place',
      module: '(data (i32.const 0) "x") (func (export "run"))',
      expect: refused('module.malformed'),
    },
    {
      name: 'has more than 100,000 data segments',
      danger: 'Each is work for the engine, at each instantiation',
      module: () => plainWith({ data: many(100_001, [0, 0x41, 0, 0x0b, 1, 0x78]) }),
      expect: refused('module.count'),
    },
    {
      name: 'copies a passive segment from behind its end',
      danger: 'Memory of the engine',
      module: `(memory 1) (data $d "0123456789")
        (func (export "run") (memory.init $d (i32.const 0) (i32.const 8) (i32.const 8)))`,
      expect: fails('guest.trap'),
    },
    {
      name: 'copies a segment that it has dropped',
      danger: 'Bytes that the engine has given back',
      module: `(memory 1) (data $d "0123456789")
        (func (export "run")
          (data.drop $d) (memory.init $d (i32.const 0) (i32.const 0) (i32.const 8)))`,
      expect: fails('guest.trap'),
    },
    {
      name: 'has two memories',
      danger: 'Twice its limit, and host calls that read the wrong one',
      module: () => plainWith({ memory: vector([limits(1), limits(1)]) }),
      expect: refused('memory.count'),
    },
    {
      name: 'shares its memory',
      danger: 'Threads, and with them a clock of nanoseconds',
      module: () => plainWith({ memory: vector([limits(1, 2, SHARED)]) }),
      expect: refused('memory.kind'),
    },
    {
      name: 'has a memory of 64 bits',
      danger: 'Addresses beyond every bound that is written into modules',
      module: () => plainWith({ memory: vector([limits(1, 2, WIDE)]) }),
      expect: refused('memory.kind'),
    },
    {
      name: 'chooses its own size of pages',
      danger: 'A limit of pages that is one of bytes',
      module: () => plainWith({ memory: vector([[...limits(65_536, 65_536, OWN_PAGE_SIZE), 0]]) }),
      expect: refused('module.feature'),
    },
    {
      name: 'takes host blocks of 10 MiB without end',
      danger: 'Blocks are the host’s memory, beside the guest’s',
      module:
        '(func (export "run") (loop $more (drop (call $alloc (i64.const 10485760))) (br $more)))',
      expect: fails('limit.memory'),
    },
    {
      name: 'asks for a host block of 2^62 bytes',
      danger: 'A length that is no number of JavaScript any more',
      module: '(func (export "run") (drop (call $alloc (i64.const 0x4000000000000000))))',
      expect: fails('limit.memory'),
    },
    {
      name: 'asks for a host block of -1 bytes',
      danger: 'A length whose sign two readers see differently',
      module: '(func (export "run") (drop (call $alloc (i64.const -1))))',
      expect: fails('limit.memory'),
    },
    {
      name: 'takes blocks of random bytes without end',
      danger: 'Blocks that are not asked for by alloc',
      module: `(func (export "run") (loop $more
          (drop (call $random_bytes (i64.const 65536))) (br $more)))`,
      limits: { memoryMiB: 4 },
      expect: fails('limit.memory'),
    },
    {
      name: 'reads a variable of half a MiB 9,000 times',
      danger: 'Each read is a new block, of 4.5 GB together',
      module: `(func (export "run") (local $key i64) (local $i i32)
          (local.set $key (call $alloc (i64.const 1)))
          (call $var_set (local.get $key) (call $alloc (i64.const 524288)))
          (loop $more
            (drop (call $var_get (local.get $key)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 9000)))))`,
      limits: SMALL,
      expect: fails('limit.memory'),
    },
    {
      name: 'gives each block of 10 MiB back at once',
      danger: 'none: what was freed does not count',
      module: `(func (export "run") (local $i i32) (loop $more
          (call $free (call $alloc (i64.const 10485760)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $more (i32.lt_u (local.get $i) (i32.const 50)))) (call $held))`,
      expect: HELD,
    },
    {
      name: 'has a type for its export only by way of its memory’s name',
      danger: 'An export that is no function is called',
      module: () =>
        plainWith({
          type: vector([PROCEDURE, STATUS]),
          export: vector([[3, 0x72, 0x75, 0x6e, 2, 0], exportFunction('other', 0)]),
        }),
      expect: refused('export.missing'),
    },
  ],
};
