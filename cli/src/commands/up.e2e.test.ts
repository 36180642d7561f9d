import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify, isAlive } from '@portarium/local/process/process-identity';
import { REPOSITORY_ROOT } from '@portarium/local/repository';

const dataDir = join(mkdtempSync(join(tmpdir(), 'portarium-up-')), 'data');
// A cold cache builds the server binaries first.
const COLD_START_MS = 20 * 60_000;
setDefaultTimeout(120_000);

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function portarium(...args: string[]): Ran {
  const ran = spawnSync(join(REPOSITORY_ROOT, 'portarium'), [...args, '--data', dataDir], {
    cwd: tmpdir(),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr };
}

interface Shown {
  readonly state: string;
  readonly supervisor: { readonly pid: number };
  readonly parts: readonly {
    readonly part: string;
    readonly state: string;
    readonly pid: number;
  }[];
}

function status(): Shown {
  return JSON.parse(portarium('status', '--json').stdout) as Shown;
}

afterAll(() => {
  portarium('down');
  rmSync(join(dataDir, '..'), { recursive: true, force: true });
});

test(
  'up --detach prints one line that works, a second one finds it, down leaves nothing',
  async () => {
    const up = portarium('up', '--detach', '--json');
    if (up.code !== 0) throw new Error(up.stderr);
    expect(up.stdout.trimEnd().split('\n')).toHaveLength(1);
    const line = JSON.parse(up.stdout) as { url: string; keys: Record<string, string> };
    expect(Object.keys(line)).toEqual(['url', 'workspace', 'keys', 'dataDir', 'version']);
    expect(Object.keys(line.keys).sort()).toEqual(
      ['admin', 'agent', 'approver', 'auditor', 'author', 'operator'].sort(),
    );
    expect((await fetch(`${line.url}/readyz`)).status).toBe(200);

    const shown = status();
    expect(shown.parts.map((part) => part.state)).toEqual(Array(5).fill('ready'));
    const second = portarium('up', '--detach');
    expect([second.code, second.stdout]).toEqual([0, expect.stringContaining(line.url)] as never);
    expect(status().supervisor.pid).toBe(shown.supervisor.pid);
    const otherwise = portarium('up', '--detach', '--port', '1');
    expect([otherwise.code, otherwise.stderr]).toEqual([
      1,
      expect.stringMatching(/already runs .* It was started with another --port\./),
    ] as never);

    const pids = [shown.supervisor.pid, ...shown.parts.map((part) => part.pid)];
    const alive = pids.flatMap((pid) => identify(pid) ?? []);
    expect(alive).toHaveLength(6);
    expect(portarium('down').code).toBe(0);
    expect(alive.filter(isAlive)).toEqual([]);
  },
  COLD_START_MS,
);

test('a second start resumes with the same keys within 15 seconds', () => {
  const began = Date.now();
  const first = JSON.parse(portarium('up', '--detach', '--json').stdout) as { keys: object };
  expect(Date.now() - began).toBeLessThan(15_000);
  portarium('down');
  const again = JSON.parse(portarium('up', '--detach', '--json').stdout) as { keys: object };
  expect(again.keys).toEqual(first.keys);
});

test('a killed supervisor takes its parts along, and the next start works', () => {
  const before = status();
  const parts = before.parts.flatMap((part) => identify(part.pid) ?? []);
  process.kill(before.supervisor.pid, 'SIGKILL');
  expect(portarium('up', '--detach', '--json').code).toBe(0);
  expect(parts.filter(isAlive)).toEqual([]);
});
