/** Starts the stack under a supervisor of its own that lives on after this process ends. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dataFolderAt, prepareDataFolder } from './data-folder.ts';
import { LocalStackError } from './local-stack-error.ts';
import { lockOwner } from './process/owned-lock.ts';
import { LOG_FILE_BYTES, RotatingLog } from './process/rotating-log.ts';
import type { OnProgress } from './progress.ts';
import { REPOSITORY_ROOT } from './repository.ts';
import { findRunningStack, readStatus, type StackConnection } from './running-stack.ts';

export interface StartDetachedOptions {
  readonly dataDir: string;
  readonly httpPort?: number;
  readonly onProgress?: OnProgress;
  /** Aborting stops the supervisor again when it is not ready yet. */
  readonly signal?: AbortSignal;
}

const POLL_MS = 30;

/**
 * Resolves when the stack is ready; its supervisor logs to `<data>/logs/supervisor.log`.
 * @throws LocalStackError with why it did not become ready
 */
export async function startDetached(options: StartDetachedOptions): Promise<StackConnection> {
  const folder = dataFolderAt(options.dataDir);
  prepareDataFolder(folder);
  const owner = lockOwner(folder.lock);
  if (owner !== undefined) {
    const url = readStatus(folder.path).url;
    throw new LocalStackError(
      'already-running',
      `A stack already runs on ${folder.path} (process ${owner.pid})${url === undefined ? '' : ` at ${url}`}. Use it, or stop it with: portarium down --data ${folder.path}`,
    );
  }
  const logPath = join(folder.logs, 'supervisor.log');
  const log = openLog(logPath);
  const began = new RotatingLog(logPath);
  const child = spawn(
    process.execPath,
    [
      'run',
      fileURLToPath(new URL('./supervisor-main.ts', import.meta.url)),
      ...['--data', folder.path],
      ...(options.httpPort === undefined ? [] : ['--http-port', String(options.httpPort)]),
    ],
    { cwd: REPOSITORY_ROOT, detached: true, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  child.unref();
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  child.once('error', () => {
    ended = true;
  });
  const onAbort = (): void => {
    child.kill('SIGTERM');
  };
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const tell = progressByDifference(options.onProgress);
  for (;;) {
    const status = readStatus(folder.path);
    if (status.supervisor?.pid === child.pid) tell(status.parts);
    const connection = findRunningStack(folder.path);
    if (connection !== undefined && status.supervisor?.pid === child.pid) return connection;
    if (ended) {
      const interrupted = options.signal?.aborted === true;
      throw new LocalStackError(
        interrupted ? 'interrupted' : 'part-failed',
        interrupted
          ? 'The start was interrupted.'
          : (readStatus(folder.path).error ?? `The supervisor ended at once:\n${began.tail()}`),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function openLog(path: string): number {
  if (existsSync(path) && statSync(path).size > LOG_FILE_BYTES) renameSync(path, `${path}.1`);
  return openSync(path, 'a', 0o600);
}

/** Turns successive states into events, one for each change. */
function progressByDifference(
  onProgress: OnProgress | undefined,
): (parts: ReturnType<typeof readStatus>['parts']) => void {
  const shown = new Map<string, string>();
  return (parts) => {
    for (const { part, state, detail } of parts) {
      const key = `${state} ${detail ?? ''}`;
      if (state === 'waiting' || shown.get(part) === key) continue;
      shown.set(part, key);
      onProgress?.({ part, state, ...(detail === undefined ? {} : { detail }) });
    }
  };
}
