import { expect, test } from 'bun:test';
import { digestOf } from './digest.ts';
import { bodiesBytes, bodyPath, journalBytes } from './journal-artifact.ts';
import { readTar } from './tar.ts';

const encoder = new TextEncoder();

test('the same bodies give the same bytes, in whatever order they were read', async () => {
  const bodies = ['', 'one', 'two'].map((text) => encoder.encode(text));
  const pairs = await Promise.all(
    bodies.map(async (bytes) => [await digestOf(bytes), bytes] as const),
  );
  const tar = bodiesBytes(new Map(pairs));
  expect(bodiesBytes(new Map(pairs.toReversed()))).toEqual(tar);
  const read = readTar(tar);
  expect(read.ok && [...read.files.keys()]).toEqual(
    pairs.map(([digest]) => bodyPath(digest)).sort(),
  );
});

test('a journal without a record is an empty list', () => {
  expect(new TextDecoder().decode(journalBytes([]))).toBe('[]');
});
