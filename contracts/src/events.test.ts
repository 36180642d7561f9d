import { expect, test } from 'bun:test';
import { eventSubject, eventType, PUBLISHED, STREAMS } from './events.ts';
import { ENTRY_TYPES } from './evidence-entry.ts';

test('an event type and its subject follow from the entry type', () => {
  expect(eventType('action.succeeded')).toBe('io.portarium.action.succeeded.v1');
  expect(eventSubject('acme', 'action.succeeded')).toBe(
    'portarium.events.acme.action.action.succeeded',
  );
  expect(eventSubject('acme', 'plugin.admitted')).toBe(
    'portarium.events.acme.plugin.plugin.admitted',
  );
  expect(eventSubject('acme', 'key.created')).toBe('portarium.events.acme.evidence.key.created');
});

test('each published type lands in exactly one stream', () => {
  const categories = Object.values(STREAMS).flatMap((stream) => [...stream.categories] as string[]);
  expect(new Set(categories).size).toBe(categories.length);
  for (const type of PUBLISHED) {
    expect(ENTRY_TYPES).toContain(type);
    expect(categories).toContain(eventSubject('w', type).split('.')[3] ?? '');
  }
});
