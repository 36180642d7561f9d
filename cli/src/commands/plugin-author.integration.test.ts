import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import { LANGUAGES } from '@portarium/sdk/new-plugin';
import { toolchainLack } from '@portarium/sdk/testing/toolchain-lack';

// A crate and what it needs are compiled, on a machine that may be busy.
setDefaultTimeout(600_000);
const folder = mkdtempSync(join(tmpdir(), 'portarium-author-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function plugin(...args: string[]): { code: number; out: string; err: string } {
  const command = ['run', join(REPOSITORY_ROOT, 'cli/src/main.ts'), 'plugin', ...args];
  const ran = spawnSync(process.execPath, command, { cwd: folder, encoding: 'utf8' });
  return { code: ran.status ?? -1, out: ran.stdout, err: ran.stderr };
}

function cases(name: string, list: readonly object[]): string {
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(list));
  return file;
}

for (const language of LANGUAGES) {
  const lack = toolchainLack(language);
  test.skipIf(lack !== undefined)(
    `a new plugin in ${language} builds, would be admitted, and passes its cases as it is`,
    () => {
      const name = `hello-${language}`;
      const made = plugin('new', name, '--lang', language);
      expect([made.code, made.out]).toEqual([0, `${join(folder, name)}\n`]);
      const checked = plugin('check', name, '--json');
      expect([checked.code, checked.err]).toEqual([0, '']);
      expect(JSON.parse(checked.out)).toMatchObject({ ok: true, name, version: '0.1.0' });
      const tested = plugin('test', name);
      expect([tested.code, tested.err]).toEqual([0, '']);
      expect(tested.out).toContain('ok   greets by name  (greet: succeeded');
      expect(tested.out).toEndWith('2 ok, 0 not\n');
      expect(readdirSync(join(folder, name))).toContain('.gitignore');
      expect(readFileSync(join(folder, name, 'README.md'), 'utf8')).not.toContain('{{');
    },
  );
}

/** The others have tests of their own, against servers that answer like the real ones. */
const EXAMPLES = [
  { name: 'csv-insights', language: 'assemblyscript', cases: 2 },
  { name: 'sql-review', language: 'rust', cases: 4 },
  { name: 'certificate-report', language: 'go', cases: 4 },
] as const;

for (const { name, language, cases: count } of EXAMPLES) {
  test.skipIf(toolchainLack(language) !== undefined)(
    `the example ${name} in ${language} would be admitted and passes its cases`,
    () => {
      const tested = plugin('test', join(REPOSITORY_ROOT, 'plugins/examples', name));
      expect([tested.code, tested.err]).toEqual([0, '']);
      expect(tested.out).toEndWith(`${count} ok, 0 not\n`);
    },
  );
}

test('nothing is written over what is there, and a name that is none is refused', () => {
  const again = plugin('new', 'hello-assemblyscript');
  expect([again.code, again.err]).toEqual([2, expect.stringContaining('is not empty')] as never);
  const bad = plugin('new', 'Not A Name');
  expect([bad.code, bad.err]).toEqual([2, expect.stringContaining('no name of a plugin')] as never);
  const nothing = plugin('test', 'nowhere');
  expect([nothing.code, nothing.err]).toEqual([2, expect.stringContaining('cases.json')] as never);
});

test('a module that is built already is checked and tested without being built', () => {
  const built = join(folder, 'hello-assemblyscript/build');
  const files = ['--manifest', join(built, 'plugin.json'), '--module', join(built, 'plugin.wasm')];
  const checked = plugin('check', ...files);
  expect([checked.code, checked.err]).toEqual([0, '']);
  expect(checked.out).toContain('hello-assemblyscript@0.1.0 would be admitted');
  const cases = ['--cases', join(folder, 'hello-assemblyscript/cases.json')];
  expect(plugin('test', ...files, ...cases).out).toEndWith('2 ok, 0 not\n');
  const half = plugin('check', '--manifest', join(built, 'plugin.json'));
  expect([half.code, half.err]).toEqual([2, expect.stringContaining('Give either')] as never);
});

test('a case that comes out otherwise says how, and ends with 1', () => {
  const file = cases('wrong', [
    {
      name: 'expects another',
      operation: 'greet',
      input: { name: 'Ada' },
      expect: { output: { greeting: 'Goodbye, Ada!' } },
    },
    {
      name: 'expects an error',
      operation: 'greet',
      input: { name: 'Ada' },
      expect: { error: 'guest.error' },
    },
    { name: 'names nothing', operation: 'wave', input: {}, expect: { error: 'guest.error' } },
  ]);
  const { code, out } = plugin('test', 'hello-assemblyscript', '--cases', file);
  expect(code).toBe(1);
  expect(out).toContain('│ -   "greeting": "Goodbye, Ada!"\n');
  expect(out).toContain('│ +   "greeting": "Hello, Ada!"\n');
  expect(out).toContain('log info: greets Ada');
  expect(out).toContain('expected the error guest.error, got succeeded');
  expect(out).toContain('the manifest has no operation wave; it has greet');
  expect(out).toEndWith('0 ok, 3 not\n');
});

test('cases that are none name each place that is wrong, and nothing runs', () => {
  const file = cases('broken', [
    { name: 'x', operation: 'greet', expect: { error: 'no.such.code' } },
    {},
  ]);
  const { code, out, err } = plugin('test', 'hello-assemblyscript', '--cases', file);
  expect([code, out]).toEqual([2, '']);
  expect(err).toContain('/0/expect');
  expect(err).toContain('/1/name');
});

const STRIPE = join(REPOSITORY_ROOT, 'plugins/examples/stripe-refunds');
const refund = (egress: readonly object[], expectation: object) =>
  cases('refund', [
    {
      name: 'refund',
      operation: 'createRefund',
      input: { charge: 'ch_1' },
      egress,
      expect: expectation,
    },
  ]);
const POST = { method: 'POST', url: 'https://api.stripe.com/v1/refunds' };
const REFUND = { id: 're_1', amount: 1, currency: 'usd', status: 'succeeded', created: 1 };

test('calls get what is recorded; one without a recording, and a recording without a call, are told', () => {
  const recorded = [{ request: POST, response: { status: 200, body: REFUND } }];
  const fine = plugin('test', STRIPE, '--cases', refund(recorded, { output: REFUND }));
  expect([fine.code, fine.out]).toEqual([0, expect.stringContaining('1 ok, 0 not')] as never);
  const missing = plugin('test', STRIPE, '--cases', refund([], { output: REFUND }));
  expect(missing.code).toBe(1);
  expect(missing.out).toContain(
    'it asked for POST https://api.stripe.com/v1/refunds, which the case has no recording of',
  );
  const unused = plugin(
    'test',
    STRIPE,
    '--cases',
    refund([...recorded, ...recorded], { output: REFUND }),
  );
  expect(unused.code).toBe(1);
  expect(unused.out).toContain(
    'nothing asked for the recorded POST https://api.stripe.com/v1/refunds',
  );
});

test('the contract and the limits are those of production', () => {
  expect(plugin('test', join(REPOSITORY_ROOT, 'plugins/hostile/endless-loop')).code).toBe(0);
  const phone = plugin('test', join(REPOSITORY_ROOT, 'plugins/examples/phone-home'));
  expect([phone.code, phone.out]).toEqual([0, expect.stringContaining('egress.denied')] as never);
});

test('the examples pass the cases that they come with', () => {
  for (const name of ['stripe-refunds', 'csv-insights', 'github-issues']) {
    const { code, out } = plugin('test', join(REPOSITORY_ROOT, 'plugins/examples', name));
    expect([name, code, out]).toEqual([name, 0, expect.stringContaining(' ok, 0 not')] as never);
  }
});

test('a module that would be refused is told so with what to change', () => {
  const made = plugin('new', 'too-much');
  expect(made.code).toBe(0);
  const file = join(folder, 'too-much/plugin.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as { operations: object[] };
  manifest.operations[0] = { ...manifest.operations[0], input: { $ref: 'https://example.com/s' } };
  writeFileSync(file, JSON.stringify(manifest));
  const { code, out } = plugin('check', 'too-much');
  expect(code).toBe(1);
  expect(out).toContain('would not be admitted');
  expect(out).toMatch(/\n {2}schema\.ref {2}at \/operations\/0\/input\/\$ref\n {6}\S.+\n {6}→ \S/);
  expect(JSON.parse(plugin('check', 'too-much', '--json').out)).toMatchObject({ ok: false });
  const tested = plugin('test', 'too-much');
  expect([tested.code, tested.out]).toEqual([2, '']);
  expect(tested.err).toContain('would not be admitted, so no case was run:\n  schema.');
});
