import { expect, test } from 'bun:test';
import { compareVersions } from './data-version.ts';

const version = (product: string, global: number, tenant: number) => ({
  ...{ product, migrations: { global, tenant } },
});
const own = version('0.10.0', 3, 4);

test('migrations decide what is older and newer, and the product’s version where they are the same', () => {
  expect(compareVersions(version('0.10.0', 3, 4), own)).toBe('same');
  expect(compareVersions(version('0.10.0-rc.1', 3, 4), own)).toBe('same');
  expect(compareVersions(version('0.9.9', 3, 4), own)).toBe('older');
  expect(compareVersions(version('0.10.1', 3, 4), own)).toBe('newer');
  expect(compareVersions(version('1.0.0', 3, 3), own)).toBe('older');
  expect(compareVersions(version('0.1.0', 4, 4), own)).toBe('newer');
  expect(compareVersions(version('0.1.0', 2, 5), own)).toBe('newer');
});
