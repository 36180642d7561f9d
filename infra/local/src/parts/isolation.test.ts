import { expect, test } from 'bun:test';
import { readIsolation, toldIsolation } from './isolation.ts';

const health = (isolationMissing: object) =>
  JSON.stringify({ ready: true, isolation: 'seccomp', isolationMissing });

test('the level is told with what a better one needs', () => {
  expect(toldIsolation(health({}))).toBe('isolation seccomp');
  expect(toldIsolation(health({ 'namespaces+seccomp': 'install bubblewrap' }))).toBe(
    'isolation seccomp (namespaces+seccomp: install bubblewrap)',
  );
});

test('an answer without a level tells nothing', () => {
  for (const text of ['', 'Bad Gateway', '{}', '{"isolation":1}', 'null']) {
    expect([text, toldIsolation(text), readIsolation(text)]).toEqual([text, undefined, {}]);
  }
});
