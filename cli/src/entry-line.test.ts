import { expect, test } from 'bun:test';
import { entryLine } from './entry-line.ts';

const entry = (type: string, data: Record<string, unknown>) => ({
  time: '2026-01-01T14:03:07.120Z',
  type,
  data,
});

test('a line has time, type and what a person wants to know', () => {
  expect(
    entryLine(entry('policy.decided', { decision: 'allow', tier: 'auto', policies: ['p'] })),
  ).toBe('14:03:07.120  policy.decided      decision=allow tier=auto');
  expect(entryLine(entry('action.succeeded', {}))).toBe('14:03:07.120  action.succeeded  ');
});

test('what a plugin wrote can not break the line or the terminal', () => {
  const message = 'a\nb\u001b[31m\u202e';
  const line = entryLine(entry('action.failed', { error: { code: 'guest.error', message } }));
  expect(line).toContain('error=guest.error: a b[31m');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  expect(line).not.toMatch(/[\u0000-\u001f\u202e]/);
});
