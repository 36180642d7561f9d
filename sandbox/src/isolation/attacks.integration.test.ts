/**
 * Arbitrary code in the process of a cell, as if the engine was broken. Each attack is first seen to
 * succeed where nothing defends against it.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CellCommand } from '../host/cell-process.ts';
import { bundleScript } from '../host/cell-program.ts';
import { denoBinary } from '../replay/deno-binary.ts';
import { bubblewrapProblem } from '../testing/bubblewrap-problem.ts';
import { ATTACK_NAMES, type AttackName } from './attacks.ts';
import { CellStarter } from './cell-command.ts';
import type { IsolationLevel } from './levels.ts';
import { attackArguments, runAttacks } from './run-attacks.ts';
import { ownRuntime, type Runtime } from './runtime.ts';

const SOURCE = fileURLToPath(new URL('attack-cell.ts', import.meta.url));
const LINUX = process.platform === 'linux';
const RUNTIMES: readonly Runtime[] = [ownRuntime(), { name: 'deno', executable: denoBinary() }];
const INHERITED: AttackName = 'inherited descriptor';
/** Answered with an error; every other attack ends the process. */
const ANSWERED: readonly AttackName[] = ['file', 'environment', 'signal by owner'];
/** Ends of a process by SIGSYS, with and without bubblewrap between. */
const BAD_SYSTEM_CALL = ['SIGSYS', 'code 159'];
const TIMEOUT_MS = 60_000;

let folder = '';
let script = '';
let starter: CellStarter;
let listener: Server;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portarium-attacks-'));
  script = await bundleScript(SOURCE, folder);
  starter = new CellStarter(folder, process.env.PATH ?? '');
  listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  listener.close();
  await rm(folder, { recursive: true, force: true });
});

function attackArgs(attacks: readonly AttackName[]): readonly string[] {
  const { port } = listener.address() as AddressInfo;
  return attackArguments(attacks, { pid: process.pid, port, file: SOURCE });
}

async function attack(
  level: IsolationLevel,
  runtime: Runtime,
  attacks: readonly AttackName[],
  filtered = true,
) {
  const args = attackArgs(attacks);
  const found = await starter.command(level, { runtime, script, args, filtered });
  if (!found.ok) throw new Error(found.missing);
  return runAttacks(found.command, attacks.includes(INHERITED));
}

/** The same script, started as any program. */
function undefended({ name, executable }: Runtime, attacks: readonly AttackName[]): CellCommand {
  const flags = name === 'deno' ? ['run', '-A', '--no-config'] : ['run'];
  return { command: executable, args: [...flags, script, ...attackArgs(attacks)], environment: {} };
}

/** What this kernel, or whatever this test runs in, has switched off for everybody. */
function absent(attack: AttackName): boolean {
  const read = (path: string) => readFileSync(path, 'latin1');
  if (attack === 'vsock') return !read('/proc/net/protocols').includes('VSOCK');
  if (attack !== 'io_uring') return false;
  const filtered = !/^Seccomp:\s+0$/m.test(read('/proc/self/status'));
  return filtered || read('/proc/sys/kernel/io_uring_disabled').trim() !== '0';
}

for (const runtime of RUNTIMES) {
  test.skipIf(!LINUX)(
    `without a defence every attack succeeds, on ${runtime.name}`,
    async () => {
      // One that is traced stops at its next signal, and one that is another program says no more.
      const alone: readonly AttackName[] = ['trace', 'execution'];
      const together = ATTACK_NAMES.filter((name) => !alone.includes(name));
      const reports = await Promise.all(
        [together, ...alone.map((name) => [name])].map((attacks) =>
          runAttacks(undefended(runtime, attacks), attacks.includes(INHERITED)),
        ),
      );
      const gained = reports.flatMap((report) => [...report.gained.keys()]);
      const possible = ATTACK_NAMES.filter((name) => !absent(name));
      expect([...gained].sort()).toEqual([...possible].sort());
    },
    TIMEOUT_MS,
  );

  for (const level of ['seccomp', 'namespaces+seccomp'] as const) {
    const skipped = !LINUX || (level === 'namespaces+seccomp' && bubblewrapProblem() !== undefined);
    test.skipIf(skipped)(
      `arbitrary code in a cell gains nothing at the level ${level}, on ${runtime.name}`,
      async () => {
        const answered = await attack(level, runtime, ANSWERED);
        expect([answered.started, answered.survived, [...answered.gained]]).toEqual([
          true,
          ANSWERED,
          [],
        ]);
        for (const name of ATTACK_NAMES) {
          if (ANSWERED.includes(name) || name === INHERITED) continue;
          const { started, gained, end } = await attack(level, runtime, [name]);
          expect([name, started, [...gained]]).toEqual([name, true, []]);
          expect(BAD_SYSTEM_CALL).toContain(end);
        }
      },
      TIMEOUT_MS,
    );

    test.skipIf(skipped)(
      `a cell that inherits a descriptor does not start at the level ${level}, on ${runtime.name}`,
      async () => {
        const { started, gained, said } = await attack(level, runtime, [INHERITED]);
        expect([started, [...gained]]).toEqual([false, []]);
        expect(said).toContain('descriptors of others: 3 (/proc/');
      },
      TIMEOUT_MS,
    );
  }

  test.skipIf(bubblewrapProblem() !== undefined)(
    `namespaces alone keep network, files, environment and processes of the host away, on ${runtime.name}`,
    async () => {
      const attacks = ['file', 'environment', 'connection', 'signal'] as const;
      const { started, survived } = await attack('namespaces+seccomp', runtime, attacks, false);
      expect([started, survived]).toEqual([true, attacks]);
    },
    TIMEOUT_MS,
  );
}
