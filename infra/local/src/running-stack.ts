/** Looks at, and stops, a stack that another process supervises. Starts nothing. */
import { type BootstrapKeys, findBootstrap } from './bootstrap-file.ts';
import { dataFolderAt } from './data-folder.ts';
import { clearLeftovers } from './process/clear-leftovers.ts';
import { folderOwner } from './process/folder-owner.ts';
import {
  isAlive,
  type ProcessIdentity,
  signalProcess,
  waitUntilGone,
} from './process/process-identity.ts';
import { type PartStatus, readStackFile, type StackFile } from './stack-file.ts';

export interface StackStatus {
  readonly dataDir: string;
  /** `stopped` also when nothing was ever started there. */
  readonly state: StackFile['state'];
  /** The live supervisor. */
  readonly supervisor?: ProcessIdentity;
  readonly url?: string;
  readonly version?: string;
  readonly parts: readonly PartStatus[];
  /** Why the last start failed. */
  readonly error?: string;
}

/** Reads the state of a data folder's stack; a killed supervisor's stack shows as stopped. */
export function readStatus(dataDir: string): StackStatus {
  const folder = dataFolderAt(dataDir);
  const supervisor = folderOwner(folder);
  const file = readStackFile(folder.stack);
  if (file === undefined) {
    return {
      dataDir: folder.path,
      state: supervisor === undefined ? 'stopped' : 'starting',
      ...(supervisor === undefined ? {} : { supervisor }),
      parts: [],
    };
  }
  const live =
    supervisor !== undefined &&
    supervisor.pid === file.supervisor.pid &&
    supervisor.startTime === file.supervisor.startTime;
  return {
    dataDir: folder.path,
    state: live
      ? file.state
      : supervisor
        ? 'starting'
        : file.state === 'failed'
          ? 'failed'
          : 'stopped',
    ...(supervisor === undefined ? {} : { supervisor }),
    ...(live && file.url !== '' ? { url: file.url } : {}),
    version: file.version,
    parts: file.parts.map((part) => (live ? part : asLeft(part, file))),
    ...(file.error === undefined ? {} : { error: file.error }),
  };
}

/** A part without its supervisor: stopped, or a leftover that still runs. */
function asLeft(part: PartStatus, file: StackFile): PartStatus {
  const process = file.processes.find((one) => one.part === part.part);
  const { pid: _pid, ...rest } = part;
  if (process !== undefined && isAlive(process)) {
    return { ...rest, pid: process.pid, detail: 'left over by a killed supervisor' };
  }
  return { ...rest, state: part.state === 'failed' ? 'failed' : 'stopped' };
}

/** What a caller needs to use a running stack; `undefined` unless it is ready. */
export interface StackConnection {
  readonly url: string;
  readonly workspace: string;
  readonly keys: BootstrapKeys;
  readonly dataDir: string;
  readonly version: string;
}

/** The connection of a ready stack on `dataDir`: for `demo`, tests and commands. */
export function findRunningStack(dataDir: string): StackConnection | undefined {
  const status = readStatus(dataDir);
  const bootstrap = findBootstrap(dataFolderAt(dataDir));
  if (status.state !== 'ready' || status.url === undefined || bootstrap === undefined) {
    return undefined;
  }
  return {
    url: status.url,
    workspace: bootstrap.workspace,
    keys: bootstrap.keys,
    dataDir: status.dataDir,
    version: status.version ?? '',
  };
}

export type StopOutcome =
  | { readonly ok: true; readonly wasRunning: boolean }
  | { readonly ok: false; readonly message: string };

/** Longer than all parts' own deadlines together. */
const STOP_TIMEOUT_MS = 90_000;

/**
 * Stops the stack of `dataDir` and waits until its supervisor and every child are gone; ends
 * leftovers of a killed supervisor too.
 */
export async function stopStack(dataDir: string): Promise<StopOutcome> {
  const folder = dataFolderAt(dataDir);
  const supervisor = folderOwner(folder);
  if (supervisor === undefined) {
    const cleared = await clearLeftovers(readStackFile(folder.stack)?.processes ?? []);
    return { ok: true, wasRunning: cleared > 0 };
  }
  signalProcess(supervisor, 'SIGTERM');
  if (!(await waitUntilGone(supervisor, STOP_TIMEOUT_MS))) {
    return {
      ok: false,
      message: `Process ${supervisor.pid} did not stop within ${STOP_TIMEOUT_MS / 1_000} s. See ${folder.logs}/supervisor.log; end it with: kill -9 ${supervisor.pid}, then run down again.`,
    };
  }
  await clearLeftovers(readStackFile(folder.stack)?.processes ?? []);
  return { ok: true, wasRunning: true };
}
