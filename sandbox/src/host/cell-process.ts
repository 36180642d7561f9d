/**
 * The host's side of one cell. Every message of a cell is treated as hostile: it is length-capped,
 * numbered, parsed, and allowed only where the protocol has it; anything else ends the cell.
 */
import { readFileSync } from 'node:fs';
import type { GuestRequest } from '@portarium/contracts/outbound-request';
import * as v from 'valibot';
import type { FailedRequest, GuestResponse } from '../cell/engine.ts';
import {
  type CellError,
  type CellLimits,
  type CellMessage,
  CellMessageSchema,
  type HostMessage,
  type LogLevel,
  type Refusal,
} from '../cell/messages.ts';
import { encodeFrame, FrameReader } from '../cell/wire.ts';
import type { Confirmation } from '../isolation/confirm-cell.ts';
import { ProcessMeter, type Reading } from './process-meter.ts';
import {
  type Spent,
  type StartCommand,
  type StartedProcess,
  startProcess,
} from './start-process.ts';

/** The longest head that a cell of ours sends is a request whose every character needs an escape. */
const HEAD_BYTES = 512 * 1024;
/** Of all else, the longest is a line of the log, and those come without an answer between them. */
const SHORT_HEAD_BYTES = 64 * 1024;
/** Kept for the reason of an end. */
const STDERR_CHARACTERS = 4_096;
/** A runtime that crashes says less; a cell that says more keeps its host from others. */
const STDERR_BYTES = 1024 * 1024;
/** A cell at rest has about 60 MiB; engines keep compiled code and garbage beside the guest. */
export const CELL_OVERHEAD_BYTES = 512 * 1024 * 1024;
/** A runtime has some ten. Cells of one user share a number of threads: one could take those of all. */
const MOST_THREADS = 256;
/** CPU of a cell in its whole life: twelve of the largest attempts; the kernel ends it there. */
export const CELL_CPU_SECONDS = 3_600;

/** How the process of a cell is started. */
export interface CellCommand extends StartCommand {
  /** Asked about the started process once the cell says that it is ready; anything but a yes ends it. */
  readonly confirm?: (pid: number) => Confirmation;
}

export interface GuestRun {
  readonly export: string;
  readonly input: Uint8Array;
  readonly config: Readonly<Record<string, string>>;
  readonly limits: CellLimits;
  /** What the action's random stream starts from: 64 hexadecimal digits. */
  readonly seed: string;
  /** When the action's clock starts: RFC 3339 UTC with milliseconds. */
  readonly startTime: string;
  /** Largest body of a request, in bytes. */
  readonly maxRequestBytes: number;
  onLog(level: LogLevel, message: string): void;
  /** Rejecting or never resolving is fine: the caller kills the cell. */
  onRequest(request: GuestRequest): Promise<GuestResponse | FailedRequest>;
}

export type RunResult =
  | { readonly kind: 'output'; readonly output: Uint8Array; readonly hostCalls: number }
  | {
      readonly kind: 'error';
      readonly code: CellError;
      readonly message: string;
      readonly hostCalls: number;
    }
  /** The process died or broke the protocol. */
  | { readonly kind: 'lost'; readonly reason: string; readonly violation: boolean };

/** `refused`: the verdict on the bytes; without one, the process was lost. */
export type BindResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly refused?: Refusal; readonly message: string };

/** Of one attempt, as the kernel counts it. */
export interface CellUsage {
  readonly cpuMs: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
}

type Handler = (message: CellMessage, body: Uint8Array) => void;

const NOTHING: Reading = { mainMs: 0, allMs: 0, residentBytes: 0, peakBytes: 0, threads: 0 };

export class CellProcess {
  readonly #process: StartedProcess;
  #meter: ProcessMeter;
  readonly #frames = new FrameReader(HEAD_BYTES, HEAD_BYTES);
  readonly #ready = Promise.withResolvers<boolean>();
  readonly #ended = Promise.withResolvers<void>();
  #sequence = 0;
  #handler: Handler | undefined;
  #lost: { readonly reason: string; readonly violation: boolean } | undefined;
  #gone = false;
  /** Stopped, read, and killed by this host. */
  #struck = false;
  /** Where the counting of the attempt began, and what was read last. */
  #base: Reading = NOTHING;
  #latest: Reading = NOTHING;
  /** On `performance.now()`. */
  #readAt = performance.now();
  #peak = 0;
  #kernelPeak = false;
  #stderr = '';
  #stderrBytes = 0;
  /** The process that runs the guest, where another was started around it. */
  #inner: number | undefined;

  constructor(program: CellCommand) {
    this.#handler = (message) => {
      if (message.type !== 'ready') {
        this.#violate(`${message.type} before ready`);
        return;
      }
      this.#handler = undefined;
      this.#confirm(program);
    };
    this.#process = startProcess(program, {
      onOutput: (chunk) => this.#receive(chunk),
      onErrorOutput: (chunk) => this.#hear(chunk),
      onEnd: (reason, spent) => this.#end(reason, spent),
    });
    this.#meter = new ProcessMeter(this.#process.pid);
  }

  /** The process that runs the guest; until it is ready, the one that was started. */
  get pid(): number {
    return this.#inner ?? this.#process.pid;
  }

  get alive(): boolean {
    return this.#lost === undefined;
  }

  /** Why it ended, or undefined while it lives. */
  get lostReason(): string | undefined {
    return this.#lost?.reason;
  }

  /** Resolves to whether the process came up. */
  get ready(): Promise<boolean> {
    return this.#ready.promise;
  }

  /** CPU of all its attempts, as it was read last. */
  get lifeCpuMs(): number {
    return Math.max(this.#latest.mainMs, this.#latest.allMs);
  }

  /** Resolves once the process is gone. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** What the attempt has used so far; after the end of the process, what it had used in all. */
  usage(): CellUsage {
    const now = this.#gone ? undefined : this.#meter.read();
    // A process that has ended and was not waited for holds no memory any more.
    if (now && now.residentBytes > 0) {
      this.#latest = now;
      this.#readAt = performance.now();
      this.#peak = Math.max(this.#peak, now.residentBytes, this.#kernelPeak ? now.peakBytes : 0);
      if (now.threads > MOST_THREADS) this.#violate(`it has ${now.threads} threads`);
    }
    const { mainMs, allMs, residentBytes } = this.#latest;
    const cpuMs = Math.max(mainMs - this.#base.mainMs, allMs - this.#base.allMs);
    return { cpuMs, residentBytes, peakBytes: this.#peak };
  }

  /**
   * Ends the counting of one attempt and begins that of the next, which thereby pays for what the cell
   * makes ready for it. Where the kernel can not forget a peak, samples make the new one.
   */
  takeUsage(): CellUsage {
    const usage = this.usage();
    if (!this.#gone) {
      this.#kernelPeak = this.#meter.restartPeak();
      this.#base = this.#latest;
      this.#peak = this.#latest.residentBytes;
    }
    return usage;
  }

  /** Loads the module, once in the life of the cell, and lets its memory grow to `memoryMiB` at most. */
  bind(module: Uint8Array, memoryMiB: number): Promise<BindResult> {
    return this.#load({ type: 'bind', memoryMiB }, module);
  }

  /** Makes an instance of the module that is bound, and calls nothing of it. */
  tryInstance(): Promise<BindResult> {
    return this.#load({ type: 'try' });
  }

  #load(message: HostMessage, module?: Uint8Array): Promise<BindResult> {
    const { promise, resolve } = Promise.withResolvers<BindResult>();
    this.#handler = (answer) => {
      this.#handler = undefined;
      if (answer.type === 'bound') {
        this.takeUsage();
        resolve({ ok: true });
      } else if (answer.type === 'refused') {
        resolve({ ok: false, refused: answer.code, message: answer.message });
      } else this.#violate(`${answer.type} instead of bound`);
    };
    this.#ended.promise.then(() => {
      resolve({ ok: false, message: this.#lost?.reason ?? 'the cell ended' });
    });
    this.#send(message, module);
    return promise;
  }

  /** Runs one export. Resolves with `lost` when the process dies, for instance by {@link kill}. */
  run(run: GuestRun): Promise<RunResult> {
    const { promise, resolve } = Promise.withResolvers<RunResult>();
    this.#frames.maxFrameBytes =
      HEAD_BYTES + Math.max(run.limits.outputBytes, run.maxRequestBytes, 0);
    let logLines = 0;
    let answering = false;
    this.#handler = (message, body) => {
      if (answering) {
        this.#violate(`${message.type} while a request is open`);
        return;
      }
      if (message.type === 'log') {
        // One more than the limit: the marker that says that lines were dropped.
        if (++logLines > run.limits.logLines + 1) {
          this.#violate('too many log lines');
          return;
        }
        run.onLog(message.level, message.message);
      } else if (message.type === 'fetch') {
        answering = true;
        this.#answer(run, message, body).then(() => {
          answering = false;
        });
      } else if (message.type === 'result') {
        this.#handler = undefined;
        resolve(resultOf(message, body));
      } else {
        this.#violate(`${message.type} while running`);
      }
    };
    this.#ended.promise.then(() => {
      resolve({ kind: 'lost', ...(this.#lost ?? { reason: 'the cell ended', violation: false }) });
    });
    const { export: name, config, limits, seed, startTime, input } = run;
    this.#send({ type: 'run', export: name, config, limits, seed, startTime }, input);
    return promise;
  }

  /** SIGKILL: a guest that loops never reads a message. Resolves once the process is gone. */
  async kill(): Promise<void> {
    this.#strike();
    await this.#ended.promise;
  }

  /** Stops it first: what it has used is read when it can use no more. */
  #strike(): void {
    if (this.#gone || this.#struck) return;
    this.#struck = true;
    this.#signal('SIGSTOP');
    this.usage();
    this.#signal('SIGKILL');
  }

  async #answer(run: GuestRun, message: CellMessage & { type: 'fetch' }, body: Uint8Array) {
    try {
      const { method, url, headers, omitted } = message;
      const answer = await run.onRequest({ method, url, headers, body, omitted });
      const { ms } = answer;
      if ('failed' in answer) this.#send({ type: 'response-failed', reason: answer.failed, ms });
      else {
        const { status, headers: received } = answer;
        this.#send({ type: 'response', status, headers: received, ms }, answer.body);
      }
    } catch (error) {
      this.#violate(`a request could not be answered: ${String(error)}`);
    }
  }

  #send(message: HostMessage, body?: Uint8Array): void {
    if (!this.alive) return;
    this.#process.write(encodeFrame(this.#sequence++, message, body));
  }

  #receive(chunk: Uint8Array): void {
    if (!this.alive) return;
    try {
      for (const { head, headBytes, body } of this.#frames.push(chunk)) {
        // The first issue is enough: each of a million would be an object of its own.
        const parsed = v.safeParse(CellMessageSchema, head, { abortEarly: true });
        if (!parsed.success) {
          this.#violate('a message that the protocol does not have');
          return;
        }
        const { type } = parsed.output;
        if (type !== 'fetch' && headBytes > SHORT_HEAD_BYTES) {
          this.#violate(`${type} with a head of ${headBytes} bytes`);
          return;
        }
        if (!this.#handler) {
          this.#violate(`${type} out of turn`);
          return;
        }
        this.#handler(parsed.output, body);
        if (!this.alive) return;
      }
    } catch (error) {
      this.#violate(error instanceof Error ? error.message : String(error));
    }
  }

  #hear(chunk: Uint8Array): void {
    this.#stderrBytes += chunk.length;
    if (this.#stderr.length < STDERR_CHARACTERS) this.#stderr += new TextDecoder().decode(chunk);
    if (this.alive && this.#stderrBytes > STDERR_BYTES) this.#violate('too much error output');
  }

  #violate(what: string): void {
    this.#lost ??= { reason: `the cell broke the protocol: ${what}`, violation: true };
    this.#strike();
  }

  /** Resolves {@link ready}, unless the kernel says of the process what the cell did not. */
  #confirm({ confirm }: CellCommand): void {
    const confirmed = confirm?.(this.pid) ?? { ok: true, pid: this.pid };
    if (!confirmed.ok) {
      this.#lost ??= { reason: `the cell is not confined: ${confirmed.problem}`, violation: true };
      this.#strike();
      return;
    }
    if (confirmed.pid !== this.pid) {
      this.#inner = confirmed.pid;
      this.#meter.close();
      this.#meter = new ProcessMeter(confirmed.pid);
    }
    this.#ready.resolve(true);
  }

  /** What stands around the inner process waits for it, reaps it, and ends: so its end is both ends. */
  #signal(name: 'SIGSTOP' | 'SIGKILL'): void {
    if (this.#inner !== undefined && isChildOf(this.#inner, this.#process.pid)) {
      try {
        process.kill(this.#inner, name);
        return;
      } catch {
        // It has ended since we looked: what stands around it is all that is left.
      }
    }
    this.#process.signal(name);
  }

  #end(reason: string, spent?: Spent): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#meter.close();
    const said = this.#stderr.trim().slice(0, 500);
    this.#lost ??= { reason: said ? `${reason}: ${said}` : reason, violation: false };
    this.#count(spent);
    this.#ready.resolve(false);
    this.#ended.resolve();
  }

  /**
   * The kernel's last word, for a process that died before anybody could read what it used. Never less
   * than that: ticks are cut off, which makes 20 ms at most; where the runtime passes no word on, it
   * is taken to have been busy since the last reading.
   */
  #count(spent: Spent | undefined): void {
    const { mainMs, allMs } = this.#base;
    const total = spent
      ? mainMs + spent.cpuMs - Math.max(mainMs, allMs)
      : this.#latest.mainMs + (this.#struck ? 0 : performance.now() - this.#readAt);
    this.#latest = { ...this.#latest, mainMs: Math.max(this.#latest.mainMs, total) };
    this.#peak = Math.max(this.#peak, spent?.peakBytes ?? 0);
  }
}

/** A number may have gone to another process since: `man 5 proc_pid_stat`, field 4. */
function isChildOf(pid: number, parent: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent;
  } catch {
    return false;
  }
}

function resultOf(message: CellMessage & { type: 'result' }, output: Uint8Array): RunResult {
  const { hostCalls, error } = message;
  return error ? { kind: 'error', ...error, hostCalls } : { kind: 'output', output, hostCalls };
}
