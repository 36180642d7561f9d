/** Starts the stack under a supervisor of its own that lives on after this process ends. */
import { spawn } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  renameSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { bunArguments } from './bun-arguments.ts';
import { type DataFolder, dataFolderAt, prepareDataFolder } from './data-folder.ts';
import { configuringVariables, readEnvironment, variablesWith } from './environment.ts';
import { LocalStackError } from './local-stack-error.ts';
import { type Outside, outsideArguments } from './outside.ts';
import { alreadyRunning, folderOwner } from './process/folder-owner.ts';
import { LOG_FILE_BYTES, RotatingLog } from './process/rotating-log.ts';
import type { OnProgress } from './progress.ts';
import { REPOSITORY_ROOT } from './repository.ts';
import { findRunningStack, readStatus, type StackConnection } from './running-stack.ts';
import { readStackFile } from './stack-file.ts';

export interface StartDetachedOptions {
  readonly dataDir: string;
  readonly httpPort?: number;
  readonly outside?: Outside | undefined;
  readonly onProgress?: OnProgress;
  /** Every variable that configures the stack; those of this process when left out. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Aborting stops the supervisor again when it is not ready yet. */
  readonly signal?: AbortSignal;
}

const POLL_MS = 30;
/** Exit code of the supervisor when another one holds the folder: it tells the two apart. */
export const EXIT_ALREADY_RUNNING = 3;

/**
 * Resolves when the stack is ready, or was; its supervisor logs to `<data>/logs/supervisor.log`.
 * @throws LocalStackError with why it did not become ready, or what it was started without
 */
export async function startDetached(options: StartDetachedOptions): Promise<StackConnection> {
  const folder = dataFolderAt(options.dataDir);
  prepareDataFolder(folder);
  const owner = folderOwner(folder);
  const variables = options.variables ?? configuringVariables(readEnvironment());
  if (owner !== undefined) {
    const running = findRunningStack(folder.path);
    const { message } = alreadyRunning(folder, owner);
    if (!running) throw new LocalStackError('already-running', message);
    const otherwise = startedOtherwise(folder, running.url, { ...options, variables });
    if (otherwise.length === 0) return running;
    const why = `It was started with another ${otherwise.join(', ')}`;
    throw new LocalStackError('already-running', `${message}. ${why}.`);
  }
  const logPath = join(folder.logs, 'supervisor.log');
  const log = openLog(logPath);
  const ours = { log: new RotatingLog(logPath), from: fstatSync(log).size };
  const child = spawn(
    process.execPath,
    bunArguments(
      fileURLToPath(new URL('./supervisor-main.ts', import.meta.url)),
      ...['--data', folder.path],
      ...(options.httpPort === undefined ? [] : ['--http-port', String(options.httpPort)]),
      ...outsideArguments(options.outside),
    ),
    {
      ...{ cwd: REPOSITORY_ROOT, detached: true, stdio: ['ignore', log, log] },
      env: variablesWith(variables),
    },
  );
  closeSync(log);
  child.unref();
  let ended: { readonly code: number | null } | undefined;
  child.once('exit', (code) => {
    ended = { code };
  });
  child.once('error', () => {
    ended = { code: null };
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
    if (ended !== undefined) {
      if (options.signal?.aborted === true) {
        throw new LocalStackError('interrupted', 'The start was interrupted.');
      }
      throw whyEnded(folder, { pid: child.pid, code: ended.code }, ours);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** What is wanted now and was not given, or was another, when the running stack was started. */
function startedOtherwise(
  folder: DataFolder,
  url: string,
  {
    httpPort,
    outside,
    variables,
  }: Pick<StartDetachedOptions, 'httpPort' | 'outside'> & {
    readonly variables: Readonly<Record<string, string>>;
  },
): string[] {
  const how = readStackFile(folder.stack)?.startedWith;
  const changed = Object.keys(variables).filter(
    (name) => /^(PORTARIUM|OTEL)_(?!DATA$)/.test(name) && variables[name] !== how?.variables[name],
  );
  return [
    ...(httpPort === undefined || new URL(url).port === String(httpPort) ? [] : ['--port']),
    ...(outside === undefined || isDeepStrictEqual(outside, how?.outside) ? [] : ['--listen']),
    ...changed,
  ];
}

/** @param ours the shared log and where this start's lines begin in it */
function whyEnded(
  folder: DataFolder,
  child: { readonly pid: number | undefined; readonly code: number | null },
  ours: { readonly log: RotatingLog; readonly from: number },
): LocalStackError {
  if (child.code === EXIT_ALREADY_RUNNING) return alreadyRunning(folder, folderOwner(folder));
  const file = readStackFile(folder.stack);
  const recorded = file?.supervisor.pid === child.pid ? file?.error : undefined;
  const told = `The supervisor ended at once:\n${ours.log.tail(12, ours.from)}`;
  return new LocalStackError('part-failed', recorded ?? told);
}

function openLog(path: string): number {
  if (existsSync(path) && statSync(path).size > LOG_FILE_BYTES) renameSync(path, `${path}.1`);
  return openSync(
    path,
    constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW,
    0o600,
  );
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
