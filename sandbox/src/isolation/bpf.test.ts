import { expect, test } from 'bun:test';
import { assemble } from './bpf.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('steps become the instructions of linux/filter.h, with distances for jumps', () => {
  const program = assemble([
    { load: 4 },
    { equal: 0xc000003e, no: 'end' },
    { load: 0 },
    { and: 0xff },
    { atLeast: 0x40000000, yes: 'end' },
    { answer: 0x7fff0000 },
    { label: 'end' },
    { answer: 0x80000000 },
  ]);
  expect(hex(program)).toBe(
    [
      '2000000004000000', // ld [4]
      '150000043e0000c0', // jeq #0xc000003e, +0, +4
      '2000000000000000', // ld [0]
      '54000000ff000000', // and #0xff
      '3500010000000040', // jge #0x40000000, +1, +0
      '060000000000ff7f', // ret allow
      '0600000000000080', // ret kill
    ].join(''),
  );
});

test('a program that could run past its end, or in a circle, is not assembled', () => {
  const end = { answer: 0 };
  expect(() => assemble([])).toThrow('no answer');
  expect(() => assemble([end, { load: 0 }])).toThrow('no answer');
  expect(() => assemble([{ equal: 1, yes: 'nowhere' }, end])).toThrow('no label nowhere');
  expect(() => assemble([{ label: 'up' }, { equal: 1, yes: 'up' }, end])).toThrow(
    '-1 instructions',
  );
  expect(() => assemble([{ label: 'a' }, { label: 'a' }, end])).toThrow('stands twice');
  const far = Array.from({ length: 256 }, () => ({ load: 0 }));
  expect(() => assemble([{ equal: 1, yes: 'far' }, ...far, { label: 'far' }, end])).toThrow('far');
  expect(() => assemble([...Array.from({ length: 4_096 }, () => ({ load: 0 })), end])).toThrow(
    'at most 4096',
  );
});
