/**
 * A write that people approved, with its journal, beside the same HTTP call made plainly, to the same
 * counterpart in the same run. One action makes many writes in a row; what one of them costs is the time
 * between two arrivals, so that neither Temporal nor the start of the guest is in it.
 */
import { Agent, request as httpRequest } from 'node:http';
import type { RunningStack } from '@portarium/local/start-stack';
import type { RecordingCounterpart } from '@portarium/local/testing/recording-counterpart';
import { callStack } from '@portarium/local/testing/stack-calls';
import {
  approveWrite,
  startWriteRig,
  untilEnded,
  type WriteRig,
} from '@portarium/local/testing/write-rig';
import { type Case, type Measured, summarise } from './measure.ts';

const AIM_MS = 5;
const LINES = 60;
const ROUNDS = 8;
const TOGETHER = 8;

export async function benchWrite(tell: (text: string) => void): Promise<Measured> {
  tell('starting the stack');
  const rig = await startWriteRig(TOGETHER, true);
  try {
    return await measure(rig, tell);
  } finally {
    await rig[Symbol.asyncDispose]();
  }
}

async function measure(rig: WriteRig, tell: (text: string) => void): Promise<Measured> {
  const ours: number[] = [];
  const plain: number[] = [];
  let oursMs = 0;
  let plainMs = 0;
  await actionOfWrites(rig);
  await plainWrites(rig.counterpart);
  for (let round = 0; round < ROUNDS; round++) {
    tell(`round ${round + 1} of ${ROUNDS}`);
    const a = await actionOfWrites(rig);
    const b = await plainWrites(rig.counterpart);
    ours.push(...a);
    plain.push(...b);
    oursMs += sum(a);
    plainMs += sum(b);
  }
  tell(`${TOGETHER} at a time`);
  const started = performance.now();
  const many = (
    await Promise.all(Array.from({ length: TOGETHER }, () => actionOfWrites(rig)))
  ).flat();
  const cases = [
    summarise('approved write with journal', ours, oursMs),
    summarise('the same HTTP call, plainly', plain, plainMs),
    summarise(`approved writes, ${TOGETHER} at a time`, many, performance.now() - started),
  ];
  return { cases, ratios: [addedBy(cases)] };
}

function addedBy([ours, peer]: readonly Case[]) {
  const value = (ours?.p50Ms ?? Number.NaN) - (peer?.p50Ms ?? Number.NaN);
  const ok = value <= AIM_MS;
  return {
    name: 'p50 milliseconds added to a write',
    value,
    aim: AIM_MS,
    ok,
    ...(ok ? {} : { missed: 'see docs/reference/proofs.md' }),
  };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
let made = 0;

/** One action of {@link LINES} writes. @returns milliseconds from one arrival to the next */
async function actionOfWrites({ stack, counterpart }: WriteRig): Promise<readonly number[]> {
  return intervals(counterpart, await runWrites(stack, LINES));
}

/** Asks for an action of so many writes, approves it and waits for its end. @returns the id in each write */
export async function runWrites(stack: RunningStack, lines: number): Promise<string> {
  const id = `bench-${process.pid}-${++made}`;
  const response = await callStack(stack, 'operator', 'POST', '/actions', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ plugin: 'ledger', operation: 'writeMany', input: { id, lines } }),
  });
  const action = (await response.json()) as Parameters<typeof approveWrite>[1];
  await approveWrite(stack, action);
  const ended = await untilEnded(stack, action.id, 60_000);
  if (ended.state !== 'succeeded') throw new Error(`a write ended ${JSON.stringify(ended)}`);
  return id;
}

/** The same requests by Node's client, a connection each as the broker makes them. */
async function plainWrites(counterpart: RecordingCounterpart): Promise<readonly number[]> {
  const id = `plain-${process.pid}-${++made}`;
  for (let line = 0; line < LINES; line++) {
    await post(counterpart.port, JSON.stringify({ id, line }), `${id}-${line}`);
  }
  return intervals(counterpart, id);
}

function intervals(counterpart: RecordingCounterpart, id: string): readonly number[] {
  const at = counterpart.requests(id).map(({ atMs }) => atMs);
  if (at.length !== LINES) throw new Error(`${at.length} of ${LINES} writes arrived`);
  return at.slice(1).map((time, i) => time - (at[i] ?? time));
}

function post(port: number, body: string, key: string): Promise<void> {
  const agent = new Agent({ keepAlive: false });
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        ...{ host: '127.0.0.1', port, method: 'POST', path: '/many', agent },
        headers: {
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(body)),
          'idempotency-key': key,
        },
      },
      (response) => {
        response.resume();
        response.once('end', () => {
          agent.destroy();
          resolve();
        });
      },
    );
    request.once('error', reject);
    request.end(body);
  });
}
