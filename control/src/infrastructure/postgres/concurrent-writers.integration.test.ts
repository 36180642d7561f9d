import { expect, test } from 'bun:test';
import { examineLog } from '../../testing/examine-log.ts';
import {
  type RunningWriter,
  startLogWriter,
  type UnitEnd,
} from '../../testing/start-log-writer.ts';
import { startTestLog, type TestLog } from '../../testing/test-log.ts';
import { connect, type Sql } from './connect.ts';

const SEED = 20_261_129;
const FULL = process.env.PORTARIUM_TEST_FULL === '1';
const WORKSPACE = 'shared';
const WRITERS = 3;
/** Faults of each kind. */
const ROUNDS = FULL ? 12 : 3;
/** Units that end between two faults. */
const BETWEEN = FULL ? 200 : 60;
const TASK = { units: 1_000_000, inFlight: 8, failing: 0.2 };
const PROGRESS_MS = 120_000;

type Fault = 'connections' | 'writer' | 'database';

/** Mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Writers {
  readonly #running: RunningWriter[] = [];
  readonly #ended: RunningWriter[] = [];
  readonly #url: string;
  #made = 0;

  constructor(url: string) {
    this.#url = url;
    for (let i = 0; i < WRITERS; i++) this.#start(i);
  }

  #start(place: number): void {
    const name = `w${++this.#made}`;
    const seed = SEED + this.#made;
    const writer = startLogWriter({ url: this.#url, workspace: WORKSPACE, name, seed });
    // It never answers all: it is killed.
    writer.run(TASK).catch(() => undefined);
    this.#running[place] = writer;
  }

  async replace(place: number): Promise<void> {
    const writer = this.#running[place];
    if (!writer) return;
    await writer.kill();
    this.#ended.push(writer);
    this.#start(place);
  }

  async killAll(): Promise<void> {
    await Promise.all(this.#running.map((writer) => writer.kill()));
  }

  ends(): Map<string, UnitEnd> {
    return new Map([...this.#ended, ...this.#running].flatMap(({ ends }) => [...ends]));
  }

  /** Waits until so many more units were stored, by each writer that runs at least one. */
  async progress(units: number): Promise<void> {
    const stored = () => [...this.ends().values()].filter((end) => end === 'stored').length;
    const each = () => this.#running.every(({ ends }) => [...ends.values()].includes('stored'));
    const wanted = stored() + units;
    const until = performance.now() + PROGRESS_MS;
    while (stored() < wanted || !each()) {
      if (performance.now() > until) throw new Error(`no progress (seed ${SEED})`);
      await Bun.sleep(10);
    }
  }
}

async function strike(
  fault: Fault,
  parts: { log: TestLog; owner: Sql; writers: Writers; random: () => number },
): Promise<void> {
  const { log, owner, writers, random } = parts;
  if (fault === 'database') await log.restart();
  if (fault === 'writer') await writers.replace(Math.floor(random() * WRITERS));
  if (fault === 'connections') {
    await owner`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = 'log-writer' AND pid % 2 = ${Math.floor(random() * 2)}`;
  }
}

test(`a log that replicas write while connections, writers and the database are killed is gapless, unforked and monotone (seed ${SEED})`, async () => {
  await using log = await startTestLog();
  const owner = connect(log.ownerUrl, { max: 1, name: 'test-owner' });
  const random = randomFrom(SEED);
  const faults = (['connections', 'writer', 'database'] as const)
    .flatMap((fault) => Array.from({ length: ROUNDS }, () => ({ fault, at: random() })))
    .sort((a, b) => a.at - b.at);
  const writers = new Writers(log.runtimeUrl);
  try {
    for (const { fault } of faults) {
      await writers.progress(BETWEEN);
      await strike(fault, { log, owner, writers, random });
    }
    await writers.progress(BETWEEN);
  } finally {
    await writers.killAll();
    await owner.end({ timeout: 1 });
  }
  const ends = writers.ends();
  const examined = await examineLog(log.ownerUrl, WORKSPACE, ends);
  expect(examined.problems).toEqual([]);
  const count = (end: UnitEnd) => [...ends.values()].filter((one) => one === end).length;
  expect(examined.units.size).toBeGreaterThanOrEqual(count('stored'));
  expect(count('stored')).toBeGreaterThanOrEqual((faults.length + 1) * BETWEEN);
  expect(count('failed')).toBeGreaterThan(BETWEEN);
  expect(count('unknown')).toBeGreaterThan(0);
  expect(examined.mostTogether).toBeGreaterThan(1);
}, 1_200_000);
