/** Runs a guest in a cell of each runtime, the same way, and demands the same of both. */
import { deepStrictEqual } from 'node:assert/strict';
import { admit } from '@portarium/admission/admit';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { ManifestSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';
import { CellProcess, type GuestRun } from '../host/cell-process.ts';
import { ENGINES, prepareEngine, type ReplayEngine } from '../replay/replay-engine.ts';

export interface GuestEnd {
  /** `output` or the code of the error. */
  readonly end: string;
  /** The output, or the error's message; of a trap each engine has words of its own, so none. */
  readonly text: string;
  readonly hostCalls: number;
  /** `level: message` */
  readonly logs: readonly string[];
}

export type GuestRunner = (name: string, over?: Partial<GuestRun>) => Promise<GuestEnd>;

export class BothEngines {
  readonly #engines: readonly ReplayEngine[];
  readonly #cells: CellProcess[] = [];

  private constructor(engines: readonly ReplayEngine[]) {
    this.#engines = engines;
  }

  static async prepare(): Promise<BothEngines> {
    const path = process.env.PATH ?? '';
    return new BothEngines(await Promise.all(ENGINES.map((name) => prepareEngine(name, path))));
  }

  /** Binds a cell of each runtime to the module as it is. */
  async bind(module: Uint8Array): Promise<GuestRunner> {
    const cells = this.#engines.map(({ cell }) => new CellProcess(cell));
    this.#cells.push(...cells);
    for (const cell of cells) {
      if (!(await cell.ready)) throw new Error(`the cell did not start: ${cell.lostReason}`);
      deepStrictEqual(await cell.bind(module, DEFAULT_LIMITS.memoryMiB), { ok: true });
    }
    return async (name, over) => {
      const ends = await Promise.all(cells.map((cell) => runOne(cell, name, over)));
      const [first, ...others] = ends;
      if (!first) throw new Error('there is no engine');
      for (const other of others) deepStrictEqual(other, first);
      return first;
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#cells.map((cell) => cell.kill()));
    await Promise.all(this.#engines.map(({ cell }) => cell.remove()));
  }
}

/** @returns the rewritten bytes */
export async function admitted(bytes: Uint8Array, ...exports: string[]): Promise<Uint8Array> {
  const manifest = v.parse(ManifestSchema, {
    ...{ schema: 1, name: 'guest', version: '1.0.0' },
    operations: exports.map((name, index) => ({
      name: `op${index}`,
      export: name,
      effect: 'read',
    })),
  });
  const admission = await admit(bytes, manifest, DEFAULT_LIMITS);
  if (!admission.ok) throw new Error(JSON.stringify(admission.findings));
  return admission.module;
}

async function runOne(
  cell: CellProcess,
  name: string,
  over: Partial<GuestRun> = {},
): Promise<GuestEnd> {
  const logs: string[] = [];
  const result = await cell.run({
    ...{ export: name, input: new Uint8Array(), config: {}, limits: DEFAULT_LIMITS },
    ...{ seed: '5eed'.repeat(16), startTime: '2026-11-23T08:00:00.250Z' },
    maxRequestBytes: 1_000_000,
    onLog: (level, message) => logs.push(`${level}: ${message}`),
    onRequest: async () => ({ failed: 'there is no network in this test', ms: 40 }),
    ...over,
  });
  if (result.kind === 'lost') throw new Error(`the cell was lost: ${result.reason}`);
  const { hostCalls } = result;
  if (result.kind === 'output') {
    return { end: 'output', text: new TextDecoder().decode(result.output), hostCalls, logs };
  }
  const isTrap = result.code === 'guest.trap' && !/exited with/.test(result.message);
  return { end: result.code, text: isTrap ? '' : result.message, hostCalls, logs };
}
