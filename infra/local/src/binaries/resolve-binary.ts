/**
 * Finds a server binary: configured path, PATH, own cache, the project's official release with a
 * pinned checksum, `go install` of the pinned version. Runs nothing that is not the pinned version,
 * save what a person configured by path.
 */
import { accessSync, constants, rmSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type LocalEnvironment, readEnvironment } from '../environment.ts';
import { LocalStackError } from '../local-stack-error.ts';
import { waitForLock } from '../process/owned-lock.ts';
import { runCommand } from '../process/run-command.ts';
import type { OnProgress, StepName } from '../progress.ts';
import { BinaryCache } from './binary-cache.ts';
import { downloadRelease, type StepResult } from './download-release.ts';
import { goInstall } from './go-install.ts';
import { type BinaryName, SERVER_BINARIES, type ServerBinary } from './server-binary.ts';

export type BinarySource = 'configured' | 'path' | 'cache' | 'release' | 'go';

export interface ResolvedBinary {
  readonly path: string;
  readonly source: BinarySource;
}

export interface ResolveOptions {
  readonly environment?: LocalEnvironment;
  readonly onProgress?: OnProgress;
  /** Part name for progress events. */
  readonly part?: StepName;
}

/** A file that this process may execute. */
function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** What needs no network and no build; `undefined` when that finds nothing. */
export async function findBinary(
  binary: ServerBinary,
  environment: LocalEnvironment,
  onDamaged: (reason: string) => void = () => undefined,
): Promise<ResolvedBinary | undefined> {
  const configured = environment.binaryPaths[binary.pathVariable];
  if (configured !== undefined) {
    if (isExecutable(configured)) return { path: configured, source: 'configured' };
    throw new LocalStackError(
      'binary-unavailable',
      `${binary.pathVariable} names ${configured}, which is no executable file. Correct or unset it.`,
    );
  }
  const onPath = await findOnPath(binary, environment);
  if (onPath !== undefined) return { path: onPath, source: 'path' };
  const cached = await new BinaryCache(environment.cacheDir).lookUp(binary);
  if (cached.found === 'valid') return { path: cached.path, source: 'cache' };
  if (cached.found === 'damaged') onDamaged(cached.reason);
  return undefined;
}

/** PATH counts only when the binary says that it is the pinned version. */
async function findOnPath(
  binary: ServerBinary,
  environment: LocalEnvironment,
): Promise<string | undefined> {
  for (const folder of environment.path.split(delimiter)) {
    const path = join(folder, binary.name);
    if (folder === '' || !isExecutable(path)) continue;
    const shown = await runCommand(path, ['--version'], { timeoutMs: 10_000 });
    if (shown.ok && binary.versionPattern.test(shown.output)) return path;
  }
  return undefined;
}

/**
 * The path of a binary, installing it when nothing else is found.
 * @throws LocalStackError `binary-unavailable` with what was tried and why each failed
 */
export async function resolveBinary(
  name: BinaryName,
  options: ResolveOptions = {},
): Promise<ResolvedBinary> {
  return resolveServerBinary(SERVER_BINARIES[name], options);
}

/** As {@link resolveBinary}, for any description of a binary. */
export async function resolveServerBinary(
  binary: ServerBinary,
  options: ResolveOptions = {},
): Promise<ResolvedBinary> {
  const environment = options.environment ?? readEnvironment();
  const part = options.part ?? stepOf(binary.name);
  const tell = (state: 'resolving' | 'building', detail: string): void =>
    options.onProgress?.({ part, state, detail });
  const onDamaged = (reason: string): void => tell('resolving', `${reason}; installing it anew`);
  tell('resolving', `looking for ${binary.name} ${binary.version}`);
  const found = await findBinary(binary, environment, onDamaged);
  if (found !== undefined) return found;

  const cache = new BinaryCache(environment.cacheDir);
  const release = await waitForLock(cache.lockPath, (owner, waitedMs) =>
    tell(
      'building',
      `process ${owner.pid} installs a binary; waiting ${Math.round(waitedMs / 1_000)} s`,
    ),
  );
  try {
    // Whoever held the lock may have installed it.
    const byNow = await findBinary(binary, environment);
    return byNow ?? (await install(binary, cache, environment, tell));
  } finally {
    release();
  }
}

function stepOf(name: ServerBinary['name']): StepName {
  return name === 'nats-server' ? 'nats' : name;
}

async function install(
  binary: ServerBinary,
  cache: BinaryCache,
  environment: LocalEnvironment,
  tell: (state: 'resolving' | 'building', detail: string) => void,
): Promise<ResolvedBinary> {
  const workFolder = cache.makeWorkFolder(binary);
  const tried: string[] = [];
  try {
    const platform = `${process.platform}-${process.arch}` as const;
    const archive = binary.releases[platform];
    const fetched: StepResult =
      archive === undefined
        ? { ok: false, reason: `skipped, no checksum is pinned for ${platform}` }
        : await downloadRelease(archive, workFolder, (detail) => tell('building', detail));
    if (fetched.ok) {
      const path = await cache.install(binary, fetched.file, archive?.url ?? '');
      return { path, source: 'release' };
    }
    tried.push(`official release: ${fetched.reason}`);
    tell('building', tried.at(-1) ?? '');
    const built = await goInstall({
      binary,
      workFolder,
      env: goEnvironment(environment),
      onProgress: (detail) => tell('building', detail),
    });
    if (built.ok) {
      const module = `${binary.goPackage}@v${binary.version}`;
      return { path: await cache.install(binary, built.file, module), source: 'go' };
    }
    tried.push(`go install: ${built.reason}`);
  } finally {
    rmSync(workFolder, { recursive: true, force: true });
  }
  throw new LocalStackError(
    'binary-unavailable',
    [
      `${binary.name} ${binary.version} can not be had.`,
      ...tried.map((line) => `  - ${line}`),
      `Install it and set ${binary.pathVariable} to its path, or connect to the internet and try again.`,
    ].join('\n'),
  );
}

/** Go needs the person's proxies, caches and certificates, so it gets the whole environment. */
function goEnvironment(environment: LocalEnvironment): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment.all)) {
    if (value !== undefined) all[name] = value;
  }
  return all;
}
