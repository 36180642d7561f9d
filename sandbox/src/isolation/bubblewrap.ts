/**
 * Namespaces around a cell, made by bubblewrap: no network, no processes of others, and of the file
 * system only the runtime, its libraries and the bundle. By itself it keeps neither descriptors nor
 * vsock nor io_uring away: the filter of system calls does.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);
/** Where things are for a cell. */
const RUNTIME = '/runtime';
const BUNDLE = '/cell.mjs';
const TRACE_TIMEOUT_MS = 10_000;

export interface Enclosed {
  /** Absolute path of the runtime. */
  readonly executable: string;
  /** Arguments before the bundle. */
  readonly flags: readonly string[];
  /** Absolute path of the bundle. */
  readonly script: string;
  /** Arguments behind the bundle. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** The arguments of `bwrap` (0.8 or newer: `--disable-userns`) that run it. */
export async function bubblewrapArguments(enclosed: Enclosed): Promise<readonly string[]> {
  const { executable, flags, script, args, environment } = enclosed;
  const readable = (from: string, to = from) => ['--ro-bind', from, to];
  return [
    ...['--unshare-all', '--unshare-user', '--disable-userns', '--as-pid-1', '--die-with-parent'],
    ...['--new-session', '--cap-drop', 'ALL', '--clearenv'],
    ...Object.entries(environment).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--proc', '/proc'],
    ...(await librariesOf(executable)).flatMap((library) => readable(library)),
    ...readable(executable, RUNTIME),
    ...readable(script, BUNDLE),
    ...['--remount-ro', '/', '--chdir', '/', '--'],
    ...[RUNTIME, ...flags, BUNDLE, ...args],
  ];
}

/** The loader and the libraries that it loads for the executable, as the loader itself says. */
async function librariesOf(executable: string): Promise<readonly string[]> {
  const { stdout } = await execute(executable, ['--version'], {
    env: { LD_TRACE_LOADED_OBJECTS: '1' },
    timeout: TRACE_TIMEOUT_MS,
  });
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, library]) => library ?? '');
}
