/**
 * Extism in the foreground: no workers, no WASI of its own, no network of its own, a fresh instance
 * per call.
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
const PAGE_BYTES = 65_536;

/** What the rewriter makes of the import module of WASI. */
const WASI_MODULE = 'portarium:wasi/p1';

export interface CompiledGuest {
  readonly module: WebAssembly.Module;
  /** Whether instantiating runs code of the guest: then it has to wait for its attempt. */
  readonly runsAtOnce: boolean;
  readonly importsWasi: boolean;
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
  readonly result = new OperationResult();
  readonly wasi = new Wasi(this);
  #attempt: Attempt | undefined;

  /** @throws RangeError when the order is malformed */
  fill(call: GuestCall): Attempt {
    if (this.#attempt) throw new Error('an instance serves one attempt');
    this.#attempt = {
      call,
      limits: new GuestLimits(call.limits),
      clock: new ActionClock(call.startTime),
      random: new ActionRandom(call.seed),
      last: { status: 0, headers: {} },
    };
    return this.#attempt;
  }

  get attempt(): Attempt {
    if (!this.#attempt) throw new Error('the guest runs outside of an attempt');
    return this.#attempt;
  }

  get limits(): GuestLimits {
    return this.attempt.limits;
  }

  get clock(): ActionClock {
    return this.attempt.clock;
  }

  get random(): ActionRandom {
    return this.attempt.random;
  }

  log(level: LogLevel, line: string): void {
    this.attempt.call.host.log(level, line);
  }
}

/** An instance with what the SDK keeps around it. */
interface Made {
  readonly plugin: Plugin;
  readonly guest: GuestInstance;
}

export const extismEngine: Engine<CompiledGuest> = {
  async compile(bytes, memoryMiB) {
    const { bytes: bound, hasStart, maximumPages } = boundModule(bytes, memoryMiB);
    const module = await WebAssembly.compile(bound);
    const imports = WebAssembly.Module.imports(module);
    const importsWasi = imports.some(({ module: from }) => from === WASI_MODULE);
    return { module, runsAtOnce: hasStart, importsWasi, maximumPages };
  },
  async instantiate(compiled) {
    const slot = new Slot();
    let made = compiled.runsAtOnce ? undefined : await tried(() => make(compiled, slot));
    return {
      async call(call) {
        const { limits } = slot.fill(call);
        try {
          made ??= await make(compiled, slot);
          await made.guest.begin();
          slot.result.open();
          await made.plugin.call(call.export, call.input).catch(unlessDone);
          return resultOf(slot.result.take(), call, limits);
        } catch (error) {
          return failed(limits, isStarved(made, compiled) ? STARVED : classify(error, slot.result));
        } finally {
          slot.wasi.flush();
        }
      },
    };
  },
};

/** A guest that exits with code 0 has done what it was called for. */
function unlessDone(error: unknown): void {
  if (!(error instanceof WasiExit) || error.exitCode !== 0) throw error;
}

/** What fails ahead of need fails again in the attempt, and is told there. */
async function tried<T>(make: () => Promise<T>): Promise<T | undefined> {
  try {
    return await make();
  } catch {
    return undefined;
  }
}

async function make({ module, importsWasi }: CompiledGuest, slot: Slot): Promise<Made> {
  const plugin = await createPlugin({ wasm: [{ module }] }, optionsOf(slot, importsWasi));
  const guest: unknown = await plugin.getInstance();
  if (!(guest instanceof GuestInstance)) throw new Error('the instance began by itself');
  slot.wasi.attach(guest.memory);
  return { plugin, guest };
}

const STARVED = {
  code: 'host.resource',
  message: 'this machine did not give the guest the memory that its limit allows',
} as const;

/**
 * Whether the machine refuses what the limit allows. A guest whose growth failed below its limit ends
 * in a trap or an error like any other; only trying again tells them apart.
 */
function isStarved(made: Made | undefined, { maximumPages }: CompiledGuest): boolean {
  const memory = made?.guest.exports[MEMORY_EXPORT];
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

/** What JavaScriptCore adds to its messages: a line of this program, which says nothing of the guest. */
const EVALUATED = / \(evaluating '[^']*'\)$/;

/** A kit says by an error why it traps: what was thrown, and where. The engine knows only the trap. */
function classify(
  error: unknown,
  { error: said }: OperationResult,
): { readonly code: CellError; readonly message: string } {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof GuestError) return { code: 'guest.error', message };
  const trap = message.replace(EVALUATED, '');
  return { code: 'guest.trap', message: said === undefined ? trap : `${said}: ${trap}` };
}

function optionsOf(slot: Slot, importsWasi: boolean): ExtismPluginOptions {
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
      'extism:host/env': { ...countedFunctions(slot), ...slot.result.functions() },
      'portarium:host/v1': actionFunctions(slot),
      ...(importsWasi ? { [WASI_MODULE]: slot.wasi.functions() } : {}),
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
