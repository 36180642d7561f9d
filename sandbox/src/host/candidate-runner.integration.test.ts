import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makeId, type WorkspaceId } from '@portarium/contracts/ids';
import type { CandidateDispatch } from '@portarium/contracts/internal-api';
import { encodeFrame } from '../cell/wire.ts';
import { CandidateRunner } from './candidate-runner.ts';
import type { CellCommand } from './cell-process.ts';
import { ControlClient } from './control-client.ts';

/** Comes up as a cell does, and takes for ever to compile. */
const octal = (bytes: Uint8Array) =>
  [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
const SLOW: CellCommand = {
  command: '/bin/sh',
  args: ['-c', `printf '${octal(encodeFrame(0, { type: 'ready' }))}'; exec cat >/dev/null`],
};

let server: Server;
let url = '';
/** Workspaces whose modules were fetched, in order. */
const taken: string[] = [];
beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Uint8Array[] = [];
    request.on('data', (chunk: Uint8Array) => chunks.push(chunk));
    request.on('end', () => {
      taken.push((JSON.parse(Buffer.concat(chunks).toString()) as CandidateDispatch).workspace);
      response.end(new Uint8Array(8));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function newRunner(most: number): CandidateRunner {
  taken.splice(0);
  const control = new ControlClient({ url, hostKey: 'ptk_host_secret' });
  return new CandidateRunner({
    control,
    program: SLOW,
    isolation: 'process',
    engine: 'test',
    most,
  });
}

let count = 0;
const upload = (workspace: string): CandidateDispatch => ({
  workspace: workspace as WorkspaceId,
  plugin: makeId('plugin', ++count, new Uint8Array(10)),
});

/** A module that was let in takes far longer than this. */
const atOnce = <T>(run: Promise<T>) =>
  Promise.race([run, new Promise((resolve) => setTimeout(resolve, 5_000, 'it waits'))]);

async function untilTaken(number: number): Promise<void> {
  while (taken.length < number) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('a host that stops gives up the module that it tries, and those that wait', async () => {
  const runner = newRunner(4);
  const stop = new AbortController();
  const first = runner.run(upload('a'), stop.signal);
  await untilTaken(1);
  const second = runner.run(upload('b'), stop.signal);
  const started = performance.now();
  runner.drain();
  expect(await second).toEqual({ end: 'again', reason: 'this sandbox host is stopping' });
  stop.abort();
  expect((await first).end).toBe('again');
  expect(performance.now() - started).toBeLessThan(2_000);
  await runner.close();
}, 60_000);

test('uploads of one workspace keep no other waiting, and no attempt from its place', async () => {
  const runner = newRunner(4);
  const stops = Array.from({ length: 4 }, () => new AbortController());
  const [first, second, third, fourth] = stops;
  const busy = {
    end: 'again',
    reason: 'this sandbox host tries as many modules as it may',
  } as const;
  const runs = [runner.run(upload('a'), first?.signal)];
  await untilTaken(1);
  runs.push(runner.run(upload('a'), second?.signal));
  expect(await atOnce(runner.run(upload('a')))).toEqual(busy);
  runs.push(runner.run(upload('b'), third?.signal), runner.run(upload('c'), fourth?.signal));
  expect(await atOnce(runner.run(upload('d')))).toEqual(busy);
  first?.abort();
  await untilTaken(2);
  expect(taken).toEqual(['a', 'b']);
  runner.drain();
  for (const stop of stops) stop.abort();
  for (const run of runs) expect((await run).end).toBe('again');
  await runner.close();
}, 60_000);
