/**
 * Finds the best level that holds on this machine: a cell has to come up and be confirmed, and, where
 * asked, attacks from within must gain nothing. What a machine claims to offer is not asked.
 */

import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { ISOLATION_LEVELS } from '@portarium/contracts/internal-api';
import { type CellCommand, CellProcess } from '../host/cell-process.ts';
import type { AttackName, AttackTarget } from './attacks.ts';
import type { CellScript, CellStarter } from './cell-command.ts';
import type { IsolationLevel, MissingLayers } from './levels.ts';
import { attackArguments, runAttacks } from './run-attacks.ts';
import type { Runtime } from './runtime.ts';

export interface Measured {
  readonly isolation: IsolationLevel;
  readonly missing: MissingLayers;
  readonly command: CellCommand;
  /** Whether the kernel kills the cell when its host dies. */
  readonly diesWithHost: boolean;
}

export interface Scripts {
  readonly runtime: Runtime;
  /** Absolute path of the bundle of a cell. */
  readonly cell: string;
  /** Absolute path of the bundle that attacks; without it, a level holds when a cell comes up. */
  readonly attack?: string;
}

/** What the filter has to stop, each in a cell of its own: most of them end it. */
const AGAINST_THE_FILTER: readonly AttackName[] = [
  ...(['file', 'environment', 'socket', 'signal', 'vsock', 'io_uring', 'memfd'] as const),
];
const INHERITED: AttackName = 'inherited descriptor';
/** What namespaces have to stop even without the filter. */
const AGAINST_NAMESPACES: readonly AttackName[] = ['file', 'environment', 'connection', 'signal'];
/** What to do about a cell that does not come up at a level. */
const ADVICE: Readonly<Record<IsolationLevel, string>> = {
  process: 'see what the runtime says',
  seccomp: 'allow seccomp(2) and /proc to this user, on x86-64 or arm64',
  'namespaces+seccomp':
    'allow user namespaces to this user (sysctl user.max_user_namespaces, AppArmor, or the RuntimeClass of the container)',
};
const START_TIMEOUT_MS = 10_000;

export async function measureIsolation(starter: CellStarter, scripts: Scripts): Promise<Measured> {
  const missing: Partial<Record<IsolationLevel, string>> = {};
  for (const isolation of [...ISOLATION_LEVELS].reverse()) {
    const script = { runtime: scripts.runtime, script: scripts.cell };
    const found = await starter.command(isolation, script);
    const { command, diesWithHost } = found.ok ? found : {};
    const problem = found.ok
      ? await levelProblem(starter, isolation, found.command, scripts)
      : found.missing;
    if (problem !== undefined) missing[isolation] = problem;
    else if (command) return { isolation, missing, command, diesWithHost: diesWithHost ?? false };
  }
  throw new Error(`no cell can be started on this machine: ${missing.process}`);
}

/** Why the level does not hold; undefined when it does. */
async function levelProblem(
  starter: CellStarter,
  level: IsolationLevel,
  command: CellCommand,
  scripts: Scripts,
): Promise<string | undefined> {
  const problem = await startProblem(command);
  if (problem !== undefined) return `${problem}; ${ADVICE[level]}`;
  if (scripts.attack === undefined || level === 'process') return undefined;
  const attacker = { runtime: scripts.runtime, script: scripts.attack };
  return attackProblem(starter, level, attacker);
}

async function startProblem(command: CellCommand): Promise<string | undefined> {
  const cell = new CellProcess(command);
  const late = setTimeout(() => cell.kill(), START_TIMEOUT_MS);
  const ready = await cell.ready;
  clearTimeout(late);
  const reason = cell.lostReason;
  await cell.kill();
  return ready ? undefined : (reason ?? 'the cell did not start');
}

async function attackProblem(
  starter: CellStarter,
  level: IsolationLevel,
  attacker: CellScript,
): Promise<string | undefined> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  const target: AttackTarget = { pid: process.pid, port, file: process.execPath };
  const attempt = async (attacks: readonly AttackName[], filtered: boolean, inherited = false) => {
    const args = attackArguments(attacks, target);
    const found = await starter.command(level, { ...attacker, args, filtered });
    if (!found.ok) return found.missing;
    const report = await runAttacks(found.command, inherited);
    if (report.gained.size > 0) {
      return `attacks succeeded: ${[...report.gained.keys()].join(', ')}`;
    }
    // With the descriptor of another it must not even come up.
    if (report.started || inherited) return undefined;
    return `nothing could be tried: ${report.said || report.end}`;
  };
  try {
    const problems = await Promise.all([
      ...AGAINST_THE_FILTER.map((attack) => attempt([attack], true)),
      attempt([INHERITED], true, true),
      ...(level === 'seccomp' ? [] : [attempt(AGAINST_NAMESPACES, false)]),
    ]);
    return problems.find((problem) => problem !== undefined);
  } finally {
    listener.close();
  }
}
