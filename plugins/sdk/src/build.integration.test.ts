import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CallContext, createPlugin } from '@extism/extism';
import { type BuiltPlugin, buildPlugin } from './build.ts';
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

test('the kit reads the action’s clock and random stream, and nothing of the machine', async () => {
  const { module } = await build('sdk/fixtures/dice');
  const asked: number[] = [];
  let read = 0;
  let at = 0;
  const next = () => at++ % 251;
  const host = {
    clock_time: () => 1_795_420_800_250_998n + BigInt(read++),
    random_bytes(context: CallContext, count: bigint) {
      asked.push(Number(count));
      return context.store(Uint8Array.from({ length: Number(count) }, next));
    },
  };
  const functions = { 'portarium:host/v1': host };
  const plugin = await createPlugin({ wasm: [{ data: module }] }, { functions });
  const rolled = (await plugin.call('roll'))?.json();
  await plugin.close();
  const byte = (index: number) => index % 251;
  const eight = (from: number) => {
    const bytes = Uint8Array.from({ length: 8 }, (_, i) => byte(from + i));
    return new DataView(bytes.buffer).getBigUint64(0, true);
  };
  expect(rolled).toEqual({
    ms: '1795420800250',
    micros: '1795420800250999',
    some: [0, 1, 2, 3, 4],
    none: [],
    ends: [65_534, 65_535, 65_536, 69_999].map((index) => byte(5 + index)),
    bits: String(eight(70_005)),
    number: Number(eight(70_013) >> 11n) / 2 ** 53,
    below: true,
  });
  // Numbers are made of bytes that were fetched ahead: 20,002 of them are no 20,002 host calls.
  expect(asked.slice(0, 3)).toEqual([5, 65_536, 70_000 - 65_536]);
  expect(asked.length).toBe(3 + Math.ceil((20_002 * 8) / 1_024));
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

test('status and headers are imported after the request, where Extism links them', async () => {
  for (const folder of [
    'examples/stripe-refunds',
    'examples/github-issues',
    'examples/phone-home',
    'hostile/redirect-follower',
  ]) {
    const compiled = await WebAssembly.compile(
      (await build(folder)).module as Uint8Array<ArrayBuffer>,
    );
    const names = WebAssembly.Module.imports(compiled).map((entry) => entry.name);
    expect(names).toContain('http_request');
    for (const later of ['http_status_code', 'http_headers'])
      expect(names.indexOf(later)).toBeGreaterThan(names.indexOf('http_request'));
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
  await expect(build()).rejects.toThrow('random.number()');
  await writeFile(source, `${kit}export function echo(): i32 { return <i32>Date.now(); }\n`);
  await expect(build()).rejects.toThrow('clock.nowMs()');
  await writeFile(source, `${kit}export function echo(): i32 { return "text"; }\n`);
  await expect(build()).rejects.toThrow('AssemblyScript compiler refused');
  await writeFile(join(folder, 'plugin.json'), '{"name":"x"}');
  await expect(build()).rejects.toThrow('needs the strings');
});

test('the manifest reader names the file when it is not JSON', () => {
  expect(() => readManifest('{', 'plugin.json')).toThrow('plugin.json is not JSON');
});
