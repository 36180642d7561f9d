/**
 * Tries modules that were uploaded and are not admitted yet, one at a time and workspaces by turns, each
 * in a cell that runs nothing else before or after it. Fetches a module by its id, and says what came of it.
 */

import { digestOf } from '@portarium/contracts/digest';
import type { CandidateDispatch, ISOLATION_LEVELS } from '@portarium/contracts/internal-api';
import { type CellCommand, CellProcess } from './cell-process.ts';
import { type ControlClient, type ControlFailure, isFinal } from './control-client.ts';
import { FairPlaces } from './fair-places.ts';
import { type SmokeEnd, smokeRun } from './smoke-run.ts';

export interface CandidateRunnerOptions {
  readonly control: ControlClient;
  readonly program: CellCommand;
  readonly isolation: (typeof ISOLATION_LEVELS)[number];
  readonly engine: string;
  /** Modules that are tried here or wait for it; of one workspace half as many. */
  readonly most?: number;
}

export type CandidateEnd =
  | { readonly end: 'passed' | 'refused' }
  /** The Control Plane does not wait for it. */
  | { readonly end: 'gone'; readonly reason: string }
  /** Another try, here or elsewhere, may come to something. */
  | { readonly end: 'again'; readonly reason: string };

export class CandidateRunner {
  readonly #options: CandidateRunnerOptions;
  readonly #turns = new FairPlaces(1);
  /** The workspaces of those that are here. */
  readonly #here: string[] = [];
  /** Started ahead of need. */
  #spare: CellProcess;
  #closed = false;

  constructor(options: CandidateRunnerOptions) {
    this.#options = options;
    this.#spare = new CellProcess(options.program);
  }

  /** @param stop kills the cell when the host has to stop */
  async run(dispatch: CandidateDispatch, stop?: AbortSignal): Promise<CandidateEnd> {
    const { workspace } = dispatch;
    const { most = Number.POSITIVE_INFINITY } = this.#options;
    const own = this.#here.filter((other) => other === workspace).length;
    if (this.#here.length >= most || own >= Math.ceil(most / 2)) {
      return { end: 'again', reason: 'this sandbox host tries as many modules as it may' };
    }
    this.#here.push(workspace);
    try {
      const options = stop ? { signal: stop } : {};
      if ((await this.#turns.enter(workspace, options)) !== 'in') {
        return { end: 'again', reason: 'this sandbox host is stopping' };
      }
      try {
        return await this.#run(dispatch, stop);
      } finally {
        this.#turns.leave(workspace);
      }
    } finally {
      this.#here.splice(this.#here.indexOf(workspace), 1);
    }
  }

  /** Those that wait are turned away; the one that is tried goes on. */
  drain(): void {
    this.#turns.close();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.drain();
    await this.#spare.kill();
  }

  async #run(dispatch: CandidateDispatch, stop?: AbortSignal): Promise<CandidateEnd> {
    const { control, isolation, engine } = this.#options;
    const taken = await control.takeCandidate({ ...dispatch, isolation, engine });
    if (!taken.ok) return ended(taken);
    const module = taken.value;
    const end = await this.#try(module, stop);
    if (end.end === 'lost') return { end: 'again', reason: end.reason };
    const told = await control.tellCandidate({
      ...dispatch,
      moduleDigest: await digestOf(module),
      ...(end.end === 'refused' ? { finding: end.finding } : {}),
    });
    return told.ok ? { end: end.end } : ended(told);
  }

  async #try(module: Uint8Array, stop?: AbortSignal): Promise<SmokeEnd> {
    const first = await smokeRun(this.#takeSpare(), module, { stop });
    if (first.end !== 'lost' || this.#closed || stop?.aborted) return first;
    const second = await smokeRun(this.#takeSpare(), module, { stop });
    if (second.end !== 'lost' || !first.crashed || !second.crashed) return second;
    const message = `the engine ended twice while it made an instance: ${second.reason}`;
    return { end: 'refused', finding: { rule: 'module.instantiate', message } };
  }

  #takeSpare(): CellProcess {
    const spare = this.#spare;
    this.#spare = new CellProcess(this.#options.program);
    return spare.alive ? spare : new CellProcess(this.#options.program);
  }
}

function ended(failure: ControlFailure): CandidateEnd {
  const { message: reason } = failure;
  const gone = isFinal(failure) || failure.code === 'conflict';
  return { end: gone || !failure.transient ? 'gone' : 'again', reason };
}
