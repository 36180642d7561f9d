/**
 * Runs the same small guest again and again: as an attempt in an isolated cell with a fresh instance, and
 * as a caller of the Extism SDK would, without isolation. What the benchmark of the sandbox runs in a
 * process of its own, on Bun and on Deno. Each line of input is a block, each line of output what came of
 * it: `{"durations":[ms],"elapsedMs":n}`; the block `module` gives the guest instead: `{"module":base64}`.
 */
import { createInterface } from 'node:readline';
import { createPlugin } from '@extism/extism';
import { admit } from '@portarium/admission/admit';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { ManifestSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';
import { CellPool } from '../host/cell-pool.ts';
import { prepareCellProgram } from '../host/cell-program.ts';
import { type GuestEgress, runGuest } from '../host/run-guest.ts';
import { compileGuest } from './assemblyscript.ts';

/** What Extism shows first, written by us: counts vowels, and answers with JSON. */
const GUEST = `
export function count_vowels(): void {
  const text = input();
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i) | 32;
    if (c == 97 || c == 101 || c == 105 || c == 111 || c == 117) count++;
  }
  output('{"count":' + count.toString() + '}');
}
`;
const TEXT = 'Portarium asks people before a plugin changes anything.';
const EXPECTED = '{"count":18}';
const EXPORT = 'count_vowels';

type Way = 'cell' | 'extism' | 'fresh' | 'worker';

interface Block {
  readonly way: Way | 'module';
  /** `cold`: from the uploaded bytes to the first result, each time anew. */
  readonly cold?: boolean;
  readonly size: number;
  readonly inFlight: number;
  readonly thinkMs: number;
  /** Base64. */
  readonly module: string;
}

/** Gives one result; made once for each lane. */
type Caller = () => Promise<string>;

const manifest = v.parse(ManifestSchema, {
  ...{ schema: 1, name: 'vowels', version: '1.0.0' },
  operations: [{ name: 'count', export: EXPORT, effect: 'read', encoding: 'text' }],
});
const egress: GuestEgress = {
  request: () => Promise.reject(new Error('no requests here')),
  close: async () => undefined,
  ...{ count: 0, bytesOut: 0, bytesIn: 0, unreplayed: 0, refusal: undefined },
};
const order = {
  operation: { name: 'count', export: EXPORT, effect: 'read', encoding: 'text' } as const,
  input: Buffer.from(TEXT).toString('base64'),
  ...{ config: {}, limits: DEFAULT_LIMITS, seed: '0'.repeat(64) },
  startTime: '2026-01-01T00:00:00.000Z',
};
const never = new AbortController().signal;
const program = await prepareCellProgram(process.env.PATH ?? '');
const pool = new CellPool(program, { size: 4, maxAttempts: 1_000_000 });
/** The SDK's own flags are for Node; a worker on Deno refuses them. */
const NO_FLAGS = { execArgv: [] };
let uploads = 0;

async function attempt(module: Uint8Array, moduleDigest: string): Promise<string> {
  const key = { workspace: 'bench', moduleDigest, memoryMiB: order.limits.memoryMiB };
  const acquired = await pool.acquire(key, module);
  if (!acquired.ok) throw new Error(acquired.message);
  const { outcome, reusable } = await runGuest(acquired.cell.process, order, egress, never);
  await acquired.cell.release(reusable);
  if (outcome.output === undefined) throw new Error(JSON.stringify(outcome));
  return Buffer.from(outcome.output, 'base64').toString();
}

async function upload(bytes: Uint8Array): Promise<Uint8Array> {
  const admission = await admit(bytes, manifest, DEFAULT_LIMITS);
  if (!admission.ok) throw new Error(JSON.stringify(admission.findings));
  return admission.module;
}

async function plugin(bytes: Uint8Array, runInWorker: boolean) {
  const options = { useWasi: false, runInWorker, nodeWorkerArgs: NO_FLAGS };
  const made = await createPlugin({ wasm: [{ data: bytes }] }, options);
  const call = async () => (await made.call(EXPORT, TEXT))?.text() ?? '';
  return { call, close: () => made.close() };
}

async function once(bytes: Uint8Array, runInWorker: boolean): Promise<string> {
  const { call, close } = await plugin(bytes, runInWorker);
  const text = await call();
  await close();
  return text;
}

async function callerOf({ way, cold }: Block, bytes: Uint8Array): Promise<Caller> {
  switch (way) {
    case 'cell': {
      if (cold) return async () => attempt(await upload(bytes), `upload ${++uploads}`);
      const module = await upload(bytes);
      return () => attempt(module, 'warm');
    }
    case 'fresh':
      return () => once(bytes, false);
    default:
      if (cold) return () => once(bytes, way === 'worker');
      return (await plugin(bytes, way === 'worker')).call;
  }
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function run(block: Block): Promise<object> {
  const bytes = new Uint8Array(Buffer.from(block.module, 'base64'));
  const durations: number[] = [];
  let left = block.size;
  const lane = async () => {
    const call = await callerOf(block, bytes);
    while (left-- > 0) {
      if (block.thinkMs > 0) await sleep(block.thinkMs);
      const from = performance.now();
      const text = await call();
      durations.push(performance.now() - from);
      if (text !== EXPECTED) throw new Error(`not the number of vowels: ${text}`);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: block.inFlight }, lane));
  return { durations, elapsedMs: performance.now() - started };
}

async function answer(block: Block): Promise<object> {
  if (block.way !== 'module') return run(block);
  return { module: Buffer.from(await compileGuest(GUEST)).toString('base64') };
}

await pool.started();
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line) as Block)));
}
await pool.close();
await program.remove();
process.exit(0);
