/** Whether the engine compiles: some limits of memory turn its compiler off, without a word. */

/** `run(n)`: n times `x = x * 31 + n`, in 32 bits. */
// biome-ignore format: one line for each section
const LOOP = Uint8Array.of(
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
  0x01, 0x06, 0x01, 0x60, 0x01, 0x7f, 0x01, 0x7f,
  0x03, 0x02, 0x01, 0x00,
  0x07, 0x07, 0x01, 0x03, 0x72, 0x75, 0x6e, 0x00, 0x00,
  0x0a, 0x1e, 0x01, 0x1c, 0x01, 0x01, 0x7f,
  0x03, 0x40, 0x20, 0x01, 0x41, 0x1f, 0x6c, 0x20, 0x00, 0x6a, 0x21, 0x01,
  0x20, 0x00, 0x41, 0x01, 0x6b, 0x22, 0x00, 0x0d, 0x00, 0x0b, 0x20, 0x01, 0x0b,
);
const ROUNDS = 10_000;
/** Compiled about 1.1 on the machine of the design, interpreted 13 to 25. */
const MOST_NANOSECONDS = 7;
/** The compiler works beside the loop, and the machine may be busy: only the best run counts. */
const PATIENCE_MS = 2_000;

/**
 * Runs a loop of WebAssembly until it is as fast as compiled code: about a millisecond.
 *
 * @throws Error when it never is
 */
export function checkCompiler(): void {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(LOOP));
  const run = exports.run as (rounds: number) => number;
  const started = performance.now();
  let best = Number.POSITIVE_INFINITY;
  let now = started;
  while (now - started < PATIENCE_MS) {
    run(ROUNDS);
    const after = performance.now();
    best = Math.min(best, ((after - now) * 1e6) / ROUNDS);
    if (best <= MOST_NANOSECONDS) return;
    now = after;
  }
  throw new Error(
    `the engine does not compile: a round of the loop takes ${best.toFixed(1)} ns, at most ${MOST_NANOSECONDS}`,
  );
}
