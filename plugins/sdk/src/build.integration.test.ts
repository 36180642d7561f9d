import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPlugin } from '@extism/extism';
import { resolveBinary } from '@portarium/local/binaries/resolve-binary';
import { type BuiltPlugin, buildPlugin } from './build.ts';
import { pointAt } from './derive-manifest.ts';
import { type PluginManifest, readManifest } from './plugin-manifest.ts';

// Compiling a plugin takes one to two seconds, and some tests compile several.
setDefaultTimeout(60_000);

const plugins = join(import.meta.dir, '../..');
let scratch = '';

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'portarium-sdk-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

const built = new Map<string, Promise<BuiltPlugin>>();
function build(folder: string): Promise<BuiltPlugin> {
  const known = built.get(folder);
  if (known) return known;
  const fresh = buildPlugin(join(plugins, folder), join(scratch, folder));
  built.set(folder, fresh);
  return fresh;
}

/** Runs one export in a fresh instance, as a sandbox does. */
async function run(
  module: Uint8Array,
  name: string,
  input: string,
  manifest?: PluginManifest,
  fetcher?: typeof fetch,
): Promise<string> {
  const config: Record<string, string> = {};
  for (const [key, entry] of Object.entries(manifest?.config ?? {})) {
    if (entry.default !== undefined) config[key] = entry.default;
  }
  const plugin = await createPlugin(
    { wasm: [{ data: module }] },
    { config, allowedHosts: ['*'], ...(fetcher && { fetch: fetcher }) },
  );
  try {
    return (await plugin.call(name, input))?.text() ?? '';
  } finally {
    await plugin.close();
  }
}

async function summarise(csv: string, delimiter?: string): Promise<unknown> {
  const { module } = await build('examples/csv-insights');
  return JSON.parse(await run(module, 'summarise', JSON.stringify({ csv, delimiter })));
}

/** One column of the sample, read here by other means: fields found with one expression. */
function columnsOf(csv: string): Map<string, string[]> {
  const rows: string[][] = [[]];
  for (const match of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r\n|$)/g)) {
    if (match.index === csv.length) break;
    rows.at(-1)?.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    if (match[3] === '\r\n') rows.push([]);
  }
  const [header = [], ...records] = rows.filter((row) => row.length > 0);
  return new Map(header.map((name, i) => [name, records.map((record) => record[i] ?? '')]));
}

function describeNumbers(fields: readonly string[]) {
  const values = fields.filter((field) => field !== '').map(Number);
  const sorted = values.toSorted((a, b) => a - b);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const half = Math.floor(values.length / 2);
  return {
    count: values.length,
    min: at(0),
    max: at(values.length - 1),
    mean,
    stddev: Math.sqrt(squares / (values.length - 1)),
    median: values.length % 2 === 1 ? at(half) : (at(half - 1) + at(half)) / 2,
  };
}

test('csv-insights computes the sample’s figures as an independent reading does', async () => {
  const csv = await readFile(join(plugins, 'examples/csv-insights/sample.csv'), 'utf8');
  const expected = columnsOf(csv);
  const result = (await summarise(csv)) as {
    rows: number;
    columns: ({ name: string; type: string } & Record<string, number>)[];
  };
  expect(result.rows).toBe(240);
  expect(result.columns.map((column) => column.name)).toEqual([...expected.keys()]);
  for (const column of result.columns) {
    const fields = expected.get(column.name) ?? [];
    const present = fields.filter((field) => field.trim() !== '');
    expect(column).toMatchObject({
      count: present.length,
      missing: fields.length - present.length,
      distinct: new Set(present).size,
    });
    if (column.type !== 'number') continue;
    for (const [name, value] of Object.entries(describeNumbers(fields))) {
      expect(column[name]).toBeCloseTo(value, 9);
    }
  }
  const numeric = result.columns.filter((column) => column.type === 'number');
  expect(numeric.map((column) => column.name)).toEqual([
    'quantity',
    'unit_price',
    'discount_percent',
    'total',
  ]);
});

test('csv-insights reads quotes, line breaks in fields, CRLF, a byte order mark and gaps', async () => {
  const csv = '\uFEFFname,"the ""size"""\r\n"a, b","1"\r\n"line\r\nbreak",\r\n"",2.5e1\r\n';
  expect(await summarise(csv)).toEqual({
    rows: 3,
    columns: [
      { name: 'name', type: 'text', count: 2, missing: 1, distinct: 2 },
      {
        ...{ name: 'the "size"', type: 'number', count: 2, missing: 1, distinct: 2 },
        ...{ min: 1, max: 25, mean: 13, stddev: Math.sqrt(288), median: 13 },
      },
    ],
  });
});

test('csv-insights takes another delimiter, and a last field that is empty', async () => {
  expect(await summarise('a;b\n1;\n2;', ';')).toMatchObject({
    rows: 2,
    columns: [
      { name: 'a', type: 'number', median: 1.5 },
      { name: 'b', type: 'text', count: 0, missing: 2 },
    ],
  });
});

test('csv-insights says which record is wrong', async () => {
  await expect(summarise('a,b\n1,2\n1\n')).rejects.toThrow('record 3 has 1 fields');
  await expect(summarise('a,b\n1,"2\n')).rejects.toThrow(
    'record 2: a quoted field has no closing quote',
  );
  await expect(summarise('a,b\n1,"2"x\n')).rejects.toThrow(
    'record 2: text follows a closing quote',
  );
  await expect(summarise('')).rejects.toThrow('a header is expected');
});

test('csv-insights keeps up with the largest input that its schema takes', async () => {
  const row = '123456.75,some text,-0.5\n';
  const rows = Math.floor(499_900 / row.length);
  const result = await summarise(`x,y,z\n${row.repeat(rows)}`);
  expect(result).toMatchObject({ rows, columns: [{ mean: 123456.75 }, {}, { stddev: 0 }] });
});

test('the kit’s JSON gives back every document as JavaScript reads and writes it', async () => {
  const { module } = await build('sdk/fixtures/json-echo');
  const documents = [
    'null',
    ' [ true , false , [ ] , { } ] ',
    '{"a":{"b":[1,-2,0.5,1e3,-1.25e-7,123456789012]},"":"empty"}',
    JSON.stringify('quotes " backslash \\ slash / tab \t line \n bell \u0007 é 漢 🦊'),
    '"\\u00e9\\ud83e\\udd8a\\/\\b\\f"',
    '[9007199254740991,-9007199254740991,0.1,1.7976931348623157e308,3.3]',
    JSON.stringify({ long: 'x\n'.repeat(20_000) }),
  ];
  for (const text of documents) {
    expect(JSON.parse(await run(module, 'echo', text))).toEqual(JSON.parse(text));
  }
});

test('the kit’s JSON refuses what is not JSON', async () => {
  const { module } = await build('sdk/fixtures/json-echo');
  const bad = ['', '{', '[1,]', '{"a"}', '01', '1.', '-', '"\\x"', '"\\u12"', '"\\', 'nul', '1 2'];
  for (const text of [...bad, '"\n"', '['.repeat(65)]) {
    await expect(run(module, 'echo', text)).rejects.toThrow('Plugin-originated error');
  }
});

test('an exception in a plugin leaves its message and traps', async () => {
  const { module } = await build('sdk/fixtures/json-echo');
  await expect(run(module, 'abort', '')).rejects.toThrow(WebAssembly.RuntimeError);
});

test('a module imports from the host only, and has no start section', async () => {
  for (const folder of ['examples/stripe-refunds', 'examples/phone-home', 'hostile/global-state']) {
    const { module } = await build(folder);
    const compiled = await WebAssembly.compile(module as Uint8Array<ArrayBuffer>);
    const from = WebAssembly.Module.imports(compiled).map((entry) => entry.module);
    expect(new Set(from)).toEqual(new Set(['extism:host/env']));
    expect(sectionsOf(module)).not.toContain(8);
  }
});

test('the status function is imported after the request, where Extism links it', async () => {
  for (const folder of [
    'examples/stripe-refunds',
    'examples/phone-home',
    'hostile/redirect-follower',
  ]) {
    const compiled = await WebAssembly.compile(
      (await build(folder)).module as Uint8Array<ArrayBuffer>,
    );
    const names = WebAssembly.Module.imports(compiled).map((entry) => entry.name);
    expect(names).toContain('http_request');
    expect(names.indexOf('http_status_code')).toBeGreaterThan(names.indexOf('http_request'));
  }
});

/** Ids of a module's sections, in order (WebAssembly 2.0, section 5.5). */
function sectionsOf(module: Uint8Array): number[] {
  const ids: number[] = [];
  let at = 8;
  while (at < module.length) {
    ids.push(module[at++] ?? 0);
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++] ?? 0;
      size |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    at += size;
  }
  return ids;
}

test('every example and attack builds, and the same source gives the same bytes', async () => {
  const attacks = ['endless-loop', 'trap', 'memory-bomb', 'global-state', 'output-flood'];
  for (const name of [...attacks, 'log-flood', 'redirect-follower']) {
    const { module, outDir } = await build(`hostile/${name}`);
    expect(module.length).toBeGreaterThan(0);
    expect(existsSync(join(outDir, 'plugin.json'))).toBe(true);
  }
  const first = await build('examples/csv-insights');
  const again = await buildPlugin(join(plugins, 'examples/csv-insights'), join(scratch, 'again'));
  expect(Buffer.from(again.module).equals(first.module)).toBe(true);
});

test('the build names the import or the export that is wrong', async () => {
  const folder = join(scratch, 'broken');
  await cp(join(plugins, 'sdk/fixtures/json-echo'), folder, { recursive: true });
  const source = join(folder, 'assembly/index.ts');
  const build = () => buildPlugin(folder, join(scratch, 'broken-out'));
  const kit = "import { fail } from '@portarium/sdk/assembly';\n";
  await writeFile(source, `${kit}export function echo(): i32 { return 0; }\n`);
  await expect(build()).rejects.toThrow('operation abort names the export abort');
  await writeFile(
    source,
    `${kit}export function echo(): i32 { return <i32>(Math.random() * 9); }\n`,
  );
  await expect(build()).rejects.toThrow('env.seed');
  await writeFile(source, `${kit}export function echo(): i32 { return "text"; }\n`);
  await expect(build()).rejects.toThrow('AssemblyScript compiler refused');
  await writeFile(join(folder, 'plugin.json'), '{"name":"x"}');
  await expect(build()).rejects.toThrow('needs the strings');
});

/** The manifest's own egress rule decides here: this is a test of the plugin, not of the broker. */
test('stripe-refunds sends exactly the call that its manifest asks for', async () => {
  const { module, manifest } = await build('examples/stripe-refunds');
  const sent: { url: string; init: RequestInit | undefined }[] = [];
  const answer = { data: [], has_more: true };
  const fetcher = async (url: string | URL | Request, init?: RequestInit) => {
    sent.push({ url: String(url), init });
    return Response.json(answer);
  };
  const input = JSON.stringify({ limit: 3, charge: 'ch_1&x=2', startingAfter: 're_9' });
  const text = await run(module, 'list_refunds', input, manifest, fetcher as typeof fetch);
  expect(JSON.parse(text)).toEqual({ refunds: [], hasMore: true });
  expect(sent).toHaveLength(1);
  expect(sent[0]?.url).toBe(
    'https://api.stripe.com/v1/refunds?limit=3&charge=ch_1%26x%3D2&starting_after=re_9',
  );
  expect(sent[0]?.init?.method).toBe('GET');
  expect(sent[0]?.init?.headers).toEqual({
    accept: 'application/json',
    authorization: 'Bearer sk_test_123',
  });
});

/** stripe-mock may have to be built with Go, once on a machine. */
const STRIPE_MOCK_TIMEOUT_MS = 5 * 60_000;
let server: ChildProcess | undefined;

afterAll(() => {
  server?.kill('SIGTERM');
});

test(
  'stripe-refunds reads refunds from stripe-mock, and tells its refusals',
  async () => {
    const port = await freePort();
    const { path } = await resolveBinary('stripe-mock');
    server = spawn(path, ['-http-port', String(port), '-https-port', '-1'], {
      stdio: 'ignore',
    });
    const origin = `http://localhost:${port}`;
    await untilAnswers(`${origin}/v1/refunds`);
    const { module, manifest } = await build('examples/stripe-refunds');
    const local = pointAt(manifest, { scheme: 'http', host: 'localhost', port });
    const text = await run(module, 'list_refunds', '{"limit":2}', local, fetch);
    const direct = await fetch(`${origin}/v1/refunds?limit=2`, {
      headers: { authorization: 'Bearer sk_test_123' },
    });
    const page = (await direct.json()) as { data: Record<string, unknown>[]; has_more: boolean };
    expect(page.data.length).toBeGreaterThan(0);
    expect(JSON.parse(text)).toEqual({
      hasMore: page.has_more,
      refunds: page.data.map(({ id, amount, currency, status, charge, created }) => ({
        ...{ id, amount, currency, status, created },
        ...(charge ? { charge } : {}),
      })),
    });
    const wrongKey = { ...local, config: { ...local.config, apiKey: { default: 'nonsense' } } };
    await expect(run(module, 'list_refunds', '{}', wrongKey, fetch)).rejects.toThrow(
      'Stripe answered 401: ',
    );
  },
  STRIPE_MOCK_TIMEOUT_MS,
);

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, '127.0.0.1', done));
  const address = probe.address();
  await new Promise((done) => probe.close(done));
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

async function untilAnswers(url: string): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const answered = await fetch(url).then(
      () => true,
      () => false,
    );
    if (answered) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`nothing answered at ${url} within 5 s`);
}

test('the manifest reader names the file when it is not JSON', () => {
  expect(() => readManifest('{', 'plugin.json')).toThrow('plugin.json is not JSON');
});
