import { expect, test } from 'bun:test';
import { errorOf } from '@portarium/client/portarium-error';
import { failureJson, failureText } from './failure-text.ts';
import { UsageError } from './usage-error.ts';

const refused = (problem: object) =>
  errorOf(
    new Response(JSON.stringify({ detail: 'No.', hint: 'Do.', ...problem }), { status: 422 }),
  );

test('each admission finding is told with its place and its hint, and made safe to show', async () => {
  const finding = {
    rule: 'import.unknown',
    message: 'x\u001b[2J',
    hint: 'Leave it out.',
    at: 'a.b',
  };
  const error = await refused({
    code: 'plugin.not-admitted',
    admission: { findings: [finding, { ...finding, rule: 'memory.count', at: undefined }] },
  });
  const text = failureText(error, 'portarium plugin push');
  expect(text).toContain('  import.unknown at a.b: x[2J\n    → Leave it out.');
  expect(text).toContain('  memory.count: x[2J');
  expect(failureJson(error)).toMatchObject({
    ok: false,
    problem: { code: 'plugin.not-admitted', admission: { findings: [finding, {}] } },
  });
});

test('a wrong key is told who can make another', async () => {
  const text = failureText(await refused({ code: 'auth.invalid' }), 'portarium action list');
  expect(text).toContain('needs an admin’s key');
});

test('a decision that is refused says what to do', async () => {
  const told = async (code: string) => failureText(await refused({ code }), 'portarium approve');
  expect(await told('approval.stale')).toContain('--replaces');
  expect(await told('approval.closed')).toContain('portarium approve ID');
  expect(await told('approval.excluded')).toContain('another person’s key');
});

test('a usage error points to the help of its own subcommand', () => {
  const error = new UsageError('No.', [{ pointer: '/a', message: 'missing' }]);
  expect(failureText(error, 'portarium plugin push')).toContain('portarium plugin push --help');
  expect(failureJson(error)).toEqual({
    ok: false,
    error: 'No.',
    errors: [{ pointer: '/a', message: 'missing' }],
  });
});
