/**
 * One child process that is kept running: started, probed until ready, started again with back-off
 * when it dies, stopped once. Never lets go of a process: after `stop` none is left.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { isPortFree } from '../free-ports.ts';
import { LocalStackError, messageOf } from '../local-stack-error.ts';
import type { PartState, PartStatus } from '../stack-file.ts';
import { nextDelayMs } from './back-off.ts';
import { withDeathSignal } from './death-signal.ts';
import type { PartSpec } from './part-spec.ts';
import { identify, type ProcessIdentity } from './process-identity.ts';
import type { RotatingLog } from './rotating-log.ts';

/** Deaths before the first readiness that are taken as "it can not start". */
const FIRST_START_TRIES = 4;
const PROBE_EVERY_MS = 25;
/** A ready part that misses this many questions in a row hangs, and is started again. */
const LIVENESS: Liveness = { everyMs: 3_000, misses: 5 };
/** What servers and runtimes write when a port is another's. */
const PORT_TAKEN = /EADDRINUSE|address already in use|port \d+ in use/i;

type Outcome = 'ready' | 'exited' | 'timed-out' | 'stopped';

export interface Liveness {
  readonly everyMs: number;
  /** Unanswered questions in a row that are taken as a hang. */
  readonly misses: number;
}

export interface PartChange {
  readonly state: PartState;
  readonly detail?: string;
  readonly ms?: number;
}

export class SupervisedPart {
  readonly spec: PartSpec;
  readonly #log: RotatingLog;
  readonly #onChange: (change?: PartChange) => void;
  readonly #liveness: Liveness;
  #child: ChildProcess | undefined;
  #identity: ProcessIdentity | undefined;
  #exited: Promise<void> = Promise.resolve();
  #state: PartState = 'waiting';
  #detail: string | undefined;
  #restarts = 0;
  /** The end of what the present process wrote. */
  #output = '';
  #stopping = false;
  /** Ends a back-off wait early when the part is stopped. */
  #wake: () => void = () => undefined;
  #keeper: Promise<void> | undefined;

  /** @param onChange told each change of state, and without one when only the process changed */
  constructor(
    spec: PartSpec,
    log: RotatingLog,
    onChange: (change?: PartChange) => void,
    liveness = LIVENESS,
  ) {
    this.spec = spec;
    this.#log = log;
    this.#onChange = onChange;
    this.#liveness = liveness;
  }

  get identity(): ProcessIdentity | undefined {
    return this.#identity;
  }

  status(): PartStatus {
    return {
      part: this.spec.part,
      state: this.#state,
      ...(this.#identity === undefined ? {} : { pid: this.#identity.pid }),
      port: this.spec.port,
      restarts: this.#restarts,
      ...(this.#detail === undefined ? {} : { detail: this.#detail }),
    };
  }

  /**
   * Resolves when the part is ready for the first time, and keeps it running from then on.
   * Rejects with LocalStackError when it can not start.
   */
  async start(): Promise<void> {
    const began = Date.now();
    let delayMs = 0;
    for (let tries = 1; ; tries++) {
      this.#assertWanted();
      const outcome = await this.#startOnce('starting');
      this.#assertWanted();
      if (outcome === 'ready') break;
      const taken = PORT_TAKEN.test(this.#output);
      if (taken || outcome === 'timed-out' || tries === FIRST_START_TRIES) {
        throw this.#failed(outcome, taken || !(await isPortFree(this.spec.port)));
      }
      delayMs = nextDelayMs(delayMs, 0);
      await this.#wait(delayMs);
    }
    await this.#becomeReady(Date.now() - began);
    this.#keeper = this.#keepRunning();
  }

  /** Shows what a start waits for, such as a download; ignored once the part is being stopped. */
  show(change: PartChange): void {
    if (!this.#stopping) this.#become(change);
  }

  #assertWanted(): void {
    if (this.#stopping) throw new LocalStackError('interrupted', 'Stopped while starting.');
  }

  async #keepRunning(): Promise<void> {
    let delayMs = 0;
    let readySince = Date.now();
    while (!this.#stopping) {
      const end = await this.#untilGone();
      if (this.#stopping) return;
      delayMs = nextDelayMs(delayMs, this.#state === 'ready' ? Date.now() - readySince : 0);
      this.#restarts += 1;
      this.#become({ state: 'restarting', detail: `${end}; starting again in ${delayMs} ms` });
      await this.#wait(delayMs);
      if (this.#stopping) return;
      const began = Date.now();
      if ((await this.#startOnce('restarting')) === 'ready') {
        readySince = Date.now();
        await this.#becomeReady(readySince - began);
      }
    }
  }

  async #becomeReady(ms: number): Promise<void> {
    const detail = await this.spec.tells?.();
    if (!this.#stopping)
      this.#become({ state: 'ready', ms, ...(detail === undefined ? {} : { detail }) });
  }

  /** Resolves with how the process ended; one that answers nothing any more is killed. */
  async #untilGone(): Promise<string> {
    for (let misses = 0; ; ) {
      if (this.#child === undefined || (await this.#exitsWithin(this.#liveness.everyMs))) break;
      if (this.#stopping) {
        await this.#exited;
        break;
      }
      const gone = this.#exited.then(() => true);
      misses = (await Promise.race([this.spec.answers(), gone])) ? 0 : misses + 1;
      if (misses < this.#liveness.misses || this.#stopping) continue;
      this.#log.note(`did not answer ${misses} times in a row; it is killed`);
      await this.#kill();
      return 'did not answer';
    }
    return 'ended';
  }

  /** Starts the process and waits until it is ready or gone; a part that hangs is killed. */
  async #startOnce(state: 'starting' | 'restarting'): Promise<Outcome> {
    this.#become({ state });
    try {
      await this.#spawn();
      const outcome = await this.#untilReady();
      if (outcome === 'timed-out') await this.#kill();
      return outcome;
    } catch (error) {
      this.#log.note(messageOf(error));
      await this.#kill();
      if (!(error instanceof LocalStackError) || state === 'restarting') return 'exited';
      if (!this.#stopping) this.#become({ state: 'failed', detail: firstLine(error.message) });
      throw error;
    }
  }

  async #spawn(): Promise<void> {
    const launch = await this.spec.prepare();
    this.#assertWanted();
    // Another's server on the port would answer the probes in this one's place.
    if (this.#restarts === 0 && !(await isPortFree(this.spec.port))) {
      throw new LocalStackError(
        'port-taken',
        `Port ${this.spec.port} of ${this.spec.part} on 127.0.0.1 was taken meanwhile. Stop what listens there, or choose another port.`,
      );
    }
    this.#assertWanted();
    this.#become({ state: this.#restarts > 0 ? 'restarting' : 'starting' });
    const command = withDeathSignal(launch.file, launch.args, this.spec.deathSignal, launch.user);
    // A group of its own: Ctrl-C in the terminal reaches the supervisor only, which stops in order.
    const child = spawn(command.file, [...command.args], {
      cwd: launch.cwd,
      env: { ...launch.env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(command.uid === undefined ? {} : { uid: command.uid }),
      ...(command.gid === undefined ? {} : { gid: command.gid }),
    });
    this.#child = child;
    this.#output = '';
    const take = (chunk: Buffer): void => {
      this.#log.write(chunk);
      this.#output = (this.#output + chunk.toString('utf8')).slice(-4_096);
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    this.#exited = new Promise((resolve) => {
      const ended = (how: string): void => {
        if (this.#child !== child) return;
        if (child.pid !== undefined) killGroup(child.pid);
        this.#child = undefined;
        this.#identity = undefined;
        // First of all: whoever waits must learn it even when nothing can be logged.
        resolve();
        this.#log.note(how);
      };
      child.once('exit', (code, signal) => ended(`ended with ${signal ?? `code ${code}`}`));
      child.once('error', (error) => ended(`could not start: ${error.message}`));
    });
    if (child.pid !== undefined) {
      this.#identity = identify(child.pid);
      this.#log.note(`started process ${child.pid}`);
    }
    this.#onChange();
  }

  async #untilReady(): Promise<Outcome> {
    const deadline = Date.now() + this.spec.readyTimeoutMs;
    while (this.#child !== undefined) {
      if (this.#stopping) return 'stopped';
      if (await this.spec.isReady()) return 'ready';
      if (Date.now() > deadline) return 'timed-out';
      await new Promise((resolve) => setTimeout(resolve, PROBE_EVERY_MS));
    }
    return 'exited';
  }

  /** Ends the process for good; resolves when it and its group are gone. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#stopping = true;
    this.#wake();
    const began = Date.now();
    if (this.#child !== undefined) {
      this.#become({ state: 'stopping' });
      this.#child.kill(this.spec.stopSignal);
      const clean = await this.#exitsWithin(this.spec.stopTimeoutMs);
      if (!clean) {
        this.#log.note(`did not end within ${this.spec.stopTimeoutMs} ms; it is killed`);
        await this.#kill();
      }
    }
    await this.#keeper;
    if (this.#state !== 'failed') this.#become({ state: 'stopped', ms: Date.now() - began });
  }

  async #kill(): Promise<void> {
    if (this.#child?.pid === undefined) return;
    killGroup(this.#child.pid);
    this.#child.kill('SIGKILL');
    await this.#exitsWithin(10_000);
  }

  async #exitsWithin(timeoutMs: number): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), timeoutMs);
    });
    const result = await Promise.race([this.#exited.then(() => true as const), late]);
    clearTimeout(timer);
    return result;
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #become(change: PartChange): void {
    this.#state = change.state;
    this.#detail = change.detail;
    this.#onChange(change);
  }

  #failed(outcome: Outcome, portTaken: boolean): LocalStackError {
    const why =
      outcome === 'timed-out'
        ? `was not ready within ${this.spec.readyTimeoutMs / 1_000} s`
        : 'ended before it was ready';
    const port = portTaken ? `, for port ${this.spec.port} or another of its ports is taken` : '';
    const message = `${this.spec.part} ${why}${port}. The end of ${this.#log.path}:\n${this.#log.tail()}`;
    this.#become({ state: 'failed', detail: why });
    return new LocalStackError(portTaken ? 'port-taken' : 'part-failed', message);
  }
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}

/** What a dead leader left in its process group must not live on. */
function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // The group is empty.
  }
}
