import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { connect as connectNats } from 'nats';
import postgres from 'postgres';
import { LocalStackError } from './local-stack-error.ts';
import { identify, isAlive, type ProcessIdentity } from './process/process-identity.ts';
import type { ProgressEvent } from './progress.ts';
import { readStatus, stopStack } from './running-stack.ts';
import { type RunningServices, type ServiceName, startServices } from './start-services.ts';

// One data folder for all: each test finds what the one before left running.
const dataDir = join(mkdtempSync(join(tmpdir(), 'portarium-services-')), 'data');
const SERVICES: readonly ServiceName[] = ['postgres', 'temporal', 'nats'];
const progress: ProgressEvent[] = [];
let services: RunningServices;

// A cold cache builds the server binaries first.
const COLD_START_MS = 20 * 60_000;
setDefaultTimeout(60_000);

beforeAll(async () => {
  services = await start();
}, COLD_START_MS);

afterAll(async () => {
  await services.stop();
  rmSync(join(dataDir, '..'), { recursive: true, force: true });
});

function start(): Promise<RunningServices> {
  return startServices({ dataDir, onProgress: (event) => progress.push(event) });
}

async function withSql<T>(query: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(services.postgres.ownerUrl, { max: 1 });
  try {
    return await query(sql);
  } finally {
    await sql.end();
  }
}

async function withTemporal<T>(call: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address: services.temporal.address });
  try {
    return await call(new Client({ connection }));
  } finally {
    await connection.close();
  }
}

async function messagesInStream(): Promise<number> {
  const client = await connectNats({ servers: services.nats.url });
  try {
    const manager = await client.jetstreamManager();
    return (await manager.streams.info('KEPT')).state.messages;
  } finally {
    await client.close();
  }
}

function identityOf(part: ServiceName): ProcessIdentity {
  const identity = identify(services.pidOf(part) ?? 0);
  if (identity === undefined) throw new Error(`${part} does not run`);
  return identity;
}

/** Kills a service like a crash would and waits for its successor to be ready. */
async function crash(part: ServiceName): Promise<void> {
  const killed = identityOf(part);
  process.kill(killed.pid, 'SIGKILL');
  const deadline = Date.now() + 20_000;
  for (;;) {
    const now = services.status().find((one) => one.part === part);
    if (now?.state === 'ready' && now.pid !== killed.pid && now.restarts > 0) break;
    if (Date.now() > deadline) throw new Error(`${part} did not come back: ${now?.state}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(isAlive(killed)).toBe(false);
}

/** Processes that name the data folder on their command line. */
function processesOfFolder(): string[] {
  const shown = spawnSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' });
  return shown.stdout.split('\n').filter((line) => line.includes(`${dataDir}/`));
}

test('the services start, answer and report their progress', async () => {
  expect(services.status().map((part) => [part.part, part.state])).toEqual([
    ['postgres', 'ready'],
    ['temporal', 'ready'],
    ['nats', 'ready'],
  ]);
  for (const part of SERVICES) {
    expect(progress.some((event) => event.part === part && event.state === 'ready')).toBe(true);
  }
  await withSql(async (sql) => {
    await sql`create table kept (value text)`;
    await sql`insert into kept values ('before')`;
  });
  await withTemporal((client) =>
    client.workflow.start('nobody-runs-this', { taskQueue: 'none', workflowId: 'kept' }),
  );
  const client = await connectNats({ servers: services.nats.url });
  const manager = await client.jetstreamManager();
  await manager.streams.add({ name: 'KEPT', subjects: ['kept.>'] });
  await client.jetstream().publish('kept.one', 'before');
  await client.close();
  expect(await messagesInStream()).toBe(1);
});

test('passwords are random, kept with mode 0600, and asked for', async () => {
  const file = join(dataDir, 'secrets.json');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const { postgresOwnerPassword } = JSON.parse(readFileSync(file, 'utf8'));
  expect(services.postgres.ownerUrl).toContain(postgresOwnerPassword);
  const wrong = postgres(services.postgres.ownerUrl.replace(postgresOwnerPassword, 'wrong'), {
    max: 1,
  });
  await expect(wrong`select 1`.execute()).rejects.toThrow('password authentication failed');
  await wrong.end();
});

test('a second start on the same folder is refused and says who runs', async () => {
  const refused = await start().then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(refused).toBeInstanceOf(LocalStackError);
  expect((refused as LocalStackError).code).toBe('already-running');
  expect((refused as LocalStackError).message).toContain(`process ${process.pid}`);
  expect(readStatus(dataDir).state).toBe('ready');
});

test('PostgreSQL survives kill -9 with its data, even while a client holds a transaction', async () => {
  const held = postgres(services.postgres.ownerUrl, { max: 1 });
  const ended = held
    .unsafe("begin; insert into kept values ('lost'); select pg_sleep(30); commit")
    .simple()
    .then(
      () => 'committed',
      () => 'rolled back',
    );
  await new Promise((resolve) => setTimeout(resolve, 200));
  await crash('postgres');
  expect(await ended).toBe('rolled back');
  await held.end({ timeout: 1 });
  expect(await withSql((sql) => sql`select value from kept`)).toMatchObject([{ value: 'before' }]);
});

test('Temporal survives kill -9 with its workflows', async () => {
  await crash('temporal');
  const found = await withTemporal((client) => client.workflow.getHandle('kept').describe());
  expect(found.status.name).toBe('RUNNING');
});

test('NATS survives kill -9 with its streams', async () => {
  await crash('nats');
  expect(await messagesInStream()).toBe(1);
});

test('a clean stop leaves no process, and a resume keeps data and addresses', async () => {
  const before = SERVICES.map(identityOf);
  const addresses = [services.postgres.url, services.temporal.address, services.nats.url];
  await services.stop();
  expect(before.filter(isAlive)).toEqual([]);
  expect(processesOfFolder()).toEqual([]);
  expect(readStatus(dataDir).state).toBe('stopped');

  services = await start();
  expect([services.postgres.url, services.temporal.address, services.nats.url]).toEqual(addresses);
  expect(await withSql((sql) => sql`select value from kept`)).toHaveLength(1);
  expect(await messagesInStream()).toBe(1);
  const found = await withTemporal((client) => client.workflow.getHandle('kept').describe());
  expect(found.status.name).toBe('RUNNING');
});

test('what a killed supervisor left is cleared, and its folder is taken over', async () => {
  await services.stop();
  const program = fileURLToPath(new URL('./testing/hold-services.ts', import.meta.url));
  const holder = spawn(process.execPath, ['run', program, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve) => {
    holder.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString('utf8')));
  });
  const left = (JSON.parse(line) as number[]).map((pid) => identify(pid));
  holder.kill('SIGKILL');
  await new Promise((resolve) => holder.once('exit', resolve));
  services = await start();
  expect(left.filter((identity) => identity !== undefined && isAlive(identity))).toEqual([]);
  expect(await withSql((sql) => sql`select value from kept`)).toHaveLength(1);
});

test('stopping from outside ends leftovers when no supervisor lives', async () => {
  await services.stop();
  expect(await stopStack(dataDir)).toEqual({ ok: true, wasRunning: false });
  expect(processesOfFolder()).toEqual([]);
});
