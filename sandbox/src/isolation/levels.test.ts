import { expect, test } from 'bun:test';
import { isolationProblem } from './levels.ts';

test('a level that is reached, or a better one, is no problem', () => {
  expect(isolationProblem('seccomp', 'seccomp', { 'namespaces+seccomp': 'no bwrap' })).toBe(
    undefined,
  );
  expect(isolationProblem('process', 'namespaces+seccomp', {})).toBe(undefined);
});

test('a weaker level is told with all that is missing up to what is asked for', () => {
  const missing = { seccomp: 'install util-linux', 'namespaces+seccomp': 'install bubblewrap' };
  const problem = isolationProblem('seccomp', 'process', missing) ?? '';
  expect(problem).toContain(
    'SANDBOX_REQUIRE_ISOLATION asks for seccomp, and cells get process here',
  );
  expect(problem).toContain('install util-linux');
  expect(
    isolationProblem('namespaces+seccomp', 'seccomp', {
      'namespaces+seccomp': 'install bubblewrap',
    }),
  ).toContain('install bubblewrap');
});
