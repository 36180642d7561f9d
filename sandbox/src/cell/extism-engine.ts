/**
 * Extism in the foreground: no workers, no WASI of its own, no network of its own, a fresh instance
 * per call.
 * Measured on 2.0.0-rc13: an own `http_request` is ignored, so requests leave through `fetch`;
 * `maxPages` is not set, because it bounds nothing and makes each allocation cost all blocks.
 */

import { type CallContext, createPlugin, type ExtismPluginOptions } from '@extism/extism';
import { plainText } from '@portarium/contracts/plain-text';
import { ActionClock } from './action-clock.ts';
import { ActionRandom } from './action-random.ts';
import type { Engine, GuestCall, GuestHost, GuestResult } from './engine.ts';
import { GuestInstance } from './guest-instance.ts';
import { GuestLimits } from './guest-limits.ts';
import { type CellError, LOG_LEVELS, type LogLevel, MAX_ERROR_CHARACTERS } from './messages.ts';
import { GuestError, OperationResult } from './operation-result.ts';
import { Wasi } from './wasi.ts';
import { WasiExit } from './wasi-exit.ts';

/** Bytes of all variables together; Extism's own default in other SDKs. */
const MAX_VAR_BYTES = 1024 * 1024;
/** Most bytes of one `random_bytes`; a guest that needs more asks again. */
const MAX_RANDOM_BYTES = 65_536n;
const EMPTY = new Uint8Array();

/** What belongs to the action and to none of its attempts. */
interface ActionState {
  readonly clock: ActionClock;
  readonly random: ActionRandom;
}

/** Status and headers of the latest request, for a guest that asks. */
interface LastResponse {
  status: number;
  headers: Readonly<Record<string, string>>;
}

export const extismEngine: Engine<WebAssembly.Module> = {
  compile: (module) => WebAssembly.compile(module as Uint8Array<ArrayBuffer>),
  async run(compiled, call) {
    const limits = new GuestLimits(call.limits);
    const state = {
      clock: new ActionClock(call.startTime),
      random: new ActionRandom(call.seed),
    };
    const wasi = new Wasi({ ...state, limits, log: (...line) => call.host.log(...line) });
    const set = new OperationResult();
    try {
      const options = optionsOf(call, { limits, state, wasi, set });
      const plugin = await createPlugin({ wasm: [{ module: compiled }] }, options);
      const guest: unknown = await plugin.getInstance();
      if (!(guest instanceof GuestInstance)) throw new Error('the instance began by itself');
      wasi.attach(guest.memory);
      await guest.begin();
      set.open();
      await plugin.call(call.export, call.input).catch(unlessDone);
      return resultOf(set.take(), call, limits);
    } catch (error) {
      return failed(limits, classify(error));
    } finally {
      wasi.flush();
    }
  },
};

/** A guest that exits with code 0 has done what it was called for. */
function unlessDone(error: unknown): void {
  if (!(error instanceof WasiExit) || error.exitCode !== 0) throw error;
}

function resultOf(output: Uint8Array, call: GuestCall, limits: GuestLimits): GuestResult {
  if (limits.broken) return failed(limits, limits.broken);
  if (output.length > call.limits.outputBytes) {
    const message = `the output has ${output.length} bytes, at most ${call.limits.outputBytes}`;
    return failed(limits, { code: 'limit.output', message });
  }
  return { ok: true, output, hostCalls: limits.hostCalls };
}

function failed(
  limits: GuestLimits,
  error: { readonly code: CellError; readonly message: string },
): GuestResult {
  const { code, message } = limits.broken ?? error;
  return {
    ok: false,
    code,
    message: plainText(message, MAX_ERROR_CHARACTERS),
    hostCalls: limits.hostCalls,
  };
}

function classify(error: unknown): { readonly code: CellError; readonly message: string } {
  const message = error instanceof Error ? error.message : String(error);
  return { code: error instanceof GuestError ? 'guest.error' : 'guest.trap', message };
}

interface GuestState {
  readonly limits: GuestLimits;
  readonly state: ActionState;
  readonly wasi: Wasi;
  readonly set: OperationResult;
}

function optionsOf(call: GuestCall, { limits, state, wasi, set }: GuestState): ExtismPluginOptions {
  const last: LastResponse = { status: 0, headers: {} };
  return {
    useWasi: false,
    runInWorker: false,
    memory: { maxVarBytes: MAX_VAR_BYTES },
    // The SDK's own host check is by globs, here all; the broker decides on every request instead.
    allowedHosts: ['**', '.**'],
    allowHttpResponseHeaders: true,
    fetch: fetchThrough(call.host, limits, state.clock, last),
    logger: loggerTo(call.host, limits),
    logLevel: 'trace',
    functions: {
      'extism:host/env': { ...countedFunctions(call.config, limits, last), ...set.functions() },
      'portarium:host/v1': actionFunctions(state, limits),
      'portarium:wasi/p1': wasi.functions(),
    },
  };
}

/** Replacements that count. Loads and stores stay the SDK's: guests call them once a byte. */
function countedFunctions(
  config: Readonly<Record<string, string>>,
  limits: GuestLimits,
  last: LastResponse,
) {
  return {
    alloc(context: CallContext, size: bigint): bigint {
      limits.allocate(size, (address) => context.length(address));
      const address = context.alloc(size);
      limits.allocated(address, size);
      return address;
    },
    config_get(context: CallContext, keyAddress: bigint): bigint {
      limits.hostCall(true);
      const key = context.read(keyAddress)?.string();
      const value = key !== undefined && Object.hasOwn(config, key) ? config[key] : undefined;
      return value === undefined ? 0n : context.store(value);
    },
    var_get(context: CallContext, keyAddress: bigint): bigint {
      limits.hostCall(true);
      const key = context.read(keyAddress)?.string();
      const value = key === undefined ? null : context.getVariable(key);
      return value === null ? 0n : context.store(value.bytes().slice());
    },
    var_set(context: CallContext, keyAddress: bigint, valueAddress: bigint): void {
      limits.hostCall();
      const key = context.read(keyAddress)?.string();
      if (key === undefined) return;
      const value = valueAddress === 0n ? null : context.read(valueAddress);
      if (value === null) context.deleteVariable(key);
      else context.setVariable(key, value.bytes().slice());
    },
    // The SDK serves these two only to modules that import them after `http_request`.
    http_status_code: (): number => last.status,
    http_headers(context: CallContext): bigint {
      limits.hostCall(true);
      return context.store(JSON.stringify(last.headers));
    },
  };
}

/** The only time and the only randomness that a guest can reach. */
function actionFunctions({ clock, random }: ActionState, limits: GuestLimits) {
  return {
    clock_time(): bigint {
      limits.hostCall();
      return clock.read();
    },
    random_bytes(context: CallContext, count: bigint): bigint {
      limits.hostCall();
      if (count < 0n || count > MAX_RANDOM_BYTES) {
        throw new RangeError(`random_bytes gives 0 to ${MAX_RANDOM_BYTES} bytes, not ${count}`);
      }
      limits.allocate(count, (address) => context.length(address));
      const address = context.store(random.take(Number(count)));
      limits.allocated(address, count);
      return address;
    },
  };
}

/** What the SDK calls instead of the network. It reads only `status`, `headers` and the bytes. */
function fetchThrough(
  host: GuestHost,
  limits: GuestLimits,
  clock: ActionClock,
  last: LastResponse,
): typeof fetch {
  const request = async (url: unknown, init: RequestInit = {}) => {
    limits.hostCall(true);
    const answer = host.request({
      method: String(init.method ?? 'GET').slice(0, 64),
      url: String(url),
      headers: headersOf(init.headers),
      body: init.body instanceof Uint8Array ? init.body : EMPTY,
    });
    clock.advance(answer.ms);
    last.status = 'failed' in answer ? 0 : answer.status;
    last.headers = 'failed' in answer ? {} : answer.headers;
    if ('failed' in answer) {
      // The SDK logs a body that fails, and gives the guest status 0 and no bytes.
      const failure = () => Promise.reject(new Error(`http_request: ${answer.failed}`));
      return { status: 0, headers: [], arrayBuffer: failure };
    }
    const { status, headers, body } = answer;
    return {
      status,
      headers: Object.entries(headers),
      arrayBuffer: () => Promise.resolve(body.slice().buffer),
    };
  };
  return request as unknown as typeof fetch;
}

function headersOf(headers: unknown): [string, string][] {
  if (typeof headers !== 'object' || headers === null) return [];
  return Object.entries(headers).map(([name, value]) => [name, String(value)]);
}

function loggerTo(host: GuestHost, limits: GuestLimits): Console {
  const line = (level: LogLevel) => (message: unknown) => {
    limits.hostCall();
    host.log(level, String(message));
  };
  return Object.fromEntries(LOG_LEVELS.map((level) => [level, line(level)])) as unknown as Console;
}
