/** PostgreSQL on loopback: cluster made at the first start, SCRAM passwords, no Unix socket. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { DataFolder } from '../data-folder.ts';
import { inheritedVariables, type LocalEnvironment } from '../environment.ts';
import type { Ports } from '../free-ports.ts';
import { LocalStackError } from '../local-stack-error.ts';
import { ensurePostgresUser, type SystemUser } from '../postgres-user.ts';
import { probePostgres } from '../probes/postgres-probe.ts';
import { withDeathSignal } from '../process/death-signal.ts';
import type { PartSpec } from '../process/part-spec.ts';
import { identify } from '../process/process-identity.ts';
import { runCommand } from '../process/run-command.ts';
import type { OnProgress } from '../progress.ts';
import type { Secrets } from '../secrets.ts';
import { type PostgresBinaries, postgresBinaries } from './postgres-binaries.ts';

export const POSTGRES_OWNER = 'portarium_owner';
/** Created by the Control Plane's `migrate`, with the password of its connection URL. */
export const POSTGRES_RUNTIME = 'portarium_runtime';
export const POSTGRES_DATABASE = 'portarium';

/** Sized for a laptop that runs other things too. Durability settings stay at their defaults. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '128MB',
  max_wal_size: '512MB',
  checkpoint_timeout: '15min',
  jit: 'off',
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  logging_collector: 'off',
  log_line_prefix: '%m [%p] %u@%d ',
};

/** Connection URL; both passwords are hexadecimal, so nothing needs escaping. */
export function postgresUrl(
  ports: Pick<Ports, 'postgres'>,
  user: string,
  password: string,
  database: string,
): string {
  return `postgres://${user}:${password}@127.0.0.1:${ports.postgres}/${database}`;
}

export function postgresPart(
  folder: DataFolder,
  ports: Ports,
  secrets: Secrets,
  environment: LocalEnvironment,
  onProgress: OnProgress,
): PartSpec {
  const probe = (): Promise<string | undefined> =>
    probePostgres(ports.postgres, POSTGRES_OWNER, POSTGRES_DATABASE);
  return {
    part: 'postgres',
    port: ports.postgres,
    prepare: async () => {
      const user = ensurePostgresUser();
      const binaries = postgresBinaries(user);
      if (!existsSync(join(folder.postgres, 'PG_VERSION'))) {
        onProgress({
          part: 'postgres',
          state: 'starting',
          detail: 'creating the database cluster',
        });
        await createCluster(folder, secrets, binaries, user, environment);
      }
      assertSameMajor(folder, binaries);
      removeForeignPidFile(folder);
      const settings = { ...SETTINGS, port: String(ports.postgres) };
      return {
        file: binaries.postgres,
        args: [
          ...['-D', folder.postgres],
          ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
        ],
        env: { ...inheritedVariables(environment), LC_ALL: 'C', TZ: 'UTC' },
        cwd: folder.path,
        ...(user === undefined ? {} : { user }),
      };
    },
    isReady: async () => (await probe()) === 'R',
    answers: async () => (await probe()) !== undefined,
    readyTimeoutMs: 120_000,
    stopSignal: 'SIGINT',
    stopTimeoutMs: 20_000,
    deathSignal: 'INT',
  };
}

/** Runs initdb beside the final place and renames: half a cluster is never taken for a whole one. */
async function createCluster(
  folder: DataFolder,
  secrets: Secrets,
  binaries: PostgresBinaries,
  user: SystemUser | undefined,
  environment: LocalEnvironment,
): Promise<void> {
  const making = `${folder.postgres}.new`;
  const passwordFile = join(folder.path, '.initdb-password');
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { mode: 0o700 });
  rmSync(passwordFile, { force: true });
  writeFileSync(passwordFile, `${secrets.postgresOwnerPassword}\n`, { mode: 0o600, flag: 'wx' });
  if (user !== undefined) {
    chownSync(making, user.uid, user.gid);
    chownSync(passwordFile, user.uid, user.gid);
  }
  try {
    const run = (file: string, args: readonly string[], input?: string): Promise<void> =>
      runAs(folder, user, environment, { file, args, ...(input === undefined ? {} : { input }) });
    await run(binaries.initdb, [
      ...['--pgdata', making, '--username', POSTGRES_OWNER, '--pwfile', passwordFile],
      ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-locale'],
      ...['--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8', '--no-instructions'],
    ]);
    // In single-user mode, so that a cluster in its final place always has its database.
    await run(
      binaries.postgres,
      ['--single', '-D', making, 'postgres'],
      `create database ${POSTGRES_DATABASE}\n`,
    );
    chmodSync(making, 0o700);
    renameSync(making, folder.postgres);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

interface ClusterCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly input?: string;
}

/** Runs a command of cluster creation as PostgreSQL's user; throws with its output. */
async function runAs(
  folder: DataFolder,
  user: SystemUser | undefined,
  environment: LocalEnvironment,
  command: ClusterCommand,
): Promise<void> {
  const { file, args, ...owner } = withDeathSignal(command.file, command.args, 'KILL', user);
  const result = await runCommand(file, args, {
    timeoutMs: 120_000,
    cwd: folder.path,
    env: { ...inheritedVariables(environment), LC_ALL: 'C', TZ: 'UTC' },
    ...(command.input === undefined ? {} : { input: command.input }),
    ...owner,
  });
  if (!result.ok) {
    throw new LocalStackError(
      'part-failed',
      `${command.file} could not create the database cluster in ${folder.postgres}:\n${result.output.trim()}`,
    );
  }
}

function assertSameMajor(folder: DataFolder, binaries: PostgresBinaries): void {
  const cluster = readFileSync(join(folder.postgres, 'PG_VERSION'), 'utf8').trim();
  const major = binaries.version.split('.')[0];
  if (cluster !== major) {
    throw new LocalStackError(
      'data-folder',
      `The database in ${folder.postgres} was made by PostgreSQL ${cluster}, this version runs ${major}. Use the release that made it, or another data folder (--data).`,
    );
  }
}

/**
 * After a restart of the machine the pid in `postmaster.pid` may be some other process's, which
 * PostgreSQL then takes for itself and refuses to start. Nothing is removed while a postgres lives.
 */
function removeForeignPidFile(folder: DataFolder): void {
  const file = join(folder.postgres, 'postmaster.pid');
  if (!existsSync(file) || process.platform !== 'linux') return;
  const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
  if (!Number.isInteger(pid) || identify(pid) === undefined) return;
  const command = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  if (command !== 'postgres') rmSync(file, { force: true });
}
