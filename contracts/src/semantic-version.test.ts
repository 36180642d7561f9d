import { expect, test } from 'bun:test';
import { compareVersions } from './semantic-version.ts';

test('versions have the precedence of the specification', () => {
  const ascending = [
    ...['0.9.9', '1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2'],
    ...['1.0.0-beta.11', '1.0.0-rc.1', '1.0.0', '1.0.1-0', '1.0.1', '1.2.0', '1.10.0', '2.0.0'],
    ...['9007199254740992.0.0', '9007199254740993.0.0'],
  ];
  for (const [i, a] of ascending.entries()) {
    for (const [j, b] of ascending.entries()) {
      expect([a, b, Math.sign(compareVersions(a, b))]).toEqual([a, b, Math.sign(i - j)]);
    }
  }
});

test('versions that the specification does not tell apart have an order as well, the same both ways', () => {
  // No version of today: but a log may name them.
  expect(compareVersions('1.0.0-01', '1.0.0-1')).toBe(-1);
  expect(compareVersions('1.0.0-1', '1.0.0-01')).toBe(1);
});
