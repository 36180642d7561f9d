import { expect, test } from 'bun:test';
import { FairPlaces } from './fair-places.ts';

/** Enters, and notes in `order` when the place is there. */
function enter(places: FairPlaces, workspace: string, order: string[], name = workspace) {
  return places.enter(workspace).then((how) => {
    if (how === 'in') order.push(name);
    return how;
  });
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('the first attempt of an idle workspace goes before a flood that came earlier', async () => {
  const places = new FairPlaces(2);
  const order: string[] = [];
  for (let i = 0; i < 50; i++) enter(places, 'flood', order, `flood ${i}`);
  enter(places, 'calm', order);
  await settled();
  expect(order).toEqual(['flood 0', 'flood 1']);
  places.leave('flood');
  await settled();
  expect(order).toEqual(['flood 0', 'flood 1', 'calm']);
  expect([places.taken, places.waiting]).toEqual([2, 48]);
});

test('with one place, workspaces take turns', async () => {
  const places = new FairPlaces(1);
  const order: string[] = [];
  for (const workspace of ['a', 'a', 'a', 'b', 'b', 'c']) enter(places, workspace, order);
  for (let i = 0; i < 6; i++) {
    await settled();
    places.leave(order[i] ?? '');
  }
  expect(order).toEqual(['a', 'b', 'c', 'a', 'b', 'a']);
  expect([places.taken, places.waiting]).toEqual([0, 0]);
});

test('who has waited longest is next, however many new workspaces arrive', async () => {
  const places = new FairPlaces(1);
  const order: string[] = [];
  enter(places, 'patient', order);
  enter(places, 'patient', order, 'again');
  for (let i = 0; i < 5; i++) {
    enter(places, `new ${i}`, order);
    await settled();
    places.leave(order.at(-1) === 'again' ? 'patient' : (order.at(-1) ?? ''));
  }
  await settled();
  // Whoever arrived before the patient one gave its place back goes first, and nobody else.
  expect(order.slice(0, 4)).toEqual(['patient', 'new 0', 'again', 'new 1']);
});

test('a wait ends late, or when it is told to stop, and leaves nothing behind', async () => {
  const places = new FairPlaces(1);
  expect(await places.enter('a')).toBe('in');
  expect(await places.enter('b', { waitMs: 5 })).toBe('late');
  const stop = new AbortController();
  const stopped = places.enter('b', { signal: stop.signal });
  stop.abort();
  expect(await stopped).toBe('closed');
  expect(await places.enter('b', { signal: stop.signal })).toBe('closed');
  const waiting = places.enter('b');
  places.close();
  expect(await waiting).toBe('closed');
  expect(await places.enter('c')).toBe('closed');
  expect([places.taken, places.waiting]).toEqual([1, 0]);
  places.leave('a');
  expect(places.taken).toBe(0);
});
