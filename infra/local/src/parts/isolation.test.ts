import { expect, test } from 'bun:test';
import { isReached, readIsolation, toldIsolation } from './isolation.ts';

const health = (isolationMissing: object) =>
  JSON.stringify({ ready: true, isolation: 'seccomp', isolationMissing });

test('the level is told with what a better one needs', () => {
  expect(toldIsolation(health({}))).toBe('isolation seccomp');
  expect(toldIsolation(health({ 'namespaces+seccomp': 'install bubblewrap' }))).toBe(
    'isolation seccomp (namespaces+seccomp: install bubblewrap)',
  );
});

test('what is required is reached by that level and better ones, and no other word is a level', () => {
  const reached = (required: string) =>
    ['process', 'seccomp', 'namespaces+seccomp'].filter((level) => isReached(required, level));
  expect(reached('process')).toEqual(['process', 'seccomp', 'namespaces+seccomp']);
  expect(reached('seccomp')).toEqual(['seccomp', 'namespaces+seccomp']);
  expect(reached('namespaces+seccomp')).toEqual(['namespaces+seccomp']);
  expect(reached('everything')).toEqual([]);
  expect(isReached('process', 'nothing')).toBe(false);
});

test('an answer without a level tells nothing', () => {
  for (const text of ['', 'Bad Gateway', '{}', '{"isolation":1}', 'null']) {
    expect([text, toldIsolation(text), readIsolation(text)]).toEqual([text, undefined, {}]);
  }
});
