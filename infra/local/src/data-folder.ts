/** Layout of one data folder: everything that a stack keeps lies under it. */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { LocalEnvironment } from './environment.ts';
import { LocalStackError, messageOf } from './local-stack-error.ts';
import { runsAsRoot } from './postgres-user.ts';
import { REPOSITORY_ROOT } from './repository.ts';

/** Absolute paths inside a data folder. */
export interface DataFolder {
  readonly path: string;
  readonly postgres: string;
  readonly temporalFile: string;
  readonly nats: string;
  readonly natsConfig: string;
  readonly evidence: string;
  readonly vault: string;
  readonly logs: string;
  readonly secrets: string;
  readonly masterKey: string;
  readonly hostKey: string;
  readonly bootstrap: string;
  readonly ports: string;
  readonly stack: string;
  readonly lock: string;
}

export function dataFolderAt(path: string): DataFolder {
  const root = resolve(path);
  return {
    path: root,
    postgres: join(root, 'postgres'),
    temporalFile: join(root, 'temporal', 'temporal.sqlite'),
    nats: join(root, 'nats'),
    natsConfig: join(root, 'nats', 'nats.conf'),
    evidence: join(root, 'evidence'),
    vault: join(root, 'vault'),
    logs: join(root, 'logs'),
    secrets: join(root, 'secrets.json'),
    masterKey: join(root, 'master.key'),
    hostKey: join(root, 'host.key'),
    bootstrap: join(root, 'bootstrap.json'),
    ports: join(root, 'ports.json'),
    stack: join(root, 'stack.json'),
    lock: join(root, 'supervisor.lock'),
  };
}

/**
 * The folder when none is named: `PORTARIUM_DATA`, else `.portarium/` in the repository. When root
 * runs a clone that other users can not reach (such as one in root's home), PostgreSQL, which never
 * runs as root, could not reach it either: then a folder of this clone's own under /var/lib.
 */
export function defaultDataDir(environment: LocalEnvironment): string {
  if (environment.dataDir !== undefined) return environment.dataDir;
  const inRepository = join(REPOSITORY_ROOT, '.portarium');
  if (existsSync(dataFolderAt(inRepository).postgres)) return inRepository;
  if (!runsAsRoot() || closedParent(inRepository) === undefined) return inRepository;
  const name = basename(REPOSITORY_ROOT).replaceAll(/[^A-Za-z0-9._-]/g, '-');
  const mark = createHash('sha256').update(REPOSITORY_ROOT).digest('hex').slice(0, 8);
  return join('/var/lib/portarium', `${name}-${mark}`);
}

/** The topmost existing folder above `path` that users other than its owner can not pass. */
export function closedParent(path: string): string | undefined {
  const parents: string[] = [];
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    parents.unshift(folder);
    if (folder === dirname(folder)) break;
  }
  return parents.find((folder) => existsSync(folder) && (statSync(folder).mode & 0o001) === 0);
}

/** Leaves a foreign folder alone: it must be new, empty, or one of ours. */
function assertOurs(folder: DataFolder): void {
  const entries = readdirSync(folder.path);
  const ours = entries.length === 0 || entries.some((name) => OUR_FILES.has(name));
  if (!ours) {
    throw new LocalStackError(
      'data-folder',
      `${folder.path} holds other files and is no data folder of Portarium. Name an empty or new folder with --data.`,
    );
  }
}

const OUR_FILES: ReadonlySet<string> = new Set([
  'supervisor.lock',
  'secrets.json',
  'ports.json',
  'stack.json',
  'logs',
]);

/**
 * Creates the folder where it is missing and checks that every part can use it.
 * @throws LocalStackError `data-folder` with what to do
 */
export function prepareDataFolder(folder: DataFolder): void {
  const root = runsAsRoot();
  try {
    mkdirSync(folder.path, { recursive: true, mode: root ? 0o711 : 0o700 });
    assertOurs(folder);
    // PostgreSQL's own user passes through; names of files stay hidden, secrets have mode 0600.
    if (root) chmodSync(folder.path, 0o711);
    for (const inner of [folder.logs, folder.evidence, folder.vault, folder.nats]) {
      mkdirSync(inner, { recursive: true, mode: 0o700 });
    }
    mkdirSync(dirname(folder.temporalFile), { recursive: true, mode: 0o700 });
    keepOutOfGit(folder);
  } catch (error) {
    if (error instanceof LocalStackError) throw error;
    throw new LocalStackError(
      'data-folder',
      `The data folder ${folder.path} can not be used: ${messageOf(error)}. Name another one with --data.`,
    );
  }
  const closed = root ? closedParent(folder.path) : undefined;
  if (closed !== undefined) {
    throw new LocalStackError(
      'data-folder',
      `PostgreSQL does not run as root, and its user can not reach ${folder.path}: ${closed} is closed to other users. Name a folder elsewhere (--data /var/lib/portarium/NAME), or open it for passage (chmod o+x ${closed}).`,
    );
  }
}

/** A data folder inside any work tree must never be committed. */
function keepOutOfGit(folder: DataFolder): void {
  const file = join(folder.path, '.gitignore');
  if (!existsSync(file)) writeFileSync(file, '*\n');
}
