/**
 * Runs a module under Extism as it comes, and prints what came of each call as JSON. The order comes
 * as JSON on standard input: {wasm, wasi, config, hosts, calls: [[export, input as base64], …]}.
 */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { createPlugin } from '@extism/extism';

const { wasm, wasi, config, hosts, calls } = JSON.parse(await text(process.stdin));
const logs = [];
const levels = ['trace', 'debug', 'info', 'warn', 'error'];
const logger = Object.fromEntries(
  levels.map((level) => [level, (line) => logs.push(`${level}: ${line}`)]),
);
const plugin = await createPlugin(
  { wasm: [{ data: new Uint8Array(await readFile(wasm)) }] },
  {
    // With WASI it runs on Node, which lets a guest wait for a response only in a worker.
    ...{ useWasi: wasi, enableWasiOutput: false, runInWorker: wasi },
    ...{ config, allowedHosts: hosts, logger, logLevel: 'trace', allowHttpResponseHeaders: true },
  },
);
const ends = [];
for (const [name, input] of calls) {
  logs.length = 0;
  const end = await plugin.call(name, new Uint8Array(Buffer.from(input, 'base64'))).then(
    (output) => ({ output: Buffer.from(output?.bytes() ?? []).toString('base64') }),
    (error) => ({ error: String(error?.message ?? String(error)) }),
  );
  ends.push({ ...end, logs: [...logs] });
}
console.log(JSON.stringify(ends));
process.exit(0);
