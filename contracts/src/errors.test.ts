import { expect, test } from 'bun:test';
import { API_ERRORS, ATTEMPT_ERRORS, RETRYABLE_ATTEMPT_ERRORS } from './errors.ts';

test('each API error has a status that means it, a title and a hint', () => {
  const known = new Set([400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 422, 429, 500, 503]);
  for (const [code, [status, title, hint]] of Object.entries(API_ERRORS)) {
    expect(known.has(status), code).toBe(true);
    expect(title.length, code).toBeGreaterThan(5);
    expect(hint.endsWith('.'), code).toBe(true);
  }
});

test('codes are dotted, lower case, and say nothing twice', () => {
  const titles = [...Object.values(API_ERRORS).map((error) => error[1])];
  expect(new Set(titles).size).toBe(titles.length);
  for (const code of [...Object.keys(API_ERRORS), ...Object.keys(ATTEMPT_ERRORS)]) {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*(\.[a-z]+(-[a-z]+)*)?$/);
  }
});

test('only failures that are not the guest’s lead to another attempt', () => {
  expect([...RETRYABLE_ATTEMPT_ERRORS].sort()).toEqual([
    'answer.lost',
    'host.lost',
    'host.resource',
  ]);
});
