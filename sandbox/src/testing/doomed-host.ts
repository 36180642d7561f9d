/** A host for one test: starts an idle cell and a cell in an endless loop, and prints their ids. */
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { CellProcess } from '../host/cell-process.ts';
import { prepareCellProgram } from '../host/cell-program.ts';

const module = Buffer.from(await Bun.stdin.text(), 'base64');
const program = await prepareCellProgram(process.env.PATH ?? '');
const idle = new CellProcess(program);
const busy = new CellProcess(program);
await Promise.all([idle.ready, busy.ready]);
await program.remove();
await busy.bind(new Uint8Array(module), DEFAULT_LIMITS.memoryMiB);
busy.run({
  export: 'spin',
  input: new Uint8Array(),
  config: {},
  limits: DEFAULT_LIMITS,
  seed: '0'.repeat(64),
  startTime: '2026-01-01T00:00:00.000Z',
  maxRequestBytes: 0,
  onLog: () => undefined,
  onRequest: () => Promise.reject(new Error('no requests here')),
});
console.log(JSON.stringify([idle.pid, busy.pid]));
