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
import postgres from 'postgres';
import type { DataFolder } from '../data-folder.ts';
import { inheritedVariables, type LocalEnvironment } from '../environment.ts';
import type { Ports } from '../free-ports.ts';
import { LocalStackError } from '../local-stack-error.ts';
import { ensurePostgresUser, type SystemUser } from '../postgres-user.ts';
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
  ports: Ports,
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
  const maintenanceUrl = postgresUrl(
    ports,
    POSTGRES_OWNER,
    secrets.postgresOwnerPassword,
    'postgres',
  );
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
    isReady: () => answersQueries(maintenanceUrl),
    afterReady: () => ensureDatabase(maintenanceUrl),
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
  writeFileSync(passwordFile, `${secrets.postgresOwnerPassword}\n`, { mode: 0o600 });
  if (user !== undefined) {
    chownSync(making, user.uid, user.gid);
    chownSync(passwordFile, user.uid, user.gid);
  }
  try {
    const args = [
      ...['--pgdata', making, '--username', POSTGRES_OWNER, '--pwfile', passwordFile],
      ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-locale'],
      ...['--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8', '--no-instructions'],
    ];
    const { file, args: wrapped, ...owner } = withDeathSignal(binaries.initdb, args, 'KILL', user);
    const made = await runCommand(file, wrapped, {
      timeoutMs: 120_000,
      cwd: folder.path,
      env: { ...inheritedVariables(environment), LC_ALL: 'C', TZ: 'UTC' },
      ...owner,
    });
    if (!made.ok) {
      throw new LocalStackError(
        'part-failed',
        `initdb could not create the database cluster in ${folder.postgres}:\n${made.output.trim()}`,
      );
    }
    chmodSync(making, 0o700);
    renameSync(making, folder.postgres);
  } finally {
    rmSync(passwordFile, { force: true });
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

async function answersQueries(url: string): Promise<boolean> {
  const sql = connect(url);
  try {
    await sql`select 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 }).catch(() => undefined);
  }
}

async function ensureDatabase(url: string): Promise<void> {
  const sql = connect(url);
  try {
    const found = await sql`select 1 from pg_database where datname = ${POSTGRES_DATABASE}`;
    if (found.length === 0) await sql`create database ${sql(POSTGRES_DATABASE)}`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function connect(url: string): postgres.Sql {
  return postgres(url, { max: 1, connect_timeout: 2, idle_timeout: 1, onnotice: () => undefined });
}
