import { afterAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bunArguments } from '../bun-arguments.ts';
import { isPortFree } from '../free-ports.ts';
import { LocalStackError } from '../local-stack-error.ts';
import { probeHttp } from '../probes/http-probe.ts';
import type { PartSpec } from './part-spec.ts';
import { RotatingLog } from './rotating-log.ts';
import { SupervisedPart } from './supervised-part.ts';

const root = mkdtempSync(join(tmpdir(), 'portarium-part-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const program = join(root, 'server.ts');
writeFileSync(
  program,
  `Bun.serve({ hostname: '127.0.0.1', port: Number(process.argv[2]), fetch: () => new Response('ok') });`,
);

async function freePort(): Promise<number> {
  for (let port = 19_000; ; port++) if (await isPortFree(port)) return port;
}

function server(port: number, listensOn = port): PartSpec {
  const ask = async (): Promise<boolean> => (await probeHttp(port, '/', 300)).status === 200;
  return {
    part: 'control',
    port,
    prepare: async () => ({
      file: process.execPath,
      args: bunArguments(program, String(listensOn)),
      env: {},
      cwd: root,
    }),
    isReady: ask,
    answers: ask,
    readyTimeoutMs: 10_000,
    stopSignal: 'SIGTERM',
    stopTimeoutMs: 2_000,
    deathSignal: 'KILL',
  };
}

async function untilRestarted(part: SupervisedPart, pid: number): Promise<void> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const now = part.status();
    if (now.state === 'ready' && now.pid !== pid && now.restarts === 1) return;
    if (Date.now() > deadline) throw new Error(`not restarted: ${JSON.stringify(now)}`);
    await Bun.sleep(20);
  }
}

test('a part that dies is started again although its log can not be written', async () => {
  const logs = join(root, 'logs');
  mkdirSync(logs);
  const log = new RotatingLog(join(logs, 'a.log'));
  const part = new SupervisedPart(server(await freePort()), log, () => undefined);
  await part.start();
  rmSync(logs, { recursive: true });
  writeFileSync(logs, 'a file where the folder should be');
  const pid = part.identity?.pid ?? 0;
  process.kill(pid, 'SIGKILL');
  await untilRestarted(part, pid);
  expect(log.dropped).toBeGreaterThan(0);
  await part.stop();
}, 30_000);

test('a part that hangs is killed after its misses and started again', async () => {
  const log = new RotatingLog(join(root, 'hangs.log'));
  const liveness = { everyMs: 50, misses: 3 };
  const part = new SupervisedPart(server(await freePort()), log, () => undefined, liveness);
  await part.start();
  const pid = part.identity?.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  await untilRestarted(part, pid);
  expect(log.tail(20)).toContain('did not answer 3 times in a row');
  await part.stop();
}, 30_000);

test('a part that is busy for a moment is left alone', async () => {
  const log = new RotatingLog(join(root, 'busy.log'));
  const liveness = { everyMs: 50, misses: 5 };
  const part = new SupervisedPart(server(await freePort()), log, () => undefined, liveness);
  await part.start();
  const pid = part.identity?.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  await Bun.sleep(500);
  process.kill(pid, 'SIGCONT');
  await Bun.sleep(1_500);
  expect(part.status()).toMatchObject({ state: 'ready', pid, restarts: 0 });
  await part.stop();
}, 30_000);

async function refusal(part: SupervisedPart): Promise<unknown> {
  return part.start().then(
    () => undefined,
    (error: unknown) => (error instanceof LocalStackError ? error.code : error),
  );
}

test("a port that is another's, found before the start or by the part itself, is told as such", async () => {
  const foreign = createServer((socket) => {
    socket.end('HTTP/1.0 200 OK\r\n\r\nforeign');
  });
  const taken = await freePort();
  await new Promise<void>((resolve) => foreign.listen(taken, '127.0.0.1', resolve));
  const log = new RotatingLog(join(root, 'taken.log'));
  // The first would take the other's answer for its own readiness.
  const own = new SupervisedPart(server(taken), log, () => undefined);
  expect(await refusal(own)).toBe('port-taken');
  const second = new SupervisedPart(server(await freePort(), taken), log, () => undefined);
  expect(await refusal(second)).toBe('port-taken');
  await Promise.all([own.stop(), second.stop()]);
  await new Promise((resolve) => foreign.close(resolve));
}, 30_000);
