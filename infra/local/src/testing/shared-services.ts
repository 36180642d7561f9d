/** One set of servers for all tests of a process, started when the first test asks for it. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import {
  type RunningServices,
  type ServiceAddresses,
  type ServiceName,
  startServices,
} from '../start-services.ts';
import { type RunningStack, startStack } from '../start-stack.ts';
import { replayStack } from './replay-stack.ts';

let services: Promise<RunningServices> | undefined;
let stack: Promise<RunningStack> | undefined;
const folders: string[] = [];

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'portarium-test-'));
  folders.push(path);
  return path;
}

/** Services of another process that this one is to use: what {@link lendServices} gives; none when empty. */
const LENT = 'PORTARIUM_TEST_SERVICES';
type Lent = ServiceAddresses & { readonly pids: Partial<Record<ServiceName, number>> };

/** Variables with which test runs that are children of this process use its services, and start none. */
export async function lendServices(): Promise<Readonly<Record<string, string>>> {
  const { postgres: addresses, temporal, nats, pidOf } = await sharedServices();
  const pids = { postgres: pidOf('postgres'), temporal: pidOf('temporal'), nats: pidOf('nats') };
  return { [LENT]: JSON.stringify({ postgres: addresses, temporal, nats, pids }) };
}

function borrowed(text: string): RunningServices {
  const { pids, ...addresses } = JSON.parse(text) as Lent;
  return {
    ...addresses,
    status: () => [],
    pidOf: (part) => pids[part],
    stop: async () => undefined,
  };
}

/** PostgreSQL, Temporal and NATS. */
export function sharedServices(): Promise<RunningServices> {
  const lent = process.env[LENT];
  if (lent) services ??= Promise.resolve(borrowed(lent));
  services ??= folder().then((dataDir) => startServices({ dataDir }));
  return services;
}

/**
 * The whole embedded stack: servers, Control Plane and sandbox host as processes. Not at the usual port,
 * where another file's stack would come in between while this one's Control Plane is down.
 */
export function sharedStack(): Promise<RunningStack> {
  stack ??= folder().then((dataDir) => startStack({ dataDir, ports: { http: 0 } }));
  return stack;
}

/** An empty database of its own on the shared PostgreSQL. @returns its two connection addresses */
export async function freshDatabase(): Promise<{ url: string; ownerUrl: string }> {
  const { postgres: addresses } = await sharedServices();
  const name = `test_${randomBytes(6).toString('hex')}`;
  const sql = postgres(addresses.ownerUrl, { max: 1, onnotice: () => {} });
  await sql.unsafe(`CREATE DATABASE ${name}`);
  await sql.end();
  const within = (address: string) => {
    const url = new URL(address);
    url.pathname = `/${name}`;
    return url.href;
  };
  return { url: within(addresses.url), ownerUrl: within(addresses.ownerUrl) };
}

/**
 * Stops what was started; the test runner's preload calls it at the end. Before that, every attempt
 * that tests made on the shared stack runs again offline, on both engines.
 * @throws Error when one of them does not agree with what is on record
 */
export async function stopShared(): Promise<void> {
  const replayed = stack && (await replayShared(await stack));
  await stopAll();
  if (replayed !== undefined) console.log(`replayed ${replayed} attempts on Bun and on Deno`);
}

async function replayShared(running: RunningStack): Promise<number> {
  try {
    const { findings, attempts, output } = await replayStack(running);
    if (findings === 0) return attempts;
    throw new Error(`attempts do not agree with what is on record:\n${output.slice(-20_000)}`);
  } catch (error) {
    await stopAll();
    throw error;
  }
}

async function stopAll(): Promise<void> {
  const running = await Promise.allSettled([services, stack]);
  for (const each of running) if (each.status === 'fulfilled') await each.value?.stop();
  for (const path of folders) await rm(path, { recursive: true, force: true });
  services = undefined;
  stack = undefined;
}
