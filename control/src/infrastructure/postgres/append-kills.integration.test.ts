import { afterAll, beforeAll, expect, test } from 'bun:test';
import { examineLog } from '../../testing/examine-log.ts';
import { type Point, type PostgresDoor, startPostgresDoor } from '../../testing/postgres-door.ts';
import {
  type RunningWriter,
  startLogWriter,
  type UnitEnd,
} from '../../testing/start-log-writer.ts';
import { startTestLog, type TestLog } from '../../testing/test-log.ts';
import { connect, type Sql } from './connect.ts';

const WORKSPACE = 'killed';
const before = (statement: RegExp): Point => ({ statement, when: 'before' });

interface Step {
  readonly name: string;
  readonly point: Point;
  readonly stored: boolean;
  /** Only the first unit is in the transaction yet; the others go on in the next. */
  readonly early?: true;
}

/** The way of an append. Whatever is killed before the commit leaves nothing, and what comes after it nothing out. */
const STEPS: readonly Step[] = [
  { name: 'before it begins', point: before(/^begin/i), stored: false },
  { name: 'before it is bound', point: before(/set_config/), stored: false, early: true },
  {
    ...{ name: 'before a unit’s row', point: before(/INTO idempotency_keys/) },
    ...{ stored: false, early: true },
  },
  { name: 'after the units', point: before(/FROM log_heads .* FOR UPDATE/s), stored: false },
  { name: 'after the head’s lock', point: before(/INTO log_entries/), stored: false },
  { name: 'after the insert', point: before(/^commit/i), stored: false },
  { name: 'at the commit', point: { statement: /^commit/i, when: 'answered' }, stored: true },
];
const VICTIMS = ['the writer', 'its backend', 'PostgreSQL'] as const;

let log: TestLog;
let door: PostgresDoor;
let owner: Sql;
const ends = new Map<string, UnitEnd>();
beforeAll(async () => {
  log = await startTestLog();
  door = await startPostgresDoor(log.runtimeUrl);
  owner = connect(log.ownerUrl, { max: 1, name: 'test-owner' });
}, 300_000);
afterAll(async () => {
  await owner.end({ timeout: 1 });
  await door[Symbol.asyncDispose]();
  await log[Symbol.asyncDispose]();
}, 60_000);

async function kill(victim: (typeof VICTIMS)[number], writer: RunningWriter): Promise<void> {
  if (victim === 'the writer') await writer.kill();
  if (victim === 'its backend') {
    await owner`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'log-writer'`;
  }
  if (victim === 'PostgreSQL') await log.restart();
}

let round = 0;
for (const victim of VICTIMS) {
  for (const { name, point, stored, early = false } of STEPS) {
    for (const units of [1, 3]) {
      const what = units === 1 ? 'an append' : 'an append of three units';
      test(`${what} whose way ends ${name}, since ${victim} is killed, is ${stored ? 'complete' : 'absent'}`, async () => {
        const url = door.through(log.runtimeUrl);
        const own = `w${++round}`;
        const writer = startLogWriter({ url, workspace: WORKSPACE, name: own, seed: round });
        const task = { units, inFlight: units, failing: 0 };
        // The first unit opens the connection and prepares the statements.
        await writer.run({ units: 1, inFlight: 1, failing: 0 });
        const held = door.hold(point);
        const answered = writer.run(task).then(
          () => 'answered',
          () => 'gone',
        );
        await held;
        await kill(victim, writer);
        expect(await answered).toBe(victim === 'the writer' ? 'gone' : 'answered');
        if (victim !== 'the writer') {
          // What became of it is not known to the writer, who goes on; a database that starts may not take more yet.
          const told = Array.from({ length: units }, (_, i) => writer.ends.get(`${own}-${i + 1}`));
          const next =
            victim === 'PostgreSQL' ? expect.stringMatching(/^(stored|unknown)$/) : 'stored';
          expect(told).toEqual(told.map((_, i) => (early && i > 0 ? next : 'unknown')));
          const last = () => [...writer.ends.values()].at(-1);
          // An idle connection of its pool may be gone as well.
          for (let run = 0; run < 5 && last() !== 'stored'; run++) {
            await writer.run({ units: 1, inFlight: 1, failing: 0 });
          }
          expect(last()).toBe('stored');
          await writer.kill();
        }
        for (const [unit, end] of writer.ends) ends.set(unit, end);
        const examined = await examineLog(log.ownerUrl, WORKSPACE, ends);
        expect(examined.problems).toEqual([]);
        const there = Array.from({ length: units }, (_, i) =>
          examined.units.has(`${own}-${i + 1}`),
        );
        const goneOn = there.map((_, i) => writer.ends.get(`${own}-${i + 1}`) === 'stored');
        expect(there).toEqual(goneOn.map((one) => stored || one));
      }, 180_000);
    }
  }
}
