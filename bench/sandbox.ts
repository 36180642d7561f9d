/**
 * What isolation costs: an attempt in a cell of its own with a fresh instance, beside Extism in the
 * caller's process and in a worker, which keep one instance. The same guest, in one run, on Bun and on Deno:
 * warm with 5 ms between two calls, as fast as it goes, and cold, from uploaded bytes to the first result.
 */
import { type ChildLines, startChild } from './child-lines.ts';
import { type Case, type Measured, type Ratio, summarise } from './measure.ts';

const LOOP = 'sandbox/src/testing/attempt-loop.ts';
const RUNTIMES = ['bun', 'deno'] as const;
const WAYS = {
  cell: 'isolated cell',
  worker: 'Extism worker',
  extism: 'Extism in-process',
  fresh: 'Extism in-process, fresh instance',
} as const;
type Way = keyof typeof WAYS;
type Runtime = (typeof RUNTIMES)[number];

interface Kind {
  readonly name: string;
  readonly ways: readonly Way[];
  readonly blocks: number;
  readonly warmUp: number;
  readonly block: {
    readonly size: number;
    readonly inFlight: number;
    readonly thinkMs: number;
    readonly cold?: true;
  };
}

const KINDS: readonly Kind[] = [
  {
    ...{ name: '5 ms apart', ways: ['cell', 'worker', 'extism', 'fresh'], blocks: 4, warmUp: 100 },
    block: { size: 125, inFlight: 1, thinkMs: 5 },
  },
  {
    ...{ name: 'saturated, 1 lane', ways: ['cell', 'worker', 'extism'], blocks: 4, warmUp: 100 },
    block: { size: 500, inFlight: 1, thinkMs: 0 },
  },
  {
    ...{ name: 'saturated, 2 lanes', ways: ['cell', 'worker', 'extism'], blocks: 4, warmUp: 100 },
    block: { size: 500, inFlight: 2, thinkMs: 0 },
  },
  {
    ...{ name: 'cold', ways: ['cell', 'worker', 'extism'], blocks: 3, warmUp: 3 },
    block: { size: 10, inFlight: 1, thinkMs: 100, cold: true },
  },
];

const AIMS = { beside: 1, warmMs: 0.1, coldMs: 100 };

export async function benchSandbox(tell: (text: string) => void): Promise<Measured> {
  const module = await guest();
  const children = RUNTIMES.map((runtime) => [runtime, startChild(LOOP, runtime)] as const);
  const cases = new Map<string, Case>();
  try {
    for (const kind of KINDS) {
      tell(kind.name);
      for (const [name, one] of await measure(kind, children, module)) cases.set(name, one);
    }
  } finally {
    for (const [, child] of children) child.stop();
  }
  return { cases: [...cases.values()], ratios: ratios(cases) };
}

/** Compiled once, on Bun, so that all measure the same bytes. */
async function guest(): Promise<string> {
  const child = startChild(LOOP);
  child.tell(JSON.stringify({ way: 'module' }));
  const { module } = JSON.parse(await child.line()) as { module: string };
  child.stop();
  return module;
}

const nameOf = (kind: string, way: Way, runtime: Runtime) => `${WAYS[way]}, ${kind}, ${runtime}`;

/** In turn, block by block, so that a drifting machine hits all alike. */
async function measure(
  { name, ways, blocks, warmUp, block }: Kind,
  children: readonly (readonly [Runtime, ChildLines])[],
  module: string,
): Promise<readonly (readonly [string, Case])[]> {
  const subjects = children.flatMap(([runtime, child]) =>
    ways.map((way) => ({ runtime, child, way, durations: [] as number[], elapsedMs: 0 })),
  );
  const run = async ({ child, way }: (typeof subjects)[number], size: number) => {
    child.tell(JSON.stringify({ ...block, way, size, module }));
    return JSON.parse(await child.line()) as { durations: number[]; elapsedMs: number };
  };
  for (const subject of subjects) await run(subject, warmUp);
  for (let i = 0; i < blocks; i++) {
    for (const subject of subjects) {
      const { durations, elapsedMs } = await run(subject, block.size);
      subject.durations.push(...durations);
      subject.elapsedMs += elapsedMs;
    }
  }
  return subjects.map(({ runtime, way, durations, elapsedMs }) => {
    const title = nameOf(name, way, runtime);
    return [title, summarise(title, durations, elapsedMs)] as const;
  });
}

function ratios(cases: ReadonlyMap<string, Case>): readonly Ratio[] {
  const p50 = (kind: string, way: Way, runtime: Runtime) =>
    cases.get(nameOf(kind, way, runtime))?.p50Ms ?? Number.NaN;
  const warm = (way: Way, runtime: Runtime) => p50('5 ms apart', way, runtime);
  return [
    ...RUNTIMES.map((runtime) =>
      ratio(
        `p50 5 ms apart, cell / worker, ${runtime}`,
        warm('cell', runtime) / warm('worker', runtime),
        AIMS.beside,
      ),
    ),
    ratio('p50 milliseconds 5 ms apart, bun', warm('cell', 'bun'), AIMS.warmMs),
    ...RUNTIMES.map((runtime) =>
      ratio(`p50 milliseconds cold, ${runtime}`, p50('cold', 'cell', runtime), AIMS.coldMs),
    ),
  ];
}

function ratio(name: string, value: number, aim: number): Ratio {
  const ok = value <= aim;
  return { name, value, aim, ok, ...(ok ? {} : { missed: 'see docs/reference/proofs.md' }) };
}
