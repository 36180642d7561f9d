/** @returns milliseconds that this process computed since `started`: the same on a busy machine */
export function cpuMs(started: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1_000;
}
