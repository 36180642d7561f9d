/**
 * What a host on the runtime that this runs on knows of attempts whose process ended by itself. Arguments:
 * the executable of the process, its script, and how many milliseconds the host is kept from looking.
 * Prints the usage as a line of JSON.
 */
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { CellProcess } from '../host/cell-process.ts';
import { type GuestEgress, runGuest } from '../host/run-guest.ts';

const EGRESS: GuestEgress = {
  request: () => Promise.reject(new Error('no requests here')),
  close: async () => undefined,
  ...{ count: 0, bytesOut: 0, bytesIn: 0, unreplayed: 0, refusal: undefined },
};
const ORDER = {
  operation: { name: 'run', export: 'run', effect: 'write', encoding: 'text' } as const,
  limits: DEFAULT_LIMITS,
  ...{ input: '', config: {}, seed: '0'.repeat(64), startTime: '2026-01-01T00:00:00.000Z' },
};

const [command = '', script = '', busyMs = '0'] = process.argv.slice(2);
const cell = new CellProcess({ command, args: ['-e', script] });
if (!(await cell.ready) || !(await cell.bind(new Uint8Array(8), 64)).ok) {
  throw new Error(cell.lostReason ?? 'the process does not speak as a cell does');
}
const running = runGuest(cell, ORDER, EGRESS, new AbortController().signal);
if (Number(busyMs) > 0) {
  setImmediate(() => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(busyMs));
  });
}
const { outcome } = await running;
console.log(JSON.stringify({ ...outcome.usage, code: outcome.error?.code }));
