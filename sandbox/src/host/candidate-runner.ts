/**
 * Tries modules that were uploaded and are not admitted yet, one at a time, each in a cell that runs
 * nothing else before or after it. Fetches a module by its id, and says what came of it.
 */

import { digestOf } from '@portarium/contracts/digest';
import type { CandidateDispatch, ISOLATION_LEVELS } from '@portarium/contracts/internal-api';
import { type CellCommand, CellProcess } from './cell-process.ts';
import { type ControlClient, type ControlFailure, isFinal } from './control-client.ts';
import { type SmokeEnd, smokeRun } from './smoke-run.ts';

export interface CandidateRunnerOptions {
  readonly control: ControlClient;
  readonly program: CellCommand;
  readonly isolation: (typeof ISOLATION_LEVELS)[number];
  readonly engine: string;
}

export type CandidateEnd =
  | { readonly end: 'passed' | 'refused' }
  /** The Control Plane does not wait for it. */
  | { readonly end: 'gone'; readonly reason: string }
  /** Another try, here or elsewhere, may come to something. */
  | { readonly end: 'again'; readonly reason: string };

export class CandidateRunner {
  readonly #options: CandidateRunnerOptions;
  #turn: Promise<unknown> = Promise.resolve();
  /** Started ahead of need. */
  #spare: CellProcess;
  #closed = false;

  constructor(options: CandidateRunnerOptions) {
    this.#options = options;
    this.#spare = new CellProcess(options.program);
  }

  run(dispatch: CandidateDispatch): Promise<CandidateEnd> {
    const end = this.#turn.then(() => this.#run(dispatch));
    this.#turn = end.catch(() => undefined);
    return end;
  }

  async close(): Promise<void> {
    this.#closed = true;
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
