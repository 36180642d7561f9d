/** The same modules of the standard PDKs under Extism as it comes and in cells of both runtimes. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EgressRule } from '@portarium/contracts/egress-rule';
import { compileModule } from '@portarium/sdk/build';
import type { Language } from '@portarium/sdk/new-plugin';
import { toolchainLack } from '@portarium/sdk/testing/toolchain-lack';
import { admitted, BothEngines, type GuestRunner } from '../../sandbox/src/testing/both-engines.ts';
import { EgressRigs } from '../../sandbox/src/testing/egress-rig.ts';

// A crate and its dependencies are compiled, on a machine that may be busy.
setDefaultTimeout(600_000);

const CONFIG = { greeting: 'hello' };
const LANGUAGES = ['assemblyscript', 'rust', 'go'] as const satisfies readonly Language[];
/** What every module has as an export. */
const COMMON = 'echo variables settings logs fails code crashes counts requests blocks'.split(' ');

let scratch = '';
let engines: BothEngines;
let server: Server;
let address = '';
const rigs = new EgressRigs();

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'portarium-compatibility-'));
  server = createServer(async (request, response) => {
    let asked = '';
    for await (const chunk of request) asked += chunk;
    response.writeHead(201, { 'x-made-by': 'the server' }).end(`answer to ${asked}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/answers`;
  engines = await BothEngines.prepare();
  await rigs.start();
});

afterAll(async () => {
  await engines.stop();
  await rigs.stop();
  server.close();
  await rm(scratch, { recursive: true, force: true });
});

interface End {
  readonly text: string;
  readonly error?: string;
  readonly logs: readonly string[];
}

type Calls = readonly (readonly [name: string, input?: string])[];

/** One plugin under Extism as it comes, called several times. */
async function plain(language: Language, module: Uint8Array, calls: Calls): Promise<End[]> {
  const wasm = join(scratch, `${language}.wasm`);
  await writeFile(wasm, module);
  const order = {
    ...{ wasm, wasi: language === 'go', config: CONFIG, hosts: ['127.0.0.1'] },
    calls: calls.map(([name, input = '']) => [name, Buffer.from(input).toString('base64')]),
  };
  const script = join(import.meta.dir, 'plain-extism.mjs');
  const runtime = language === 'go' ? 'node' : process.execPath;
  const { stdout, stderr } = await started([runtime, script], JSON.stringify(order));
  if (!stdout) throw new Error(`Extism did not run: ${stderr}`);
  const ends = JSON.parse(stdout) as { output?: string; error?: string; logs: string[] }[];
  return ends.map(({ output = '', ...rest }) => ({
    ...rest,
    text: Buffer.from(output, 'base64').toString(),
  }));
}

async function started(command: string[], input = '') {
  const child = Bun.spawn(command, { stdin: Buffer.from(input), stdout: 'pipe', stderr: 'pipe' });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { stdout, stderr, code: await child.exited };
}

/** As the kit's own page compiles: with the author's abort. */
async function compileAssemblyScript(folder: string): Promise<Uint8Array> {
  const asc = fileURLToPath(new URL('../bin/asc.js', import.meta.resolve('assemblyscript')));
  const packages = dirname(dirname(dirname(require.resolve('@extism/as-pdk/package.json'))));
  const file = join(scratch, 'compiled.wasm');
  const source = join(folder, 'assembly/index.ts');
  const { code, stderr } = await started([
    ...[process.execPath, asc, source, '--baseDir', folder, '--path', packages, '--optimize'],
    ...['--use', 'abort=assembly/index/myAbort', '--outFile', file],
  ]);
  if (code !== 0) throw new Error(stderr);
  return Bun.file(file).bytes();
}

const bound = new Map<Language, Promise<{ module: Uint8Array; guest: GuestRunner }>>();

function moduleOf(language: Language) {
  const known = bound.get(language);
  if (known) return known;
  const fresh = (async () => {
    const folder = join(import.meta.dir, language);
    const module =
      language === 'assemblyscript'
        ? await compileAssemblyScript(folder)
        : await compileModule(folder);
    const guest = await engines.bind(await admitted(module, ...COMMON));
    return { module, guest };
  })();
  bound.set(language, fresh);
  return fresh;
}

async function here(guest: GuestRunner, calls: Calls): Promise<End[]> {
  const ends: End[] = [];
  for (const [name, input = ''] of calls) {
    const { session } = rigs.attempt({ contract: contractOf() });
    const { end, text, logs } = await guest(name, {
      ...{ input: new TextEncoder().encode(input), config: CONFIG },
      async onRequest(request) {
        const answer = await session.request(request);
        if (answer.kind === 'response') return answer;
        if (answer.kind === 'failed') return { failed: answer.reason, ms: answer.ms };
        throw new Error(answer.message);
      },
    });
    await session.close();
    if (end === 'output') ends.push({ text, logs });
    else ends.push({ text: '', error: end === 'guest.error' ? text : end, logs });
  }
  return ends;
}

function contractOf() {
  const { port } = new URL(address);
  const rule = (id: string, port: number): EgressRule => ({
    ...{ id, methods: ['POST'], scheme: 'http', host: '127.0.0.1', port },
    ...{ path: '/answers', contentTypes: ['text/plain'] },
  });
  // Nobody listens at port 1.
  const rules = [rule('main', Number(port)), rule('closed', 1)];
  return { plugin: rules, operator: rules, networks: ['loopback'], approval: [] };
}

/** Why this language can not be compared here. */
function lackOf(language: Language): string | undefined {
  const lack = toolchainLack(language);
  if (lack !== undefined || language !== 'go' || Bun.which('node') !== null) return lack;
  console.warn('Tests of plugins in go are skipped: Extism runs WASI on Node only; there is none.');
  return 'there is no node';
}

for (const language of LANGUAGES) {
  const skipped = lackOf(language) !== undefined;

  test.skipIf(skipped)(
    `a module of the standard PDK in ${language} does here what it does under Extism`,
    async () => {
      const { module, guest } = await moduleOf(language);
      const calls: Calls = [
        ['echo', 'h\u00e9llo \u0000 \u2713 and more than eight'],
        ['echo', ''],
        ['variables', 'a value'],
        ['settings'],
        ['logs'],
        ['fails'],
        ['code'],
        ['requests', address],
        ['blocks'],
        ...(language === 'go' ? ([['machine']] as const) : []),
      ];
      const there = await plain(language, module, calls);
      expect(there.map(({ error }) => error).filter(Boolean)).toEqual([
        'Plugin-originated error: the disk is full ✗',
      ]);
      expect(there[4]?.logs.length).toBe(language === 'assemblyscript' ? 4 : 5);
      expect(there[7]?.text).toContain('201');
      expect(there[7]?.text).toEndWith('answer to question');
      const prefix = /^Plugin-originated error: /;
      expect(await here(guest, calls)).toEqual(
        there.map((end) =>
          end.error === undefined ? end : { ...end, error: end.error.replace(prefix, '') },
        ),
      );
    },
  );

  test.skipIf(skipped)(
    `a module in ${language} differs from itself under Extism where the page says so`,
    async () => {
      const { module, guest } = await moduleOf(language);
      const twice: Calls = [
        ['counts'],
        ['counts'],
        ['variables', 'first'],
        ['variables', 'second'],
      ];
      const there = await plain(language, module, twice);
      const ours = await here(guest, twice);
      expect(there.map(({ text }) => text).slice(0, 2)).toEqual(['0', '1']);
      expect(ours.map(({ text }) => text).slice(0, 2)).toEqual(['0', '0']);
      expect(there[3]?.text).toContain('first');
      expect(ours[3]?.text).not.toContain('first');
      const failing: Calls = [['requests', 'http://127.0.0.1:1/answers']];
      const [failed] = await here(guest, failing);
      expect(failed?.text).toStartWith('0 ');
      expect(failed?.logs.join()).toStartWith('error: http_request: ');
      const [ended] = await plain(language, module, failing);
      expect(ended?.error).toBeDefined();
      const [crash] = await here(guest, [['crashes']]);
      expect(crash?.error).toBe('guest.trap');
      const [under] = await plain(language, module, [['crashes']]);
      expect(under?.error).toMatch(/unreachable/i);
    },
  );
}

test.skipIf(lackOf('go') !== undefined)(
  'a module of WASI has its output in the log, the action’s time and chance, and a good end with exit 0',
  async () => {
    const { module, guest } = await moduleOf('go');
    const calls: Calls = [['prints'], ['times'], ['exits']];
    const ours = await here(guest, calls);
    expect(ours[0]?.logs).toEqual(['info: to the one', 'warn: to the other']);
    expect(ours[1]?.text).toMatch(/^2026-11-23T08:00:00Z 1m30s [0-9a-f]{8}$/);
    expect(await here(guest, calls)).toEqual(ours);
    expect(ours[2]).toEqual({ text: 'as it was', logs: [] });
    const [printed] = await plain('go', module, [['prints']]);
    expect(printed).toEqual({ text: '', logs: [] });
    const [exited] = await plain('go', module, [['exits']]);
    expect(exited?.error).toBeDefined();
  },
);
