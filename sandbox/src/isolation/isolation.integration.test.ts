/** What a host finds, requires and confirms of the isolation of its cells. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CellCommand, CellProcess } from '../host/cell-process.ts';
import { bundleScript, prepareCellProgram } from '../host/cell-program.ts';
import { denoBinary } from '../replay/deno-binary.ts';
import { bubblewrapProblem } from '../testing/bubblewrap-problem.ts';
import { type CellScript, CellStarter } from './cell-command.ts';
import type { IsolationLevel } from './levels.ts';
import { ownRuntime, type Runtime } from './runtime.ts';
import { findExecutable } from './search-path.ts';

const PATH = process.env.PATH ?? '';
const CELL = fileURLToPath(new URL('../cell/main.ts', import.meta.url));
const HOST = fileURLToPath(new URL('../main.ts', import.meta.url));
const LINUX = process.platform === 'linux';
const ROOT = process.getuid?.() === 0;
const DENO: Runtime = { name: 'deno', executable: denoBinary() };
const CAME_UP = 'it came up';
const TIMEOUT_MS = 30_000;

let folder = '';
let script = '';
let starter: CellStarter;
const hosts: ChildProcess[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portarium-isolation-'));
  script = await bundleScript(CELL, folder);
  starter = new CellStarter(folder, PATH);
});
afterAll(async () => {
  for (const host of hosts) host.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

async function commandOf(
  level: IsolationLevel,
  cell: Partial<CellScript> = {},
): Promise<CellCommand> {
  const found = await starter.command(level, { runtime: ownRuntime(), script, ...cell });
  if (!found.ok) throw new Error(found.missing);
  return found.command;
}

/** Why a cell did not come up. */
async function refusal(command: CellCommand): Promise<string> {
  const cell = new CellProcess(command);
  const ready = await cell.ready;
  const reason = ready ? CAME_UP : (cell.lostReason ?? 'lost');
  await cell.kill();
  return reason;
}

/** A folder with these executables of this machine, and nothing else. */
async function onlyWith(...names: readonly string[]): Promise<string> {
  const path = join(folder, `only-${names.join('-')}`);
  await mkdir(path);
  for (const name of names) {
    const found = await findExecutable(name, PATH);
    if (found === undefined) throw new Error(`this test needs ${name}`);
    await symlink(found, join(path, name));
  }
  return path;
}

test.skipIf(!LINUX)(
  'the level is the best that withstands attacks, and what better ones lack is said',
  async () => {
    const util = await onlyWith('setpriv', 'prlimit');
    const tried = async (path: string) => {
      const { isolation, missing, remove } = await prepareCellProgram(path, { attacked: true });
      await remove();
      return [isolation, missing];
    };
    expect(await tried(await onlyWith('setpriv'))).toEqual([
      'process',
      {
        seccomp: expect.stringContaining('install util-linux'),
        'namespaces+seccomp': expect.stringContaining('install util-linux'),
      },
    ]);
    expect(await tried(util)).toEqual([
      'seccomp',
      { 'namespaces+seccomp': expect.stringContaining('install bubblewrap') },
    ]);
    if (bubblewrapProblem() === undefined)
      expect(await tried(PATH)).toEqual(['namespaces+seccomp', {}]);
  },
  TIMEOUT_MS,
);

test.skipIf(!LINUX)(
  'a cell without the filter is refused, whatever it says of itself',
  async () => {
    const command = await commandOf('seccomp', { filtered: false });
    expect(await refusal(command)).toContain('is not confined: no filter of system calls');
    const { confirm: _, ...trusting } = command;
    expect(await refusal(trusting)).toBe(CAME_UP);
  },
);

test.skipIf(!LINUX)('a cell that has a variable of its host is refused', async () => {
  const command = await commandOf('seccomp');
  const environment = { ...command.environment, PORTARIUM_HOST_KEY: 'hidden' };
  expect(await refusal({ ...command, environment })).toContain(
    'variables of others: PORTARIUM_HOST_KEY',
  );
});

test.skipIf(!LINUX)(
  'a cell whose engine does not compile is refused, on both runtimes',
  async () => {
    const onBun = await commandOf('seccomp');
    const off = { BUN_JSC_useBBQJIT: '0', BUN_JSC_useOMGJIT: '0' };
    const environment = { ...onBun.environment, ...off };
    const onDeno = await commandOf('seccomp', { runtime: DENO });
    const args = onDeno.args.flatMap((arg) =>
      arg === 'run' ? [arg, '--v8-flags=--jitless'] : arg,
    );
    const reasons = await Promise.all([
      refusal({ ...onBun, environment }),
      refusal({ ...onDeno, args }),
    ]);
    expect(reasons[0]).toContain('the engine does not compile');
    expect(reasons[1]).toContain('WebAssembly is not defined');
  },
  TIMEOUT_MS,
);

const LIMITS = {
  'Max core file size': '0',
  'Max file size': '0',
  'Max open files': '64',
  'Max locked memory': '0',
  'Max cpu time': '3600',
};

for (const level of ['seccomp', 'namespaces+seccomp'] as const) {
  const skipped = !LINUX || (level !== 'seccomp' && bubblewrapProblem() !== undefined);
  test.skipIf(skipped)(
    `a cell at the level ${level} has no privileges and little room`,
    async () => {
      for (const runtime of [ownRuntime(), DENO]) {
        const cell = new CellProcess(await commandOf(level, { runtime }));
        expect([cell.lostReason, await cell.ready]).toEqual([undefined, true]);
        const status = readFileSync(`/proc/${cell.pid}/status`, 'latin1');
        const limits = readFileSync(`/proc/${cell.pid}/limits`, 'latin1');
        for (const [name, value] of Object.entries(LIMITS)) {
          expect(limits).toMatch(new RegExp(`${name} +${value} +${value} `));
        }
        expect(limits).toMatch(/Max data size +(\d{10}) +\1 /);
        expect(readFileSync(`/proc/${cell.pid}/oom_score_adj`, 'latin1')).toBe('1000\n');
        const threads = level === 'seccomp' ? 8_192 : 64;
        expect(limits).toMatch(new RegExp(`Max processes +${threads} +${threads} `));
        expect(status).toMatch(/^CapEff:\s0+$/m);
        expect(status).toMatch(/^Seccomp:\s2$/m);
        if (ROOT) expect(status).toMatch(/^Uid:(?:\s65534){4}$/m);
        const { pid } = cell;
        await cell.kill();
        expect(existsSync(`/proc/${pid}`)).toBe(false);
      }
    },
  );
}

/** A host with nothing to connect to. */
function startHost(path: string, variables: Readonly<Record<string, string>>) {
  const host = spawn(process.execPath, ['run', HOST, 'serve'], {
    env: {
      PATH: path,
      PORTARIUM_CONTROL_URL: 'http://127.0.0.1:9',
      PORTARIUM_HOST_KEY: 'none',
      PORTARIUM_TEMPORAL_ADDRESS: '127.0.0.1:9',
      ...variables,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  hosts.push(host);
  let output = '';
  host.stderr.on('data', (chunk) => {
    output += chunk;
  });
  const ended = new Promise<number | null>((resolve) => host.on('exit', resolve));
  return { host, ended, output: () => output };
}

test.skipIf(!LINUX)(
  'a host refuses to start with less isolation than is required, and says what to do',
  async () => {
    const { ended, output } = startHost(join(folder, 'nothing'), {
      SANDBOX_REQUIRE_ISOLATION: 'seccomp',
    });
    expect(await ended).toBe(1);
    expect(output()).toContain(
      'SANDBOX_REQUIRE_ISOLATION asks for seccomp, and cells get process here',
    );
    expect(output()).toContain('install util-linux');
  },
  TIMEOUT_MS,
);

test.skipIf(!LINUX)(
  'the health check shows the level, and what the levels above it lack',
  async () => {
    const free = createServer();
    await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
    const { port } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    const { host } = startHost(join(folder, 'only-setpriv-prlimit'), {
      SANDBOX_REQUIRE_ISOLATION: 'seccomp',
      PORTARIUM_HEALTH_PORT: String(port),
    });
    let health: unknown;
    while (health === undefined && host.exitCode === null) {
      const answer = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
      if (answer === undefined) await Bun.sleep(50);
      else health = await answer.json();
    }
    expect(health).toMatchObject({
      isolation: 'seccomp',
      isolationMissing: { 'namespaces+seccomp': expect.stringContaining('install bubblewrap') },
    });
  },
  TIMEOUT_MS,
);
