import { expect, test } from 'bun:test';
import { errorOf } from '@portarium/client/portarium-error';
import { API_ERRORS } from '@portarium/contracts/errors';
import { AdvisedError } from './advised-error.ts';
import { exitCodeOf } from './exit-codes.ts';
import { failureJson, failureText } from './failure-text.ts';
import { UsageError } from './usage-error.ts';

const refused = (problem: object, status = 422) =>
  errorOf(new Response(JSON.stringify({ detail: 'No.', hint: 'Do.', ...problem }), { status }));

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
  expect(text).toContain('  import.unknown  at a.b\n      x\\u001b[2J\n      → Leave it out.');
  expect(text).toContain('  memory.count\n      x\\u001b[2J');
  expect(failureJson(error)).toMatchObject({
    ok: false,
    problem: { code: 'plugin.not-admitted', admission: { findings: [finding, {}] } },
  });
});

test('a place whose words end the detail is not told twice; others are', async () => {
  const told = async (detail: string, errors: readonly object[]) =>
    failureText(await refused({ code: 'input.invalid', detail, errors }), 'portarium action run');
  const one = { pointer: '/version', message: 'there is no such version' };
  expect(await told('x can not run 9: there is no such version.', [one])).toStartWith(
    'x can not run 9: there is no such version. Do.',
  );
  expect(await told('The body is wrong.', [one])).toContain('/version: there is no such version.');
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

test('input that is not usable ends with 2, whoever found it; every other failure with 1', async () => {
  expect(exitCodeOf(new UsageError('No.'))).toBe(2);
  for (const status of [400, 413, 415, 422]) {
    expect([status, exitCodeOf(await refused({ code: 'x' }, status))]).toEqual([status, 2]);
  }
  for (const status of [401, 403, 404, 409, 429, 500, 503]) {
    expect([status, exitCodeOf(await refused({ code: 'x' }, status))]).toEqual([status, 1]);
  }
  expect(exitCodeOf(new Error('No.'))).toBe(1);
});

test('advice stands below the failure, whose code and problem stay', async () => {
  const failure = await refused({ code: 'input.invalid' });
  const error = new AdvisedError(failure, 'An example: portarium action run p o');
  expect(failureText(error, 'portarium action run')).toBe(
    `${failure.message}\nAn example: portarium action run p o`,
  );
  expect(failureJson(error)).toMatchObject({ ok: false, problem: { code: 'input.invalid' } });
  expect(exitCodeOf(error)).toBe(2);
});

test('no hint of the Control Plane names a part of the document that a terminal does not show', () => {
  for (const [, , hint] of Object.values(API_ERRORS)) expect(hint).not.toContain('errors[]');
});
