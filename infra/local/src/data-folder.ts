/** Layout of one data folder: everything that a stack keeps lies under it. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { writeFileAtomically } from './atomic-file.ts';
import type { LocalEnvironment } from './environment.ts';
import { LocalStackError, messageOf } from './local-stack-error.ts';
import {
  ensurePostgresUser,
  findPostgresUser,
  runsAsRoot,
  type SystemUser,
} from './postgres-user.ts';
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
  /** The built web console. */
  readonly console: string;
  readonly secrets: string;
  readonly masterKey: string;
  readonly hostKey: string;
  readonly bootstrap: string;
  readonly ports: string;
  readonly stack: string;
  readonly lock: string;
  /** Which version made it what it is. */
  readonly version: string;
  /** Backups that upgrades leave. */
  readonly backups: string;
  /** Names the backup of an upgrade that is under way. */
  readonly upgrade: string;
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
    console: join(root, 'console'),
    secrets: join(root, 'secrets.json'),
    masterKey: join(root, 'master.key'),
    hostKey: join(root, 'host.key'),
    bootstrap: join(root, 'bootstrap.json'),
    ports: join(root, 'ports.json'),
    stack: join(root, 'stack.json'),
    lock: join(root, 'supervisor.lock'),
    version: join(root, 'version.json'),
    backups: join(root, 'backups'),
    upgrade: join(root, 'upgrade.json'),
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
  if (!runsAsRoot()) return inRepository;
  const user = findPostgresUser() ?? NOBODY;
  if (closedParent(inRepository, user) === undefined) return inRepository;
  const name = basename(REPOSITORY_ROOT).replaceAll(/[^A-Za-z0-9._-]/g, '-');
  const mark = createHash('sha256').update(REPOSITORY_ROOT).digest('hex').slice(0, 8);
  return join('/var/lib/portarium', `${name}-${mark}`);
}

/** Stands for any user but root while there is no `postgres` yet. */
export const NOBODY: SystemUser = { uid: -1, gid: -1 };

/** The topmost existing folder above `path` that `user` can not pass (search permission). */
export function closedParent(path: string, user: SystemUser): string | undefined {
  return parentsOf(path).find((folder) => existsSync(folder) && !isPassable(folder, user));
}

/** From the root downwards, without `path` itself. */
function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    parents.unshift(folder);
    if (folder === dirname(folder)) return parents;
  }
}

/** The kernel takes the first class that fits: owner, group, others. */
function isPassable(folder: string, user: SystemUser): boolean {
  const { mode, uid, gid } = statSync(folder);
  const needed = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
  return (mode & needed) !== 0;
}

/**
 * Lets `user`'s group, and nobody else, pass through a folder of ours. Works on the opened folder:
 * no link and no other user's folder can be put in its place.
 */
function openForGroup(folder: string, user: SystemUser): void {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const opened = openSync(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    const { uid } = fstatSync(opened);
    if (uid !== process.getuid?.()) throw foreign(folder, uid);
    fchownSync(opened, uid, user.gid);
    fchmodSync(opened, 0o710);
  } finally {
    closeSync(opened);
  }
}

function foreign(path: string, uid: number): LocalStackError {
  return new LocalStackError(
    'data-folder',
    `${path} belongs to another user (uid ${uid}), who could redirect what is written there. Name a folder of your own with --data, or run as that user.`,
  );
}

/**
 * A folder that is ours and that no other user can put files or links into. A link to one is as
 * good, when the link is ours too.
 */
function assertOwned(path: string): void {
  const uid = process.getuid?.();
  if (uid === undefined) return;
  for (const found of [lstatSync(path), statSync(path)] satisfies Stats[]) {
    if (found.uid !== uid) throw foreign(path, found.uid);
  }
  const { mode } = statSync(path);
  if (!statSync(path).isDirectory()) {
    throw new LocalStackError('data-folder', `${path} is no folder. Name another with --data.`);
  }
  if ((mode & 0o002) !== 0) {
    throw new LocalStackError(
      'data-folder',
      `Every user can write to ${path}, and could redirect what is written there. Close it (chmod o-w ${path}) or name another folder with --data.`,
    );
  }
}

/** Private folders that root's tests make under the temporary folder are opened for passage. */
function openTemporaryParents(path: string, user: SystemUser): void {
  const temporary = resolve(tmpdir());
  for (const folder of parentsOf(path)) {
    if (!folder.startsWith(`${temporary}/`) || isPassable(folder, user)) continue;
    const { mode, uid } = statSync(folder);
    if (uid === process.getuid?.() && (mode & 0o077) === 0) openForGroup(folder, user);
  }
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
  const user = ensurePostgresUser();
  try {
    const made = [...parentsOf(folder.path), folder.path].filter((each) => !existsSync(each));
    mkdirSync(dirname(folder.path), { recursive: true });
    mkdirSync(folder.path, { recursive: true, mode: 0o700 });
    assertOwned(folder.path);
    assertOurs(folder);
    if (user !== undefined) {
      for (const created of made) openForGroup(created, user);
      // A folder that its owner made and left closed, such as an empty temporary one.
      if (!isPassable(folder.path, user)) openForGroup(realpathSync(folder.path), user);
      openTemporaryParents(folder.path, user);
    }
    const temporal = dirname(folder.temporalFile);
    for (const inner of [folder.logs, folder.evidence, folder.vault, folder.nats, temporal]) {
      mkdirSync(inner, { recursive: true, mode: 0o700 });
      assertOwned(inner);
    }
    keepOutOfGit(folder);
  } catch (error) {
    if (error instanceof LocalStackError) throw error;
    throw new LocalStackError(
      'data-folder',
      `The data folder ${folder.path} can not be used: ${messageOf(error)}. Name another one with --data.`,
    );
  }
  const closed = user === undefined ? undefined : closedParent(folder.path, user);
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
  const isFile = lstatSync(file, { throwIfNoEntry: false })?.isFile() === true;
  if (!isFile) writeFileAtomically(file, '*\n');
}
