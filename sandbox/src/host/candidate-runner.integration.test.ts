import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CandidateDispatch } from '@portarium/contracts/internal-api';
import { CandidateRunner } from './candidate-runner.ts';
import { type CellProgram, prepareCellProgram } from './cell-program.ts';
import { ControlClient } from './control-client.ts';

/** A Control Plane that is slow, and waits for none of the modules; it notes who was asked for. */
let server: Server;
let program: CellProgram;
const asked: string[] = [];

beforeAll(async () => {
  program = await prepareCellProgram(process.env.PATH ?? '');
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    asked.push((JSON.parse(body) as CandidateDispatch).workspace);
    await new Promise((resolve) => setTimeout(resolve, 50));
    response.writeHead(404, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify({ code: 'not-found', detail: 'no upload waits' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server?.close();
  await program?.remove();
});

function newRunner(waiting: number): CandidateRunner {
  const { port } = server.address() as AddressInfo;
  const control = new ControlClient({ url: `http://127.0.0.1:${port}`, hostKey: 'ptk_x' });
  return new CandidateRunner({ control, program, isolation: 'process', engine: 'test', waiting });
}

const dispatch = (workspace: string, n: number) =>
  ({ workspace, plugin: `plg_${String(n).padStart(32, '0')}` }) as CandidateDispatch;

test('one workspace’s uploads keep no other’s from its turn', async () => {
  const runner = newRunner(8);
  asked.length = 0;
  const flood = [1, 2, 3, 4].map((n) => runner.run(dispatch('flood', n)));
  const calm = runner.run(dispatch('calm', 5));
  await Promise.all([...flood, calm]);
  expect(asked).toEqual(['flood', 'calm', 'flood', 'flood', 'flood']);
  await runner.close();
});

test('modules that wait take no more than their part of a host, and are tried again', async () => {
  const runner = newRunner(2);
  const runs = ['a', 'a', 'a', 'b', 'c'].map((workspace, n) => runner.run(dispatch(workspace, n)));
  const ends = (await Promise.all(runs)).map(({ end }) => end);
  // The first is tried, one more of its workspace and the first of the next wait.
  expect(ends).toEqual(['gone', 'gone', 'again', 'gone', 'again']);
  await runner.close();
});
