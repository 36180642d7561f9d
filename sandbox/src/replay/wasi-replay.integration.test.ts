import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ActionOrderSchema } from '@portarium/contracts/action-order';
import { digestOf } from '@portarium/contracts/digest';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { logKey } from '@portarium/contracts/testing/honest-log';
import { LogBuilder } from '@portarium/contracts/testing/log-builder';
import * as v from 'valibot';
import { compileGuest, HTTP_HEAD, WASI_HEAD } from '../testing/assemblyscript.ts';
import { admitted } from '../testing/both-engines.ts';
import { bundleOf } from '../testing/recorded-bundle.ts';
import { recordRun } from '../testing/recorded-run.ts';
import { replayBundle } from './replay-bundle.ts';
import { ENGINES, prepareEngine, type ReplayEngine } from './replay-engine.ts';

// A guest is compiled once, and every replay starts a process for each engine.
setDefaultTimeout(60_000);

/** Its start section already reads the clock and asks the server. */
const guestSource = (origin: string) => `${HTTP_HEAD}${WASI_HEAD}
const began: i64 = now();
const early: string = request("GET", "${origin}/early");
export function run(): void {
  print(2, "a line");
  random_get(at + 16, 8);
  const drawn = load<u64>(at + 16).toString(16);
  output([began.toString(), request("GET", "${origin}/" + drawn), now().toString()].join(" "));
  proc_exit(0);
}
`;

let server: Server;
let port = 0;
let engines: ReplayEngine[] = [];

beforeAll(async () => {
  server = createServer((request, response) => response.end(`you asked for ${request.url}`));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  engines = await Promise.all(ENGINES.map((name) => prepareEngine(name, process.env.PATH ?? '')));
});

afterAll(async () => {
  await Promise.all(engines.map(({ cell }) => cell.remove()));
  server.close();
});

/** Records an attempt of the module on Bun, and replays it on both runtimes. */
async function recordAndReplay(module: Uint8Array, rewriter: string) {
  const input = new Uint8Array();
  const ids = new LogBuilder('acme');
  const rules = [
    { id: 'main', methods: ['GET'], scheme: 'http', host: 'a.test', port, path: '/**' },
  ] as const;
  const digest = await digestOf(module);
  const order = v.parse(ActionOrderSchema, {
    ...{ v: 1, workspace: 'acme', action: ids.id('action') },
    plugin: { name: 'guest', version: '1.0.0', digest },
    ...{ moduleDigest: digest, rewriter, config: {}, limits: DEFAULT_LIMITS },
    operation: { name: 'run', export: 'run', effect: 'read', encoding: 'text' },
    inputDigest: await digestOf(input),
    contract: { plugin: rules, operator: rules, networks: ['loopback'], approval: [] },
    ...{ seed: '5eed'.repeat(16), startTime: '2026-11-23T08:00:00.250Z' },
  });
  const [{ cell } = { cell: undefined }] = engines;
  if (!cell) throw new Error('there is no engine');
  const run = await recordRun(cell, { attempt: ids.id('attempt'), order, module, input });
  const { verifierKey: pin } = await logKey();
  const bundle = await bundleOf({ order, module, input, runs: [run] });
  return {
    run,
    replayed: await replayBundle(bundle, { engines, pin, onAttempt: () => undefined }),
  };
}

test('an attempt of a guest of WASI replays on both engines: its start, its calls, its exit', async () => {
  const source = guestSource(`http://a.test:${port}`);
  const module = await admitted(await compileGuest(source), 'run');
  const { run, replayed } = await recordAndReplay(module, 'portarium-rewriter/2');
  expect(run.verdict).toBe('succeeded');
  expect(run.records.map(({ path }) => path)).toEqual([
    '/early',
    expect.stringMatching(/^\/[0-9a-f]{12,16}$/) as never,
  ]);
  const text = new TextDecoder().decode(run.output);
  expect(text).toStartWith('1795420800250000000 200 you asked for /');
  expect(replayed.exitCode).toBe(0);
  expect(replayed.summary).toMatchObject({ ok: true, attempts: 1, findings: 0, notReplayable: 0 });
});

test('a module of the first rewriter, with its start section, runs and replays as ever', async () => {
  const source = `
let began = "began";
export function run(): void { output(began + " and ran"); }
began += " in its start section";
`;
  const module = await compileGuest(source);
  const { run, replayed } = await recordAndReplay(module, 'portarium-rewriter/1');
  expect(new TextDecoder().decode(run.output)).toBe('began in its start section and ran');
  expect(replayed.exitCode).toBe(0);
  expect(replayed.summary).toMatchObject({ ok: true, attempts: 1, findings: 0, notReplayable: 0 });
});
