import { expect, test } from 'bun:test';
import * as v from 'valibot';
import {
  ActionIdSchema,
  ID_PREFIXES,
  type IdKind,
  idFromUuid,
  makeId,
  uuidOf,
  WorkspaceIdSchema,
} from './ids.ts';

const random = new Uint8Array(10).fill(0xff);
const accepts = (id: string) => v.safeParse(ActionIdSchema, id).success;

test('an id holds its time, version 7 and variant 2 of RFC 9562', () => {
  expect(String(makeId('action', 0x0123_4567_89ab, random))).toBe(
    'act_0123456789ab7fffbfffffffffffffff',
  );
  expect(String(makeId('key', 0, new Uint8Array(10)))).toBe('key_00000000000070008000000000000000');
});

test('ids of later milliseconds sort after those of earlier ones', () => {
  const ids = [1, 255, 256, 2 ** 32, 2 ** 40].map((time) => makeId('action', time, random));
  expect(ids.toSorted()).toEqual(ids);
});

test('every kind has a prefix of its own', () => {
  const prefixes = Object.values(ID_PREFIXES);
  expect(new Set(prefixes).size).toBe(prefixes.length);
});

test('an id is refused with another prefix, version, variant, case or length', () => {
  const id = makeId('action', 1, random);
  expect(accepts(id)).toBe(true);
  for (const text of [
    id.replace('act_', 'att_'),
    id.toUpperCase(),
    id.slice(0, -1),
    `${id}0`,
    `${id.slice(0, 16)}4${id.slice(17)}`,
    `${id.slice(0, 20)}f${id.slice(21)}`,
    uuidOf(id),
    '',
  ]) {
    expect(accepts(text), text).toBe(false);
  }
});

test('an id becomes a UUID and comes back', () => {
  for (const kind of Object.keys(ID_PREFIXES) as IdKind[]) {
    const id = makeId(kind, 1_767_225_600_000, random);
    expect(uuidOf(id)).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(idFromUuid(kind, uuidOf(id))).toBe(id);
  }
});

test('times and randomness out of range are refused', () => {
  for (const time of [-1, 1.5, 2 ** 48, Number.NaN]) {
    expect(() => makeId('action', time, random)).toThrow(RangeError);
  }
  expect(() => makeId('action', 0, new Uint8Array(9))).toThrow(RangeError);
});

test('a workspace id is a short slug; the reserved one can not be chosen', () => {
  for (const id of ['ab', 'acme', 'a-1', 'a'.repeat(39)]) {
    expect(v.safeParse(WorkspaceIdSchema, id).success).toBe(true);
  }
  for (const id of ['a', '_instance', 'Acme', '1a', '-a', 'a_b', 'a b', 'a'.repeat(40), 'ä1', '']) {
    expect(v.safeParse(WorkspaceIdSchema, id).success).toBe(false);
  }
});
