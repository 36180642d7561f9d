import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

setDefaultTimeout(30_000);
const MAIN = join(import.meta.dirname, '..', 'main.ts');
const VALUE = 'sk_test_0123456789abcdef';
const folder = mkdtempSync(join(tmpdir(), 'portarium-credential-'));
const stored: unknown[] = [];
/** A Control Plane that refuses whatever it gets, and keeps what it got. */
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: async (request) => {
    stored.push(request.method === 'GET' ? request.url : await request.json());
    const problem = { code: 'credential.exists', detail: 'There is one.', hint: 'Rotate it.' };
    return Response.json(problem, { status: 409 });
  },
});
beforeAll(() => writeFileSync(join(folder, 'key.txt'), `${VALUE}\n`));
afterAll(() => {
  server.stop(true);
  rmSync(folder, { recursive: true, force: true });
});

const where = ['--url', server.url.href, '--key', 'ptk_x', '--workspace', 'acme'];
const rotate = [process.execPath, 'run', MAIN, 'credential', 'rotate', 'stripe', ...where];
const create = (...args: string[]) =>
  [process.execPath, 'run', MAIN, 'credential', 'create', 'stripe', '--host', 'h', ...where].concat(
    args,
  );
const BODY = { name: 'stripe', host: 'h', kind: 'bearer', value: VALUE };

async function run(stdin: string, ...args: string[]) {
  const ran = Bun.spawn(create(...args), {
    cwd: folder,
    stdin: Buffer.from(stdin),
    stderr: 'pipe',
  });
  const [out, err] = await Promise.all([text(ran.stdout), text(ran.stderr)]);
  return { code: await ran.exited, said: `${out}${err}` };
}

test('a value comes from a file or from standard input, and no failure tells it', async () => {
  const ways = [
    await run('', '--value-file', 'key.txt'),
    await run(`${VALUE}\n`, '--value-file', '-', '--json'),
    await run(VALUE),
  ];
  for (const { code, said } of ways) {
    expect(code).toBe(1);
    expect(said).toContain('credential.exists');
    expect(said).not.toContain(VALUE);
  }
  expect(stored.splice(0)).toEqual([BODY, BODY, BODY]);
});

test('each kind is sent with its own place', async () => {
  const places = [
    ['basic', 'username', 'ada'],
    ['header', 'header', 'X-Api-Key'],
    ['query', 'parameter', 'key'],
  ] as const;
  for (const [kind, field, name] of places) {
    await run(VALUE, '--kind', kind, `--${field}`, name);
    expect(stored.splice(0)).toEqual([{ ...BODY, kind, [field]: name }]);
  }
});

test('at a terminal the value is asked for and does not show', async () => {
  let screen = '';
  const ran = Bun.spawn(create(), {
    terminal: {
      data: (terminal, bytes) => {
        const before = screen;
        screen += new TextDecoder().decode(bytes);
        const asked = 'it does not show';
        if (!before.includes(asked) && screen.includes(asked)) terminal.write(`${VALUE}x\u007f\r`);
      },
    },
  });
  expect(await ran.exited).toBe(1);
  expect(screen).toContain('There is one.');
  expect(screen).not.toContain(VALUE.slice(0, 6));
  expect(stored.splice(0)).toEqual([BODY]);
});

test('what is no value is refused before anything is sent, without a word of it', async () => {
  const { code, said } = await run(`${VALUE}\n${VALUE}\n`);
  expect(code).toBe(2);
  expect(said).toContain('on one line');
  expect(said).not.toContain(VALUE);
  expect((await run('', '--value', VALUE)).code).toBe(2);
  for (const command of [create(), create('--value-file', '-'), rotate]) {
    const ran = Bun.spawn(command, { cwd: folder, stdin: Buffer.from(''), stderr: 'pipe' });
    expect(await text(ran.stderr)).toContain('No value was given: what was read is empty');
    expect(await ran.exited).toBe(2);
  }
  expect((await run('', '--value-file', 'none.txt')).said).toContain('there is no such file');
  expect(stored).toEqual([]);
});
