/**
 * The supervisor of one data folder: holds its lock, runs its parts, records them in `stack.json`.
 * It knows nothing of what the parts are.
 */
import { join } from 'node:path';
import type { DataFolder } from '../data-folder.ts';
import { messageOf } from '../local-stack-error.ts';
import type { OnProgress, PartName } from '../progress.ts';
import { readVersions } from '../repository.ts';
import {
  type PartStatus,
  type RecordedProcess,
  readStackFile,
  type StackFile,
  type StartedWith,
  writeStackFile,
} from '../stack-file.ts';
import { clearLeftovers } from './clear-leftovers.ts';
import { alreadyRunning, recordedSupervisor } from './folder-owner.ts';
import { tryLock } from './owned-lock.ts';
import type { PartSpec } from './part-spec.ts';
import { identify, type ProcessIdentity } from './process-identity.ts';
import { RotatingLog } from './rotating-log.ts';
import { SupervisedPart } from './supervised-part.ts';

export class Supervisor {
  readonly folder: DataFolder;
  readonly #parts = new Map<PartName, SupervisedPart>();
  readonly #onProgress: OnProgress;
  readonly #release: () => void;
  readonly #self: ProcessIdentity;
  readonly #log: RotatingLog;
  readonly #version = readVersions().product;
  #state: StackFile['state'] = 'starting';
  #url = '';
  #error: string | undefined;
  #stopped: Promise<void> | undefined;
  #startedWith: StartedWith | undefined;

  private constructor(folder: DataFolder, release: () => void, onProgress: OnProgress) {
    const self = identify(process.pid);
    if (self === undefined) throw new Error('This process can not read its own start time.');
    this.folder = folder;
    this.#release = release;
    this.#onProgress = onProgress;
    this.#self = self;
    this.#log = new RotatingLog(join(folder.logs, 'supervision.log'));
  }

  /**
   * Takes the data folder and ends what a killed supervisor left in it.
   * @throws LocalStackError `already-running` with where the other one answers
   */
  static async take(folder: DataFolder, onProgress: OnProgress): Promise<Supervisor> {
    const lock = tryLock(folder.lock);
    if (!lock.ok) throw alreadyRunning(folder, lock.owner);
    try {
      // A removed lock file frees no folder: its supervisor lives on.
      const other = recordedSupervisor(folder);
      if (other !== undefined) throw alreadyRunning(folder, other);
      await clearLeftovers(readStackFile(folder.stack)?.processes ?? []);
      const supervisor = new Supervisor(folder, lock.release, onProgress);
      writeStackFile(folder.stack, supervisor.#content());
      return supervisor;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Records how the stack was started. */
  startedWith(how: StartedWith): void {
    this.#startedWith = how;
    this.#record();
  }

  get version(): string {
    return this.#version;
  }

  /** True from the moment that `stop` was called. */
  get isStopping(): boolean {
    return this.#stopped !== undefined;
  }

  /** Adds a part without starting it, so that `status` shows it from the beginning. */
  add(spec: PartSpec): SupervisedPart {
    const log = new RotatingLog(join(this.folder.logs, `${spec.part}.log`));
    const part = new SupervisedPart(spec, log, (change) => {
      this.#record();
      if (change === undefined || change.state === 'waiting') return;
      this.#onProgress({ ...change, state: change.state, part: spec.part });
    });
    this.#parts.set(spec.part, part);
    this.#record();
    return part;
  }

  /** Takes progress of steps; what concerns a part shows in its status too. */
  readonly progress: OnProgress = (event) => {
    const part = [...this.#parts.values()].find((one) => one.spec.part === event.part);
    if (part === undefined) this.#onProgress(event);
    else part.show(event);
  };

  /** Stops and forgets all parts, so that others can be added in their place. */
  async clear(): Promise<void> {
    await this.#stopParts();
    if (!this.isStopping) this.#parts.clear();
    this.#record();
  }

  /** Marks the stack as ready; `url` is empty when only services run. */
  becomeReady(url: string): void {
    this.#url = url;
    this.#state = 'ready';
    this.#record();
  }

  status(): PartStatus[] {
    return [...this.#parts.values()].map((part) => part.status());
  }

  pidOf(part: PartName): number | undefined {
    return this.#parts.get(part)?.identity?.pid;
  }

  /**
   * Stops everything, last part first; NATS and Temporal together, since neither needs the other.
   * Idempotent. With `cause`, records why the stack failed.
   */
  stop(cause?: unknown): Promise<void> {
    this.#stopped ??= this.#stopAll(cause);
    return this.#stopped;
  }

  async #stopAll(cause: unknown): Promise<void> {
    this.#state = 'stopping';
    if (cause !== undefined) this.#error = messageOf(cause);
    this.#record();
    await this.#stopParts();
    this.#state = cause === undefined ? 'stopped' : 'failed';
    this.#record();
    this.#release();
  }

  async #stopParts(): Promise<void> {
    const stages: readonly (readonly PartName[])[] = [
      ['sandbox'],
      ['control'],
      ['temporal', 'nats'],
      ['postgres'],
    ];
    for (const stage of stages) {
      await Promise.all(stage.map((name) => this.#parts.get(name)?.stop()));
    }
  }

  /** Never throws: a folder that can not be written (full, removed) must not end supervision. */
  #record(): void {
    try {
      writeStackFile(this.folder.stack, this.#content());
    } catch (error) {
      this.#log.note(`stack.json could not be written: ${messageOf(error)}`);
    }
  }

  #content(): StackFile {
    const processes: RecordedProcess[] = [];
    for (const [part, { identity }] of this.#parts) {
      if (identity !== undefined) processes.push({ ...identity, part });
    }
    return {
      state: this.#state,
      supervisor: this.#self,
      version: this.#version,
      url: this.#url,
      parts: this.status(),
      processes,
      ...(this.#error === undefined ? {} : { error: this.#error }),
      ...(this.#startedWith === undefined ? {} : { startedWith: this.#startedWith }),
    };
  }
}
