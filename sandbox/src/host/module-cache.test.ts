import { expect, test } from 'bun:test';
import { digestOf } from '@portarium/contracts/digest';
import { ModuleCache } from './module-cache.ts';

const bytes = (fill: number) => new Uint8Array(10).fill(fill);

test('a module is loaded once, however many ask at the same time', async () => {
  const cache = new ModuleCache(100);
  let loads = 0;
  const load = async () => {
    loads++;
    return bytes(1);
  };
  const digest = await digestOf(bytes(1));
  const both = await Promise.all([cache.get(digest, load), cache.get(digest, load)]);
  expect(both).toEqual([bytes(1), bytes(1)]);
  await cache.get(digest, load);
  expect(loads).toBe(1);
});

test('bytes with another digest are neither given out nor kept', async () => {
  const cache = new ModuleCache(100);
  const digest = await digestOf(bytes(1));
  expect(await cache.get(digest, async () => bytes(2))).toBeUndefined();
  expect(await cache.get(digest, async () => bytes(1))).toEqual(bytes(1));
});

test('a load that failed is tried again', async () => {
  const cache = new ModuleCache(100);
  const digest = await digestOf(bytes(1));
  const failing = cache.get(digest, () => Promise.reject(new Error('away')));
  expect(failing).rejects.toThrow('away');
  await failing.catch(() => undefined);
  expect(await cache.get(digest, async () => bytes(1))).toEqual(bytes(1));
});

test('the least recently used module makes room', async () => {
  const cache = new ModuleCache(20);
  const loads: number[] = [];
  const get = async (fill: number) =>
    cache.get(await digestOf(bytes(fill)), async () => {
      loads.push(fill);
      return bytes(fill);
    });
  for (const fill of [1, 2, 1, 3, 1, 2]) await get(fill);
  expect(loads).toEqual([1, 2, 3, 2]);
});
