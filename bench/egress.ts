/**
 * What the egress broker adds to a call, to one server in a process of its own and in one run: a read
 * through a broker's session beside plain `fetch`, and a write that people approved, with intent and answer
 * recorded by a Control Plane on PostgreSQL, beside the same call by `fetch`. Both at 1 and at 16 in flight.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEnvironment } from '@portarium/local/environment';
import { type RunningStack, startStack } from '@portarium/local/start-stack';
import { pushPlugin } from '@portarium/local/testing/stack-calls';
import { startChild } from './child-lines.ts';
import { type Case, type Measured, type Ratio, summarise } from './measure.ts';
import { runWrites } from './write.ts';

const READ_AIM = 1.3;
const WRITE_AIM_MS = 5;
const TOGETHER = 16;
const WAYS = {
  fetch: 'read by fetch',
  broker: 'brokered read',
  apart: 'brokered read, connection each',
} as const;

export async function benchEgress(tell: (text: string) => void): Promise<Measured> {
  const server = startChild('bench/answering-server.ts');
  try {
    const origin = `http://127.0.0.1:${await server.line()}`;
    const reads = await measureReads(`${origin}/lines`, tell);
    const writes = await measureWrites(origin, tell);
    const [plain, brokered] = reads.cases;
    const [fetched, written] = writes;
    return {
      cases: [...reads.cases, ...writes],
      ratios: [
        ratio('p50, brokered read / fetch', of(brokered) / of(plain), READ_AIM),
        ratio('p50 milliseconds added to a write', of(written) - of(fetched), WRITE_AIM_MS),
      ],
      peakMiB: { 'process of reads': reads.peakMiB },
    };
  } finally {
    server.stop();
  }
}

const of = (one: Case | undefined) => one?.p50Ms ?? Number.NaN;

function ratio(name: string, value: number, aim: number): Ratio {
  const ok = value <= aim;
  return { name, value, aim, ok, ...(ok ? {} : { missed: 'see docs/reference/proofs.md' }) };
}

interface Read {
  readonly durations: readonly number[];
  readonly elapsedMs: number;
  readonly peakMiB: number;
}

async function measureReads(url: string, tell: (text: string) => void) {
  const loop = startChild('sandbox/src/testing/read-loop.ts');
  const cases: Case[] = [];
  let peakMiB = 0;
  const block = async (way: string, inFlight: number, size: number): Promise<Read> => {
    loop.tell(JSON.stringify({ way, url, inFlight, size }));
    const read = JSON.parse(await loop.line()) as Read;
    peakMiB = Math.max(peakMiB, read.peakMiB);
    return read;
  };
  try {
    for (const inFlight of [1, TOGETHER]) {
      tell(`reads, ${inFlight} in flight`);
      const ways = Object.keys(WAYS) as (keyof typeof WAYS)[];
      const seen = new Map(ways.map((way) => [way, { durations: [] as number[], elapsedMs: 0 }]));
      for (const way of ways) await block(way, inFlight, 500);
      for (let i = 0; i < 10; i++) {
        for (const [way, sum] of seen) {
          const { durations, elapsedMs } = await block(way, inFlight, 400);
          sum.durations.push(...durations);
          sum.elapsedMs += elapsedMs;
        }
      }
      for (const [way, { durations, elapsedMs }] of seen) {
        cases.push(summarise(named(WAYS[way], inFlight), durations, elapsedMs));
      }
    }
  } finally {
    loop.stop();
  }
  return { cases, peakMiB };
}

const named = (name: string, inFlight: number) =>
  inFlight === 1 ? name : `${name}, ${inFlight} at a time`;

async function measureWrites(
  origin: string,
  tell: (text: string) => void,
): Promise<readonly Case[]> {
  tell('starting the stack');
  const dataDir = await mkdtemp(join(tmpdir(), 'portarium-bench-egress-'));
  const environment = readEnvironment({ ...process.env, PORTARIUM_CELLS: String(TOGETHER) });
  const stack = await startStack({ dataDir, environment });
  try {
    const port = Number(new URL(origin).port);
    await pushPlugin(stack, 'plugins/sdk/fixtures/ledger', {
      ...({ scheme: 'http', host: '127.0.0.1' } as const),
      port,
    });
    await brokered(stack, origin, 10);
    const cases: Case[] = [];
    // So few lines that each action is over before its deadline, also on a busy machine.
    for (const [inFlight, rounds, lines] of [
      [1, 8, 40],
      [TOGETHER, 8, 4],
    ] as const) {
      tell(`writes, ${inFlight} in flight`);
      const [plain, ours]: [Written[], Written[]] = [[], []];
      const lanes = <T>(one: () => Promise<T>) =>
        Promise.all(Array.from({ length: inFlight }, one));
      for (let round = 0; round < rounds; round++) {
        ours.push(spanOf(await lanes(() => brokered(stack, origin, lines))));
        plain.push(spanOf(await lanes(() => plainly(origin, lines))));
      }
      cases.push(caseOf(named('write by fetch', inFlight), plain));
      cases.push(caseOf(named('approved write with journal', inFlight), ours));
    }
    return cases;
  } finally {
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

interface Written {
  /** From one arrival to the next of the same sender. */
  readonly intervals: readonly number[];
  /** From the first arrival to the last of all senders. */
  readonly elapsedMs: number;
}

function spanOf(senders: readonly (readonly number[])[]): Written {
  const all = senders.flat();
  return {
    intervals: senders.flatMap((at) => at.slice(1).map((time, i) => time - (at[i] ?? time))),
    elapsedMs: Math.max(...all) - Math.min(...all),
  };
}

function caseOf(name: string, written: readonly Written[]): Case {
  const elapsedMs = written.reduce((sum, one) => sum + one.elapsedMs, 0);
  return summarise(
    name,
    written.flatMap(({ intervals }) => intervals),
    elapsedMs,
  );
}

/** @returns when the lines of one action arrived */
async function brokered(
  stack: RunningStack,
  origin: string,
  lines: number,
): Promise<readonly number[]> {
  return arrivals(origin, await runWrites(stack, lines), lines);
}

let made = 0;

async function plainly(origin: string, lines: number): Promise<readonly number[]> {
  const id = `fetched-${++made}`;
  for (let line = 0; line < lines; line++) {
    const headers = { 'content-type': 'application/json', 'idempotency-key': `${id}-${line}` };
    const body = JSON.stringify({ id, line });
    await (await fetch(`${origin}/many`, { method: 'POST', headers, body })).arrayBuffer();
  }
  return arrivals(origin, id, lines);
}

async function arrivals(origin: string, id: string, lines: number): Promise<readonly number[]> {
  const at = (await (await fetch(`${origin}/lines?id=${id}`)).json()) as readonly number[];
  if (at.length !== lines) throw new Error(`${at.length} of ${lines} writes arrived`);
  return at;
}
