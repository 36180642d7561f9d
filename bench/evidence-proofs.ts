/**
 * Proofs of inclusion and consistency over logs of 10³ to 10⁶ entries, each in PostgreSQL, sealed as in production.
 * Entries are written straight into the table: what is measured is the proof, not the append.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalBytes } from '@portarium/contracts/canonical-json';
import { type Entry, entryHash } from '@portarium/contracts/evidence-entry';
import { readEnvironment } from '@portarium/local/environment';
import { type RunningStack, startStack } from '@portarium/local/start-stack';
import postgres from 'postgres';
import { alternate, type Case, type Measured, type Ratio } from './measure.ts';

const SIZES = [1_000, 10_000, 100_000, 1_000_000] as const;
const ROWS_AT_ONCE = 4_000;
const PROOFS = { blocks: 8, blockSize: 50, concurrency: 1, warmUp: 50 };
/** The slowest size may take so many times what the quickest takes. */
const FLAT = 2;
const SEALED_WITHIN_MS = 10 * 60_000;
/** No limit of rate is measured here. */
const FREE = { PORTARIUM_RATE_PER_KEY: '999999', PORTARIUM_RATE_PER_WORKSPACE: '999999' };

/** On a stack of its own. */
export async function benchProofs(tell: (text: string) => void): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), 'portarium-bench-proofs-'));
  const environment = readEnvironment({ ...process.env, ...FREE });
  const stack = await startStack({ dataDir: folder, environment });
  try {
    return await measureProofs(stack, tell);
  } finally {
    await stack.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param stack without limits of rate; it gets a workspace for each size */
export async function measureProofs(
  stack: RunningStack,
  tell: (text: string) => void,
): Promise<Measured> {
  const sql = postgres(stack.services.postgres.ownerUrl, { max: 1, onnotice: () => {} });
  try {
    for (const size of SIZES) {
      tell(`a log of ${size} entries`);
      await create(stack, workspaceOf(size));
      await fill(sql, workspaceOf(size), size);
      const started = performance.now();
      await sealed(stack, size);
      tell(`sealed ${((performance.now() - started) / 1000).toFixed(1)} s later`);
    }
    await sql`ANALYZE portarium.log_entries`;
  } finally {
    await sql.end();
  }
  const inclusion = await timed(stack, 'proof of inclusion', (size) => `proof?seq=${any(size)}`);
  const consistency = await timed(
    stack,
    'proof of consistency',
    (size) => `consistency?from=${1 + any(size - 1)}`,
  );
  return {
    cases: [...inclusion, ...consistency],
    ratios: [
      flatness('proofs of inclusion, 10³ to 10⁶', inclusion),
      flatness('proofs of consistency, 10³ to 10⁶', consistency),
    ],
  };
}

function ask(stack: RunningStack, path: string, json?: unknown): Promise<Response> {
  return fetch(`${stack.url}/v1/workspaces${path}`, {
    method: json === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${stack.keys.admin}`,
      'content-type': 'application/json',
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
}

async function create(stack: RunningStack, workspace: string): Promise<void> {
  const response = await ask(stack, '', { id: workspace, name: workspace });
  if (!response.ok) throw new Error(await response.text());
}

/** Until the log's checkpoint has `size`: the sealer of the stack works as it does always. */
async function sealed(stack: RunningStack, size: number): Promise<void> {
  const deadline = performance.now() + SEALED_WITHIN_MS;
  for (;;) {
    const path = `/${workspaceOf(size)}/evidence/log/checkpoint`;
    const note = await ask(stack, path).then((response) => response.text());
    if (Number(note.split('\n')[1]) >= size) return;
    if (performance.now() > deadline) throw new Error(`not sealed in time: ${note}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

const workspaceOf = (size: number) => `log-${size}`;
const any = (size: number) => Math.floor(Math.random() * size);

async function timed(
  stack: RunningStack,
  name: string,
  pathOf: (size: number) => string,
): Promise<readonly Case[]> {
  const subjects = SIZES.map((size) => ({
    name: `${name}, ${size} entries`,
    async run() {
      const response = await ask(stack, `/${workspaceOf(size)}/evidence/${pathOf(size)}`);
      if (response.status !== 200) throw new Error(await response.text());
      return response.json();
    },
  }));
  return alternate(subjects, PROOFS);
}

function flatness(name: string, cases: readonly Case[]): Ratio {
  const medians = cases.map(({ p50Ms }) => p50Ms);
  const value = Math.max(...medians) / Math.min(...medians);
  const ok = value <= FLAT;
  return { name, value, aim: FLAT, ok, ...(ok ? {} : { missed: 'see docs/reference/proofs.md' }) };
}

/** Entries until the log has `size`, chained and hashed as the Control Plane does. */
async function fill(sql: postgres.Sql, workspace: string, size: number): Promise<void> {
  await sql`SET search_path TO portarium`;
  await sql`SELECT set_config('portarium.workspace', ${workspace}, false)`;
  const [head] = await sql`SELECT size, hash FROM log_heads WHERE workspace_id = ${workspace}`;
  let prev = (head?.hash ?? null) as Entry['prev'];
  const time = new Date().toISOString();
  for (let seq = Number(head?.size ?? 0); seq < size; ) {
    const rows: {
      workspace_id: string;
      seq: number;
      hash: string;
      type: string;
      bytes: Uint8Array;
    }[] = [];
    for (; rows.length < ROWS_AT_ONCE && seq < size; seq++) {
      const entry: Entry = {
        ...{ v: 1, workspace, seq, time, type: 'key.created', prev },
        ...{ actor: { kind: 'system', id: 'bench' }, subject: {}, artifacts: [], trace: null },
        data: { note: 'an entry as long as most of them are, with a digest', digest: prev },
      };
      const bytes = canonicalBytes(entry);
      prev = await entryHash(bytes);
      rows.push({ workspace_id: workspace, seq, hash: prev, type: entry.type, bytes });
    }
    await sql.begin(async (tx) => {
      await tx`INSERT INTO log_entries ${tx(rows)}`;
      await tx`UPDATE log_heads SET size = ${seq}, hash = ${prev}, time = ${time} WHERE workspace_id = ${workspace}`;
    });
  }
}
