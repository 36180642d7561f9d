import { beforeAll, expect, test } from 'bun:test';
import { runCount } from '@portarium/contracts/testing/run-count';
import type { RunningStack } from '@portarium/local/start-stack';
import { sharedStack } from '@portarium/local/testing/shared-services';
import { callStack } from '@portarium/local/testing/stack-calls';
import fc from 'fast-check';
import { ATTACKS, type Attack, FAMILIES, titleOf } from './corpus.ts';
import { type HealthReport, healthProblems, watchHealth } from './world/health-watch.ts';
import { carryOutInProduct, type ProductEnd } from './world/in-product.ts';
import { problemsInProduct } from './world/judge.ts';

const SEED = 20_261_128;
/** At once; the stack's own pool may have fewer places. */
const CALLERS = 3;

let stack: RunningStack;
const ends: { one: Attack; name: string; ends: readonly ProductEnd[] }[] = [];
let health: HealthReport;

beforeAll(async () => {
  stack = await sharedStack();
  const port = stack.status().find(({ part }) => part === 'sandbox')?.port;
  const watch = watchHealth(`http://127.0.0.1:${port}/healthz`);
  const left = FAMILIES.flatMap(({ name }) => sampleOf(name))
    .entries()
    .toArray();
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [index, one] = next;
      const name = `hostile-${index}`;
      ends.push({ one, name, ends: await carryOutInProduct(stack, one, name) });
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, work));
  health = await watch.report();
}, 1_800_000);

/** The same cases in each run; all of them with `--full`. */
function sampleOf(family: string): Attack[] {
  const cases = ATTACKS.filter((one) => one.family === family);
  const length = Math.min(runCount(2, cases.length), cases.length);
  const subarray = fc.shuffledSubarray(cases, { minLength: length, maxLength: length });
  return fc.sample(subarray, { seed: SEED, numRuns: 1 })[0] ?? [];
}

test(`hostile modules get their verdict in the whole product, from upload to outcome (seed ${SEED})`, () => {
  expect(ends.length).toBeGreaterThanOrEqual(2 * FAMILIES.length - 1);
  const wrong = ends.flatMap(({ one, ends }) =>
    problemsInProduct(one, ends).map((what) => `${titleOf(one)}: ${what}`),
  );
  expect(wrong).toEqual([]);
});

test('a rejected upload leaves nothing usable, and one evidence entry', async () => {
  const rejected = ends.filter(({ ends: [end] }) => end !== undefined && end.status >= 400);
  expect(rejected.length).toBeGreaterThan(5);
  const entries = await rejections();
  for (const {
    one,
    name,
    ends: [end],
  } of rejected) {
    const asked = await callStack(stack, 'operator', 'POST', '/actions', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ plugin: name, operation: 'run', input: '' }),
    });
    const found = await callStack(stack, 'auditor', 'GET', `/plugins/${name}/versions/1.0.0`);
    expect([titleOf(one), asked.status, found.status]).toEqual([titleOf(one), 404, 404]);
    // Of what is no manifest, nothing is known that an entry could name.
    if (end?.stage !== 'admission') continue;
    const about = entries.filter(({ data }) => data.name === name);
    expect([titleOf(one), about]).toEqual([
      titleOf(one),
      [
        {
          subject: { plugin: end.digest },
          data: { name, version: '1.0.0', rules: [...new Set(end.codes)] },
        },
      ],
    ]);
  }
});

test('the sandbox host answers its health check within 100 ms while hostile modules run', () => {
  console.log(`health under attack: ${JSON.stringify(health)}`);
  expect(healthProblems(health)).toEqual([]);
});

interface Rejection {
  readonly subject: unknown;
  readonly data: Readonly<Record<string, unknown>>;
}

async function rejections(): Promise<Rejection[]> {
  const found: Rejection[] = [];
  for (let after: string | undefined = ''; after !== undefined; ) {
    const path: string = `/evidence?limit=200${after === '' ? '' : `&after=${after}`}`;
    const page = (await (await callStack(stack, 'auditor', 'GET', path)).json()) as {
      items: { entry: Rejection & { type: string } }[];
      next?: string;
    };
    for (const { entry } of page.items) {
      if (entry.type === 'plugin.rejected')
        found.push({ subject: entry.subject, data: entry.data });
    }
    after = page.next;
  }
  return found;
}
