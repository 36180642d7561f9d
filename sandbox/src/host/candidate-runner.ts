/**
 * Tries modules that were uploaded and are not admitted yet, one at a time, each in a cell that runs
 * nothing else before or after it. Fetches a module by its id, and says what came of it. Workspaces take turns.
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
  /** How many may wait here, at most half of them of one workspace: each keeps an attempt from this host. */
  readonly waiting: number;
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
  /** Of each workspace, those that wait for their turn. */
  readonly #waiting = new Map<string, number>();
  /** Started ahead of need. */
  #spare: CellProcess;
  #closed = false;

  constructor(options: CandidateRunnerOptions) {
    this.#options = options;
    this.#spare = new CellProcess(options.program);
  }

  async run(dispatch: CandidateDispatch): Promise<CandidateEnd> {
    const { workspace } = dispatch;
    if (!(await this.#enter(workspace))) {
      return { end: 'again', reason: 'this host has as many modules to try as it takes' };
    }
    try {
      return await this.#run(dispatch);
    } finally {
      this.#turns.leave(workspace);
    }
  }

  /** @returns false when too many wait already */
  async #enter(workspace: string): Promise<boolean> {
    if (this.#turns.taken === 0) return (await this.#turns.enter(workspace)) === 'in';
    const { waiting: most } = this.#options;
    const own = this.#waiting.get(workspace) ?? 0;
    if (this.#turns.waiting >= most || own >= Math.ceil(most / 2)) return false;
    this.#waiting.set(workspace, own + 1);
    const entered = await this.#turns.enter(workspace);
    const left = (this.#waiting.get(workspace) ?? 1) - 1;
    if (left === 0) this.#waiting.delete(workspace);
    else this.#waiting.set(workspace, left);
    return entered === 'in';
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#turns.close();
    await this.#spare.kill();
  }

  async #run(dispatch: CandidateDispatch): Promise<CandidateEnd> {
    const { control, isolation, engine } = this.#options;
    const taken = await control.takeCandidate({ ...dispatch, isolation, engine });
    if (!taken.ok) return ended(taken);
    const module = taken.value;
    const end = await this.#try(module);
    if (end.end === 'lost') return { end: 'again', reason: end.reason };
    const told = await control.tellCandidate({
      ...dispatch,
      moduleDigest: await digestOf(module),
      ...(end.end === 'refused' ? { finding: end.finding } : {}),
    });
    return told.ok ? { end: end.end } : ended(told);
  }

  async #try(module: Uint8Array): Promise<SmokeEnd> {
    const first = await smokeRun(this.#takeSpare(), module);
    if (first.end !== 'lost' || this.#closed) return first;
    const second = await smokeRun(this.#takeSpare(), module);
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
