import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperatorRuleSchema } from '@portarium/contracts/egress-rule';
import { API_ERRORS, ATTEMPT_ERRORS } from '@portarium/contracts/errors';
import { ATTACKS } from '../plugins/hostile/modules/corpus.ts';
import { readCorpus } from '../plugins/hostile/requests/corpus.ts';
import { dependencyDrift, referencePages, withUnit } from './generate-reference.ts';
import { configurationVariables } from './reference/configuration-page.ts';
import { cellText } from './reference/hostile-page.ts';

const root = join(import.meta.dirname, '..');

test('each error code has a page, and the list names each; there is no other page', () => {
  const pages = referencePages();
  const codes = [...new Set([...Object.keys(API_ERRORS), ...Object.keys(ATTEMPT_ERRORS)])];
  const list = pages.get('docs/reference/errors.md') ?? '';
  for (const code of codes) {
    expect(list).toContain(`| [\`${code}\`](errors/${code}.md) |`);
    expect(pages.get(`docs/reference/errors/${code}.md`)).toStartWith(`# ${code}\n`);
  }
  const told = [...pages.keys()].filter((path) => path.startsWith('docs/reference/errors/'));
  expect(told.length).toBe(codes.length);
});

test('the page of commands has each command, and the page of configuration each variable', () => {
  const pages = referencePages();
  const commands = pages.get('docs/reference/cli.md') ?? '';
  for (const name of ['up', 'plugin new', 'plugin rollback', 'approve', 'backup', 'console']) {
    expect(commands).toContain(`\n## portarium ${name}\n`);
  }
  const configuration = pages.get('docs/reference/configuration.md') ?? '';
  for (const name of ['PORTARIUM_URL', 'PORTARIUM_DATABASE_URL', 'PORTARIUM_CACHE']) {
    expect(configuration).toContain(`| \`${name}\` |`);
  }
  expect(configuration).toContain('| `PORTARIUM_RATE_PER_KEY` | number, 1 to 999999 | `200` |');
  expect(configuration).toContain('| `PORTARIUM_RUNTIME` | `bun` or `deno` | `bun` |');
  expect(configuration).toContain('| `PORTARIUM_VAULT_DIR` | folder | required |');
});

test('each variable that the product reads or sets is on the page of configuration', () => {
  const named = new Set<string>();
  const folders = ['control', 'sandbox', 'infra/local', 'cli', 'client', 'plugins/sdk'];
  const sources = folders.flatMap((folder) => [
    ...new Bun.Glob(`${folder}/src/**/*.{ts,tsx}`).scanSync(root),
  ]);
  expect(sources.length).toBeGreaterThan(300);
  for (const path of sources) {
    if (/\.test\.ts$|\/testing\//.test(path)) continue;
    const source = readFileSync(join(root, path), 'utf8');
    for (const [name] of source.matchAll(/\bPORTARIUM_[A-Z][A-Z_]*[A-Z]\b/g)) named.add(name);
  }
  const known = configurationVariables();
  expect([...named].filter((name) => !known.has(name))).toEqual([]);
  const ours = [...known].filter((name) => name.startsWith('PORTARIUM_'));
  expect(ours.filter((name) => !named.has(name))).toEqual([]);
});

test('the page of egress is as committed, with every field of a rule and every hostile request', () => {
  const page = referencePages().get('docs/reference/egress.md') ?? '';
  expect(readFileSync(join(root, 'docs/reference/egress.md'), 'utf8')).toBe(page);
  for (const field of Object.keys(OperatorRuleSchema.entries)) {
    expect(page).toContain(`\n| \`${field}\` |`);
  }
  const cases = readCorpus().flatMap((family) => family.cases);
  for (const { name } of cases) expect(page).toContain(`\n| ${name.replaceAll('|', '\\|')} |`);
  expect(page.split(/ (?:allowed|failed|denied: [a-z]+) \|\n/).length - 1).toBe(cases.length);
});

test('the page of hostile modules is as committed, with every case and its verdict', () => {
  const page = referencePages().get('docs/reference/hostile-modules.md') ?? '';
  expect(readFileSync(join(root, 'docs/reference/hostile-modules.md'), 'utf8')).toBe(page);
  for (const { name } of ATTACKS) expect(page).toContain(`\n| ${cellText(name)} | `);
  const verdicts = / (?:upload refused|not admitted|fails: `[^`]+`|succeeds)[^|\n]* \|\n/g;
  expect(page.match(verdicts)?.length).toBe(ATTACKS.length);
});

test('a figure is shown in the largest unit that keeps it whole', () => {
  expect(withUnit('wallMs', 10_000)).toBe('10 s');
  expect(withUnit('wallMs', 900_000)).toBe('15 min');
  expect(withUnit('leaseMs', 1_500)).toBe('1500 ms');
  expect(withUnit('outputBytes', 4 * 1024 * 1024)).toBe('4 MiB');
  expect(withUnit('logBytes', 65_536)).toBe('64 KiB');
  expect(withUnit('entryBytes', 65_535)).toBe('65,535 bytes');
  expect(withUnit('egressBytesIn', 8 * 1024 * 1024)).toBe('8 MiB');
  expect(withUnit('hostCalls', 10_000)).toBe('10,000');
});

test('a dependency without a line and a line without a dependency are both drift', () => {
  const packageJson = JSON.stringify({
    dependencies: { a: '1.0.0' },
    devDependencies: { b: '2.0.0' },
  });
  expect(dependencyDrift(packageJson, '| `a` | x |\n| `b` | y |')).toEqual([]);
  expect(dependencyDrift(packageJson, '| `a` | x |\n| `c` | y |')).toEqual([
    'b has no line there',
    'c is not in package.json',
  ]);
});
