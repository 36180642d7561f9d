/** How cases are timed: warm-up, then alternating blocks, so that a drifting machine hits all alike. */

export interface Case {
  readonly name: string;
  readonly n: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly perSecond: number;
}

export interface Ratio {
  readonly name: string;
  readonly value: number;
  readonly aim: number;
  readonly ok: boolean;
  /** Why the aim was not reached. */
  readonly missed?: string;
}

export interface Measured {
  readonly cases: readonly Case[];
  readonly ratios: readonly Ratio[];
  /** Most resident memory of processes, by their names. */
  readonly peakMiB?: Readonly<Record<string, number>>;
}

export interface BenchResult extends Measured {
  readonly bench: string;
  readonly commit: string;
  readonly machine: string;
}

export interface Subject {
  readonly name: string;
  /** One operation, from the caller's side. */
  run(): Promise<unknown>;
}

/**
 * Times each subject in turn, `blocks` times `blockSize` operations with `concurrency` in flight.
 * @returns one case a subject, in their order
 */
export async function alternate(
  subjects: readonly Subject[],
  options: {
    readonly blocks: number;
    readonly blockSize: number;
    readonly concurrency: number;
    readonly warmUp: number;
  },
): Promise<readonly Case[]> {
  for (const subject of subjects) await block(subject, options.warmUp, options.concurrency);
  const durations = subjects.map(() => [] as number[]);
  const elapsed = subjects.map(() => 0);
  for (let i = 0; i < options.blocks; i++) {
    for (const [index, subject] of subjects.entries()) {
      const started = performance.now();
      durations[index]?.push(...(await block(subject, options.blockSize, options.concurrency)));
      elapsed[index] = (elapsed[index] ?? 0) + performance.now() - started;
    }
  }
  return subjects.map((subject, index) =>
    summarise(subject.name, durations[index] ?? [], elapsed[index] ?? 1),
  );
}

async function block(subject: Subject, size: number, concurrency: number): Promise<number[]> {
  const durations: number[] = [];
  let left = size;
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      const started = performance.now();
      await subject.run();
      durations.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return durations;
}

/** @param elapsedMs of the clock while they were made */
export function summarise(name: string, durations: readonly number[], elapsedMs: number): Case {
  const sorted = [...durations].sort((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return {
    name,
    n: sorted.length,
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    perSecond: (sorted.length / elapsedMs) * 1000,
  };
}
