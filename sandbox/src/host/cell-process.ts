/**
 * The host's side of one cell. Every message of a cell is treated as hostile: it is length-capped,
 * numbered, parsed, and allowed only where the protocol has it; anything else ends the cell.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
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
} from '../cell/messages.ts';
import { encodeFrame, FrameReader } from '../cell/wire.ts';
import type { Confirmation } from '../isolation/confirm-cell.ts';
import { type ProcessUsage, processUsage, resetPeak } from './process-usage.ts';

/** Room for a head (JSON of a request with its headers) beside the body. */
const HEAD_BYTES = 4 * 1024 * 1024;
const STDERR_BYTES = 4_096;
/** A cell at rest has about 60 MiB; engines keep compiled code and garbage beside the guest. */
export const CELL_OVERHEAD_BYTES = 512 * 1024 * 1024;
/** CPU of a cell in its whole life: twelve of the largest attempts; the kernel ends it there. */
export const CELL_CPU_SECONDS = 3_600;

/** How the process of a cell is started. */
export interface CellCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** All that its environment holds; nothing when left out. */
  readonly environment?: Readonly<Record<string, string>>;
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

/** `refused`: the engine's verdict on the bytes; otherwise the process was lost. */
export type BindResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly refused: boolean; readonly message: string };

type Handler = (message: CellMessage, body: Uint8Array) => void;

export class CellProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #frames = new FrameReader(HEAD_BYTES);
  readonly #ended = Promise.withResolvers<void>();
  #sequence = 0;
  #handler: Handler | undefined;
  #lost: { readonly reason: string; readonly violation: boolean } | undefined;
  #lastUsage: ProcessUsage | undefined;
  #peak = 0;
  #kernelPeak = true;
  #stderr = '';
  readonly #ready = Promise.withResolvers<boolean>();
  /** The process that runs the guest, where another was started around it. */
  #inner: number | undefined;

  constructor(program: CellCommand) {
    this.#child = spawn(program.command, [...program.args], {
      cwd: '/',
      env: { ...program.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#handler = (message) => {
      if (message.type !== 'ready') {
        this.#violate(`${message.type} before ready`);
        return;
      }
      this.#handler = undefined;
      this.#confirm(program);
    };
    this.#child.stdout.on('data', (chunk: Uint8Array) => this.#receive(chunk));
    this.#child.stderr.on('data', (chunk: Uint8Array) => {
      if (this.#stderr.length < STDERR_BYTES) this.#stderr += new TextDecoder().decode(chunk);
    });
    this.#child.stdin.on('error', () => undefined);
    this.#child.on('error', (error) => this.#end(`the cell can not be started: ${error.message}`));
    this.#child.on('exit', (code, signal) => {
      const said = this.#stderr.trim().slice(0, 500);
      this.#end(`the cell ended (${signal ?? `code ${code}`})${said ? `: ${said}` : ''}`);
    });
  }

  /** The process that runs the guest; until it is ready, the one that was started. */
  get pid(): number {
    return this.#inner ?? this.#child.pid ?? 0;
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

  /** Resolves once the process is gone. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /**
   * What the process has used so far; after its end, what it had used shortly before. The peak
   * counts from the last {@link restartPeak}.
   */
  usage(): ProcessUsage | undefined {
    const now = this.alive ? processUsage(this.pid) : undefined;
    if (now) {
      const seen = this.#kernelPeak ? now.peakBytes : now.residentBytes;
      this.#peak = Math.max(this.#peak, seen);
      this.#lastUsage = { ...now, peakBytes: this.#peak };
    }
    return this.#lastUsage;
  }

  /** Forgets the peak of earlier attempts; where the kernel can not, samples make the new one. */
  restartPeak(): void {
    this.#kernelPeak = resetPeak(this.pid);
    this.#peak = 0;
    this.#lastUsage = undefined;
  }

  /** Loads the module, once in the life of the cell. */
  bind(module: Uint8Array): Promise<BindResult> {
    return this.#load({ type: 'bind' }, module);
  }

  /** Makes an instance of the module that is bound, and calls nothing of it. */
  tryInstance(): Promise<BindResult> {
    return this.#load({ type: 'try' });
  }

  #load(message: HostMessage, module?: Uint8Array): Promise<BindResult> {
    const { promise, resolve } = Promise.withResolvers<BindResult>();
    this.#handler = (answer) => {
      this.#handler = undefined;
      if (answer.type === 'bound') resolve({ ok: true });
      else if (answer.type === 'refused')
        resolve({ ok: false, refused: true, message: answer.message });
      else this.#violate(`${answer.type} instead of bound`);
    };
    this.#ended.promise.then(() => {
      resolve({ ok: false, refused: false, message: this.#lost?.reason ?? 'the cell ended' });
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
    this.usage();
    this.#kill();
    await this.#ended.promise;
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
    this.#child.stdin.write(encodeFrame(this.#sequence++, message, body));
  }

  #receive(chunk: Uint8Array): void {
    if (!this.alive) return;
    try {
      for (const { head, body } of this.#frames.push(chunk)) {
        const parsed = v.safeParse(CellMessageSchema, head);
        if (!parsed.success) {
          this.#violate('a message that the protocol does not have');
          return;
        }
        if (!this.#handler) {
          this.#violate(`${parsed.output.type} out of turn`);
          return;
        }
        this.#handler(parsed.output, body);
        if (!this.alive) return;
      }
    } catch (error) {
      this.#violate(error instanceof Error ? error.message : String(error));
    }
  }

  #violate(what: string): void {
    this.usage();
    this.#lost ??= { reason: `the cell broke the protocol: ${what}`, violation: true };
    this.#kill();
  }

  /** Resolves {@link ready}, unless the kernel says of the process what the cell did not. */
  #confirm({ confirm }: CellCommand): void {
    const confirmed = confirm?.(this.pid) ?? { ok: true, pid: this.pid };
    if (!confirmed.ok) {
      this.#lost ??= { reason: `the cell is not confined: ${confirmed.problem}`, violation: true };
      this.#kill();
      return;
    }
    if (confirmed.pid !== this.pid) this.#inner = confirmed.pid;
    this.#ready.resolve(true);
  }

  /** What stands around the inner process waits for it, reaps it, and ends: so its end is both ends. */
  #kill(): void {
    if (this.#inner !== undefined && isChildOf(this.#inner, this.#child.pid ?? 0)) {
      process.kill(this.#inner, 'SIGKILL');
    } else {
      this.#child.kill('SIGKILL');
    }
  }

  #end(reason: string): void {
    this.#lost ??= { reason, violation: false };
    this.#ready.resolve(false);
    this.#ended.resolve();
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
