import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { admit } from '@portarium/admission/admit';
import { type AttemptLimits, DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { ManifestSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';
import { CellProcess, type GuestRun, type RunResult } from '../host/cell-process.ts';
import { type CellProgram, prepareCellProgram } from '../host/cell-program.ts';
import { compileGuest, HOST_HEAD, HTTP_HEAD } from '../testing/assemblyscript.ts';

const SEED = '5eed'.repeat(16);
const START = '2026-11-23T08:00:00.250Z';
const MICROS = 1_795_420_800_250_000n;

const GUEST = `${HTTP_HEAD}${HOST_HEAD}
const atStart: i64 = clock_time();
export function read(): void {
  let text = atStart.toString();
  for (let i = 0; i < 3; i++) text += " " + clock_time().toString();
  output(text + " " + hex(random_bytes(5)) + hex(random_bytes(0)) + hex(random_bytes(60)));
}
export function ask(): void {
  let text = clock_time().toString();
  text += " " + request("GET", "http://a.test/").split(" ")[0] + " " + clock_time().toString();
  text += " " + request("GET", "http://b.test/").split(" ")[0] + " " + clock_time().toString();
  output(text);
}
export function most(): void { output(length(random_bytes(65536)).toString()); }
export function tooMany(): void { random_bytes(65537); output("went on"); }
export function negative(): void { random_bytes(-1); output("went on"); }
export function hoard(): void { for (let i = 0; i < 100; i++) random_bytes(65536); output("held"); }
export function churn(): void {
  for (let i = 0; i < 100; i++) free(random_bytes(65536));
  output("freed");
}
export function watch(): void { for (let i = 0; i < 60; i++) clock_time(); output("watched"); }
export function draw(): void { for (let i = 0; i < 60; i++) random_bytes(1); output("drawn"); }
`;

let program: CellProgram;
let module: Uint8Array;
const cells: CellProcess[] = [];

beforeAll(async () => {
  program = await prepareCellProgram(process.env.PATH ?? '');
  const manifest = v.parse(ManifestSchema, {
    schema: 1,
    name: 'guest',
    version: '1.0.0',
    operations: [{ name: 'run', export: 'read', effect: 'read' }],
  });
  const admission = await admit(await compileGuest(GUEST), manifest, DEFAULT_LIMITS);
  if (!admission.ok) throw new Error(JSON.stringify(admission.findings));
  module = admission.module;
}, 60_000);

afterAll(async () => {
  await Promise.all(cells.map((cell) => cell.kill()));
  await program.remove();
});

async function newCell(): Promise<CellProcess> {
  const cell = new CellProcess(program);
  cells.push(cell);
  expect(await cell.ready).toBe(true);
  expect(await cell.bind(module, DEFAULT_LIMITS.memoryMiB)).toEqual({ ok: true });
  return cell;
}

function run(cell: CellProcess, name: string, over: Partial<GuestRun> = {}): Promise<RunResult> {
  return cell.run({
    export: name,
    input: new Uint8Array(),
    config: {},
    limits: DEFAULT_LIMITS,
    seed: SEED,
    startTime: START,
    maxRequestBytes: 1_000,
    onLog: () => undefined,
    onRequest: async () => ({ failed: 'nobody answers', ms: 0 }),
    ...over,
  });
}

function textOf(result: RunResult): string {
  if (result.kind !== 'output') throw new Error(JSON.stringify(result));
  return new TextDecoder().decode(result.output);
}

test('attempts of one action read the same times and the same bytes, in whatever process', async () => {
  const first = await newCell();
  const texts = [await run(first, 'read'), await run(first, 'read')];
  await Bun.sleep(5);
  texts.push(await run(await newCell(), 'read'));
  const stream = [0, 1, 2].map((i) => {
    const index = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, i);
    return createHash('sha256').update(Buffer.from(SEED, 'hex')).update(index).digest('hex');
  });
  const times = [0n, 1n, 2n, 3n].map((read) => MICROS + read).join(' ');
  const expected = `${times} ${stream.join('').slice(0, 130)}`;
  expect(texts.map(textOf)).toEqual([expected, expected, expected]);
});

test('another seed and another start give other bytes and other times', async () => {
  const cell = await newCell();
  const known = textOf(await run(cell, 'read')).split(' ');
  const other = { seed: 'ab'.repeat(32), startTime: '2026-11-23T08:00:00.251Z' };
  const changed = textOf(await run(cell, 'read', other)).split(' ');
  expect(changed.slice(0, 4).map(BigInt)).toEqual(known.slice(0, 4).map((t) => BigInt(t) + 1_000n));
  expect(changed[4]).not.toBe(known[4] ?? '');
});

test('the clock moves by what calls took on record, answered or failed, and by reads alone', async () => {
  const onRequest: GuestRun['onRequest'] = async ({ url }) => {
    await Bun.sleep(3);
    if (url.startsWith('http://b.test')) return { failed: 'refused', ms: 30_000 };
    return { status: 200, headers: {}, body: new Uint8Array(2), ms: 17 };
  };
  const cell = await newCell();
  const [before, one, between, two, after] = textOf(await run(cell, 'ask', { onRequest })).split(
    ' ',
  );
  expect([one, two]).toEqual(['200', '0']);
  const times = [before, between, after].map((text) => BigInt(text ?? 0) - MICROS);
  expect(times).toEqual([1n, 17_002n, 30_017_003n]);
});

test('one call gives at most 65,536 random bytes; more, or less than none, is a trap', async () => {
  const cell = await newCell();
  expect(textOf(await run(cell, 'most'))).toBe('65536');
  for (const name of ['tooMany', 'negative']) {
    expect(await run(cell, name)).toMatchObject({
      kind: 'error',
      code: 'guest.trap',
      message: expect.stringContaining('0 to 65536 bytes'),
    });
  }
});

test('reads of clock and stream count as host calls, and random blocks as memory', async () => {
  const cell = await newCell();
  const under = async (name: string, limits: Partial<AttemptLimits>) => {
    const result = await run(cell, name, { limits: { ...DEFAULT_LIMITS, ...limits } });
    return result.kind === 'error' ? result.code : result.kind;
  };
  expect(await under('hoard', { memoryMiB: 4 })).toBe('limit.memory');
  expect(await under('churn', { memoryMiB: 4 })).toBe('output');
  expect(await under('watch', { hostCalls: 59 })).toBe('limit.hostcalls');
  expect(await under('draw', { hostCalls: 59 })).toBe('limit.hostcalls');
  expect(await under('draw', { allocations: 59 })).toBe('limit.hostcalls');
  expect(await under('draw', { allocations: 62, hostCalls: 62 })).toBe('output');
});

test('an order without a seed or a start never reaches the guest', async () => {
  for (const over of [{ seed: '' }, { startTime: 'now' }]) {
    const result = await run(await newCell(), 'read', over);
    expect(result).toMatchObject({ kind: 'lost', violation: false });
  }
});
