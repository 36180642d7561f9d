/**
 * Asks a host for its health every 20 ms until its standard input ends, then prints one line:
 * {@link HealthReport}. A process of its own, so that nothing of a test delays it.
 */
import { Agent, get } from 'node:http';

export interface HealthReport {
  readonly answers: number;
  /** Answers that took longer than 100 ms. */
  readonly late: number;
  /** Late ones for which the machine did not let this process run in time either. */
  readonly excused: number;
  /** Requests without an answer. */
  readonly failed: number;
  readonly p99Ms: number;
  readonly mostMs: number;
}

const EVERY_MS = 20;
const IN_TIME_MS = 100;
/** Own timers later than this show a machine that is too busy to be measured on. */
const STARVED_MS = 25;

const url = process.argv[2] ?? '';
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

/** Latest delay of a timer of this process, and when it was seen. */
let starvedAt = Number.NEGATIVE_INFINITY;
let expected = performance.now() + 5;
setInterval(() => {
  const now = performance.now();
  if (now - expected > STARVED_MS) starvedAt = now;
  expected = now + 5;
}, 5);

const times: number[] = [];
let [late, excused, failed] = [0, 0, 0];
let running = true;
process.stdin.resume().on('end', () => {
  running = false;
});

while (running) {
  const asked = performance.now();
  if (!(await answers())) failed++;
  else {
    const ms = performance.now() - asked;
    times.push(ms);
    if (ms > IN_TIME_MS) {
      late++;
      // A timer that was due meanwhile runs first.
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (starvedAt >= asked) excused++;
    }
  }
  await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
}

times.sort((a, b) => a - b);
const report: HealthReport = {
  ...{ answers: times.length, late, excused, failed },
  p99Ms: times[Math.floor(times.length * 0.99)] ?? 0,
  mostMs: times.at(-1) ?? 0,
};
console.log(JSON.stringify(report));
process.exit(0);

/** Whatever it says: an answer is an answer. */
function answers(): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = get(url, { agent, timeout: 5_000 }, (response) => {
      response.resume().once('end', () => resolve(true));
    });
    asking.once('timeout', () => asking.destroy(new Error('no answer')));
    asking.once('error', () => resolve(false));
  });
}
