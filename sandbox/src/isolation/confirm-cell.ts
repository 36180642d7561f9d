/**
 * What the kernel says of a cell that says it is ready: a cell's own word is not taken for it. Asked by
 * the host before the cell gets anything of a guest.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { IsolationLevel } from './levels.ts';

export interface CellToConfirm {
  /** Of the process that the host started. */
  readonly pid: number;
  readonly level: IsolationLevel;
  /** All that the environment of the process may hold. */
  readonly environment: Readonly<Record<string, string>>;
}

export type Confirmation =
  /** The process that runs the guest: with bubblewrap around it, another than was started. */
  { readonly ok: true; readonly pid: number } | { readonly ok: false; readonly problem: string };

const NAMESPACES = ['user', 'pid', 'net', 'mnt', 'ipc', 'uts'];
/** Files of the runtime's event loop, and pipes to the host. */
const EXPECTED = /^(?:pipe:|socket:|anon_inode:\[(?:eventpoll|eventfd)\]$|\/dev\/null$)/;

export function confirmCell({ pid, level, environment }: CellToConfirm): Confirmation {
  try {
    const inner = level === 'namespaces+seccomp' ? onlyChild(pid) : pid;
    const problem =
      filterProblem(inner) ??
      descriptorProblem(inner) ??
      environmentProblem(inner, environment) ??
      (inner === pid ? undefined : namespaceProblem(inner));
    return problem === undefined ? { ok: true, pid: inner } : { ok: false, problem };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ok: false, problem: `the cell can not be looked at: ${reason}` };
  }
}

function onlyChild(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ');
  const [child] = children;
  if (!child || children.length > 1) throw new Error(`${pid} has the children ${children}`);
  return Number(child);
}

/** Mode 2 on each thread, and no way to more privileges. */
function filterProblem(pid: number): string | undefined {
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const status = statusOf(`/proc/${pid}/task/${thread}/status`);
    if (status === undefined) continue;
    const [filter, privileges] = ['Seccomp', 'NoNewPrivs'].map(
      (field) => new RegExp(`^${field}:\\s+(\\d+)$`, 'm').exec(status)?.[1],
    );
    if (filter !== '2') return `no filter of system calls on thread ${thread}`;
    if (privileges !== '1') return `thread ${thread} may get new privileges`;
  }
  return undefined;
}

/** Undefined when the thread is gone. */
function statusOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** A socket or pipe that this process has as well, beside the cell's own three, was inherited. */
function descriptorProblem(pid: number): string | undefined {
  const ours = new Set(descriptorsOf('self').values());
  const cells = descriptorsOf(pid);
  const pipes = new Set([0, 1, 2].map((number) => cells.get(number)));
  for (const [number, name] of cells) {
    const shared = ours.has(name) && /^(?:pipe|socket):/.test(name) && !pipes.has(name);
    if (!EXPECTED.test(name) || shared) return `the cell holds descriptor ${number} (${name})`;
  }
  return undefined;
}

function descriptorsOf(pid: number | 'self'): ReadonlyMap<number, string> {
  const open = new Map<number, string>();
  for (const number of readdirSync(`/proc/${pid}/fd`)) {
    try {
      open.set(Number(number), readlinkSync(`/proc/${pid}/fd/${number}`));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return open;
}

function environmentProblem(
  pid: number,
  expected: Readonly<Record<string, string>>,
): string | undefined {
  const text = readFileSync(`/proc/${pid}/environ`, 'utf8');
  const allowed = new Set(Object.entries(expected).map(([name, value]) => `${name}=${value}`));
  const foreign = text.split('\0').filter((entry) => entry !== '' && !allowed.has(entry));
  if (foreign.length === 0) return undefined;
  const names = foreign.map((entry) => entry.split('=')[0]);
  return `the cell has variables of others: ${names.join(', ')}`;
}

function namespaceProblem(pid: number): string | undefined {
  const shared = NAMESPACES.filter(
    (name) => readlinkSync(`/proc/${pid}/ns/${name}`) === readlinkSync(`/proc/self/ns/${name}`),
  );
  return shared.length > 0 ? `the cell shares namespaces: ${shared.join(', ')}` : undefined;
}
