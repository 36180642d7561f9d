import { expect, test } from 'bun:test';
import { lineDiff } from './line-diff.ts';

test('lines that are in one text only are marked, the others stand once', () => {
  expect(lineDiff(['a', 'b', 'c', 'd'], ['a', 'x', 'c', 'd', 'e'])).toEqual([
    '  a',
    '- b',
    '+ x',
    '  c',
    '  d',
    '+ e',
  ]);
  expect(lineDiff(['a'], ['a'])).toEqual(['  a']);
  expect(lineDiff([], ['a'])).toEqual(['+ a']);
  expect(lineDiff(['a', 'a'], ['a'])).toEqual(['  a', '- a']);
});

test('both texts can be read back from the difference, however large', () => {
  const lines = (count: number, step: number) =>
    Array.from({ length: count }, (_, i) => `line ${(i * step) % 97}`);
  for (const [before, after] of [
    [lines(300, 3), lines(250, 5)],
    [lines(3_000, 3), lines(3_000, 5)],
  ] as const) {
    const marked = lineDiff(before, after);
    const of = (mark: string) =>
      marked.filter((line) => line[0] === ' ' || line[0] === mark).map((line) => line.slice(2));
    expect(of('-')).toEqual([...before]);
    expect(of('+')).toEqual([...after]);
  }
});
