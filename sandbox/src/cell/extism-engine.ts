/**
 * Extism in the foreground: no workers, no WASI, no network of its own, a fresh instance per call.
 * Measured on 2.0.0-rc13: an own `http_request` is ignored, so requests leave through `fetch`;
 * `maxPages` is not set, because it bounds nothing and makes each allocation cost all blocks.
 */

import {
  type CallContext,
  createPlugin,
  type ExtismPluginOptions,
  type Plugin,
} from '@extism/extism';
import { plainText } from '@portarium/contracts/plain-text';
import { ActionClock } from './action-clock.ts';
import { ActionRandom } from './action-random.ts';
import { boundModule, MEMORY_EXPORT } from './bound-module.ts';
import type { Engine, GuestCall, GuestResult } from './engine.ts';
import { GuestLimits } from './guest-limits.ts';
import { type CellError, LOG_LEVELS, type LogLevel, MAX_ERROR_CHARACTERS } from './messages.ts';

/** Bytes of all variables together; Extism's own default in other SDKs. */
const MAX_VAR_BYTES = 1024 * 1024;
/** Most bytes of one `random_bytes`; a guest that needs more asks again. */
const MAX_RANDOM_BYTES = 65_536n;
const GUEST_ERROR = 'Plugin-originated error: ';
const EMPTY = new Uint8Array();
const PAGE_BYTES = 65_536;

/** Exports that the SDK calls while it instantiates. */
const CALLED_BY_THE_SDK: ReadonlySet<string> = new Set(['_initialize', '_start', 'hs_init']);
/** What was the module's start section, as the rewriter exports it. */
const START_EXPORT = 'portarium:start';

export interface CompiledGuest {
  readonly module: WebAssembly.Module;
  /** Whether instantiating runs code of the guest: then it has to wait for its attempt. */
  readonly runsAtOnce: boolean;
  readonly hasStartExport: boolean;
  readonly maximumPages: number;
}

/** What one attempt has and no other sees. Clock and random belong to its action. */
interface Attempt {
  readonly call: GuestCall;
  readonly limits: GuestLimits;
  readonly clock: ActionClock;
  readonly random: ActionRandom;
  /** Status and headers of the latest request, for a guest that asks. */
  readonly last: { status: number; headers: Readonly<Record<string, string>> };
}

/** An instance is made before its attempt is known; nothing of it can run until then. */
class Slot {
  #attempt: Attempt | undefined;

  fill(attempt: Attempt): void {
    if (this.#attempt) throw new Error('an instance serves one attempt');
    this.#attempt = attempt;
  }

  get attempt(): Attempt {
    if (!this.#attempt) throw new Error('the guest runs outside of an attempt');
    return this.#attempt;
  }
}

export const extismEngine: Engine<CompiledGuest> = {
  async compile(bytes, memoryMiB) {
    const bound = boundModule(bytes, memoryMiB);
    const module = await WebAssembly.compile(bound.bytes);
    const names = WebAssembly.Module.exports(module).map(({ name }) => name);
    return {
      module,
      runsAtOnce: bound.hasStart || names.some((name) => CALLED_BY_THE_SDK.has(name)),
      hasStartExport: names.includes(START_EXPORT),
      maximumPages: bound.maximumPages,
    };
  },
  async instantiate(compiled) {
    const slot = new Slot();
    let plugin = compiled.runsAtOnce ? undefined : await tried(() => newPlugin(compiled, slot));
    return {
      async call(call) {
        const limits = new GuestLimits(call.limits);
        const clock = new ActionClock(call.startTime);
        const random = new ActionRandom(call.seed);
        slot.fill({ call, limits, clock, random, last: { status: 0, headers: {} } });
        try {
          plugin ??= await newPlugin(compiled, slot);
          if (compiled.hasStartExport) await plugin.call(START_EXPORT);
          const output = (await plugin.call(call.export, call.input))?.bytes() ?? EMPTY;
          return resultOf(output, call, limits);
        } catch (error) {
          const starved = await isStarved(plugin, compiled);
          return failed(limits, starved ? STARVED : classify(error));
        }
      },
    };
  },
};

/** What fails ahead of need fails again in the attempt, and is told there. */
async function tried<T>(make: () => Promise<T>): Promise<T | undefined> {
  try {
    return await make();
  } catch {
    return undefined;
  }
}

function newPlugin({ module }: CompiledGuest, slot: Slot): Promise<Plugin> {
  return createPlugin({ wasm: [{ module }] }, optionsOf(slot));
}

const STARVED = {
  code: 'host.resource',
  message: 'this machine did not give the guest the memory that its limit allows',
} as const;

/**
 * Whether the machine refuses what the limit allows. A guest whose growth failed below its limit ends
 * in a trap or an error like any other; only trying again tells them apart.
 */
async function isStarved(
  plugin: Plugin | undefined,
  { maximumPages }: CompiledGuest,
): Promise<boolean> {
  const memory = (await plugin?.getInstance())?.exports[MEMORY_EXPORT];
  if (!(memory instanceof WebAssembly.Memory)) return false;
  const left = maximumPages - memory.buffer.byteLength / PAGE_BYTES;
  try {
    if (left > 0) memory.grow(left);
    return false;
  } catch {
    return true;
  }
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
  return message.startsWith(GUEST_ERROR)
    ? { code: 'guest.error', message: message.slice(GUEST_ERROR.length) }
    : { code: 'guest.trap', message };
}

function optionsOf(slot: Slot): ExtismPluginOptions {
  return {
    useWasi: false,
    runInWorker: false,
    memory: { maxVarBytes: MAX_VAR_BYTES },
    // The SDK's own host check is by globs, here all; the broker decides on every request instead.
    allowedHosts: ['**', '.**'],
    allowHttpResponseHeaders: true,
    fetch: fetchThrough(slot),
    logger: loggerTo(slot),
    logLevel: 'trace',
    functions: {
      'extism:host/env': countedFunctions(slot),
      'portarium:host/v1': actionFunctions(slot),
    },
  };
}

/** Replacements that count. Loads and stores stay the SDK's: guests call them once a byte. */
function countedFunctions(slot: Slot) {
  return {
    alloc(context: CallContext, size: bigint): bigint {
      return allocate(context, slot.attempt.limits, size);
    },
    config_get(context: CallContext, keyAddress: bigint): bigint {
      const { limits, call } = slot.attempt;
      const { config } = call;
      limits.hostCall(true);
      const key = context.read(keyAddress)?.string();
      const value = key !== undefined && Object.hasOwn(config, key) ? config[key] : undefined;
      return value === undefined ? 0n : context.store(value);
    },
    var_get(context: CallContext, keyAddress: bigint): bigint {
      slot.attempt.limits.hostCall(true);
      const key = context.read(keyAddress)?.string();
      const value = key === undefined ? null : context.getVariable(key);
      return value === null ? 0n : context.store(value.bytes().slice());
    },
    var_set(context: CallContext, keyAddress: bigint, valueAddress: bigint): void {
      slot.attempt.limits.hostCall();
      const key = context.read(keyAddress)?.string();
      if (key === undefined) return;
      const value = valueAddress === 0n ? null : context.read(valueAddress);
      if (value === null) context.deleteVariable(key);
      else context.setVariable(key, value.bytes().slice());
    },
    // The SDK serves these two only to modules that import them after `http_request`.
    http_status_code: (): number => slot.attempt.last.status,
    http_headers(context: CallContext): bigint {
      const { limits, last } = slot.attempt;
      limits.hostCall(true);
      return context.store(JSON.stringify(last.headers));
    },
  };
}

/** A block of `size` bytes; a failure within the limits is the machine's. */
function allocate(context: CallContext, limits: GuestLimits, size: bigint): bigint {
  limits.allocate(size, (address) => context.length(address));
  const address = tryAlloc(context, limits, size);
  limits.allocated(address, size);
  return address;
}

function tryAlloc(context: CallContext, limits: GuestLimits, size: bigint): bigint {
  try {
    return context.alloc(size);
  } catch {
    return limits.break(STARVED.code, STARVED.message);
  }
}

/** The only time and the only randomness that a guest can reach. */
function actionFunctions(slot: Slot) {
  return {
    clock_time(): bigint {
      const { limits, clock } = slot.attempt;
      limits.hostCall();
      return clock.read();
    },
    random_bytes(context: CallContext, count: bigint): bigint {
      const { limits, random } = slot.attempt;
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
function fetchThrough(slot: Slot): typeof fetch {
  const request = async (url: unknown, init: RequestInit = {}) => {
    const { call, limits, clock, last } = slot.attempt;
    limits.hostCall(true);
    const answer = call.host.request({
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

function loggerTo(slot: Slot): Console {
  const line = (level: LogLevel) => (message: unknown) => {
    const { call, limits } = slot.attempt;
    limits.hostCall();
    call.host.log(level, String(message));
  };
  return Object.fromEntries(LOG_LEVELS.map((level) => [level, line(level)])) as unknown as Console;
}
