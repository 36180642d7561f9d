import { expect, test } from 'bun:test';
import { patternProblem } from './pattern-rules.ts';

test('patterns that match in linear time are taken', () => {
  for (const pattern of [
    '^[a-z][a-z0-9-]{0,62}$',
    '^ch_[A-Za-z0-9]+$',
    '^(foo|bar)$',
    '^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2})?$',
    '^[^@\\s]+@[^@\\s]+$',
    '^(ab){1,5}\\.$',
    '^\\u0041[\\u0042-\\u0043]*$',
  ]) {
    expect([pattern, patternProblem(pattern)]).toEqual([pattern, undefined]);
  }
});

test('patterns that can backtrack without bound are refused', () => {
  for (const pattern of [
    '(a+)+',
    '((a*)b)*',
    '(a|a)*',
    '(?:a|b|ab)+$',
    '(a{1,9}){1,9}',
    '(a)\\1',
    '(?=a)',
    '(?<!a)b',
    '(?<n>a)\\k<n>',
    '\\bword',
    'a{2000}',
    'a*b*c*d*e*',
    '(',
    'x'.repeat(257),
  ]) {
    expect([pattern, typeof patternProblem(pattern)]).toEqual([pattern, 'string']);
  }
});
