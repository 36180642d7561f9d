/** How often a property is tried: a seeded sample each time, the large count with `test --full`. */
export function runCount(sample: number, full: number): number {
  return process.env.PORTARIUM_TEST_FULL === '1' ? full : sample;
}
