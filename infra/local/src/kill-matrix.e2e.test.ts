import { afterAll, beforeAll, expect, test } from 'bun:test';
import { randomUUID } from 'node:crypto';
import { runCount } from '@portarium/contracts/testing/run-count';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { startFaultProxy } from './testing/fault-proxy.ts';
import {
  countsOf,
  killRound,
  type Result,
  tableOf,
  untilReady,
  VICTIMS,
} from './testing/kill-round.ts';
import { replayStack } from './testing/replay-stack.ts';
import { startOwnHost } from './testing/sandbox-host.ts';
import { exportBundle } from './testing/stack-calls.ts';
import {
  approveWrite,
  requestWrite,
  startWriteRig,
  untilEnded,
  type WriteRig,
} from './testing/write-rig.ts';
import { STEPS, type Step } from './testing/write-steps.ts';

const ROUND_TIMEOUT_MS = 180_000;
const STOPPED_TIMEOUT_MS = 180_000;
/** A woken host would have sent long before. */
const AWAKE_MS = 3_000;
/** Passes over the whole matrix: 3 × 6 victims × 8 steps × 2 kinds are 288 writes. */
const PASSES = runCount(1, 3);
const STEPS_A_ROUND = runCount(2, 4);
const SEED = 20_261_123;

let rig: WriteRig;
const results: Result[] = [];

beforeAll(async () => {
  rig = await startWriteRig(2 * STEPS_A_ROUND);
}, 180_000);
afterAll(async () => {
  if (PASSES > 1) console.log(tableOf(results, STEPS));
  await rig?.[Symbol.asyncDispose]();
}, 60_000);

/** What the promise says of one write, whatever was killed when. */
function assertSafe(result: Result): void {
  const { keyed, requests, effects, keys, state, journal } = result;
  const about = JSON.stringify(result);
  if (keyed) {
    expect(effects, about).toBeLessThanOrEqual(1);
    expect(keys.length, about).toBeLessThanOrEqual(1);
    expect(keys.includes(undefined), about).toBe(false);
  } else {
    expect(requests, about).toBeLessThanOrEqual(1);
    expect(
      keys.every((key) => key === undefined),
      about,
    ).toBe(true);
  }
  expect(['succeeded', 'failed', 'outcome-unknown'], about).toContain(state);
  if (state === 'succeeded') expect(effects, about).toBe(1);
  // A failure may follow an answer that is known; never a write whose outcome nobody saw.
  if (state === 'failed') {
    expect(journal, about).not.toContain('open');
    if (!journal.includes('allowed')) expect(requests, about).toBe(0);
  }
}

/** The steps in an order that the seed decides (mulberry32). */
function shuffledSteps(seed: number): readonly Step[] {
  let state = seed;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return STEPS.map((step) => ({ step, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ step }) => step);
}

/** Rounds of steps: all of them, a few at a time, in full; else the seed's choice. */
function roundsOf(pass: number, victim: number): readonly (readonly Step[])[] {
  const order = shuffledSteps(SEED + pass * VICTIMS.length + victim);
  if (PASSES === 1) return [order.slice(0, STEPS_A_ROUND)];
  return [order.slice(0, STEPS_A_ROUND), order.slice(STEPS_A_ROUND)];
}

for (let pass = 0; pass < PASSES; pass++) {
  for (const [i, victim] of VICTIMS.entries()) {
    for (const steps of roundsOf(pass, i)) {
      const what = `${victim} is killed at the steps ${steps.join(', ')}`;
      test(
        `every write is safe and reaches an end when ${what} (seed ${SEED}, pass ${pass + 1})`,
        async () => {
          const round = await killRound(rig, victim, steps);
          results.push(...round);
          for (const result of round) assertSafe(result);
          if (victim === 'nothing') {
            const seen = round.map(({ state, atStep, requests }) => [state, atStep, requests]);
            expect(seen).toEqual(round.map(() => ['succeeded', true, 1]));
          }
        },
        ROUND_TIMEOUT_MS,
      );
    }
  }
}

test(
  'a write whose host dies after sending it is sent again with the same key, and without a key never',
  async () => {
    const round = await killRound(rig, 'sandbox host', ['after send']);
    results.push(...round);
    for (const result of round) assertSafe(result);
    const seen = round.map(({ keyed, state, atStep, requests, effects }) => ({
      ...{ keyed, state, atStep, requests, effects },
    }));
    expect(seen).toEqual([
      { keyed: true, state: 'succeeded', atStep: true, requests: 2, effects: 1 },
      { keyed: false, state: 'outcome-unknown', atStep: true, requests: 1, effects: 1 },
    ]);
  },
  ROUND_TIMEOUT_MS,
);

for (const keyed of [true, false]) {
  const key = keyed ? 'with' : 'without';
  test(
    `a host that is stopped between acknowledgement and send of a write ${key} a key, and wakes up after the takeover, sends nothing`,
    async () => {
      await using late = await startFaultProxy();
      late.forwardTo(rig.stack.url);
      await using host = await startOwnHost(rig.stack, late.url);
      await untilReady(rig);
      const id = `w-${randomUUID()}`;
      const action = await requestWrite(rig.stack, id, keyed);
      // While the supervised host starts anew, the other one is alone; were it not, claims are lost.
      const steer = rig.proxy.at('claims', 'before-forward', (claim) =>
        claim.action === action.id ? 'drop' : undefined,
      );
      const stopped = Promise.withResolvers<unknown>();
      late.at('intents', 'before-answer', ({ action: asking, answer }) => {
        if (asking !== action.id) return;
        // The acknowledgement is durable, and reaches a host that can not act on it.
        process.kill(host.pid, 'SIGSTOP');
        stopped.resolve((answer?.body as { status: string } | undefined)?.status);
      });
      process.kill(rig.stack.pidOf('sandbox') ?? -1, 'SIGKILL');
      await approveWrite(rig.stack, action);
      expect(await stopped.promise).toBe('send');
      steer();
      const { state, error } = await untilEnded(rig.stack, action.id, STOPPED_TIMEOUT_MS);
      const before = countsOf(rig, id);
      process.kill(host.pid, 'SIGCONT');
      await Bun.sleep(AWAKE_MS);
      expect(countsOf(rig, id)).toEqual(before);
      const { requests, effects } = before;
      expect({ state, error: error?.code, requests, effects }).toEqual(
        keyed
          ? { state: 'succeeded', error: undefined, requests: 1, effects: 1 }
          : { state: 'outcome-unknown', error: 'outcome.unknown', requests: 0, effects: 0 },
      );
    },
    STOPPED_TIMEOUT_MS,
  );
}

test('the evidence of all these writes verifies offline, and nothing was sent since', async () => {
  const { bundle, pin } = await exportBundle(rig.stack);
  const report = await verifyBundle(bundle, { pin });
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
  for (const { id, requests, effects, keys } of results) {
    expect(countsOf(rig, id)).toEqual({ requests, effects, keys });
  }
}, 60_000);

test('every attempt of these writes replays on Bun and on Deno, lost and killed ones too', async () => {
  const { ok, attempts, findings, notReplayable, output } = await replayStack(rig.stack);
  expect([ok, findings, notReplayable], output.slice(-20_000)).toEqual([true, 0, 0]);
  expect(attempts).toBeGreaterThanOrEqual(results.length);
}, 600_000);
