/** The system user that PostgreSQL runs as when the launcher is root: PostgreSQL refuses root. */
import { spawnSync } from 'node:child_process';
import { LocalStackError } from './local-stack-error.ts';

export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

const NAME = 'postgres';

function idOf(option: '-u' | '-g'): number | undefined {
  const shown = spawnSync('id', [option, NAME], { encoding: 'utf8' });
  const id = Number.parseInt(shown.stdout, 10);
  return shown.status === 0 && Number.isInteger(id) ? id : undefined;
}

/** The existing user; `undefined` when there is none. Creates nothing. */
export function findPostgresUser(): SystemUser | undefined {
  const uid = idOf('-u');
  const gid = idOf('-g');
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

export function runsAsRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * The user for PostgreSQL: `undefined` when we are not root (it then runs as ourselves).
 * Creates the system user `postgres` when root has none.
 */
export function ensurePostgresUser(): SystemUser | undefined {
  if (!runsAsRoot()) return undefined;
  const found = findPostgresUser();
  if (found !== undefined) return found;
  const attempts = [
    ['useradd', '--system', '--user-group', '--no-create-home', '--shell', '/bin/false', NAME],
    ['adduser', '-S', '-D', '-H', '-s', '/bin/false', NAME],
  ];
  for (const [file, ...args] of attempts) {
    if (file !== undefined) spawnSync(file, args, { stdio: 'ignore' });
    const created = findPostgresUser();
    if (created !== undefined) return created;
  }
  throw new LocalStackError(
    'part-failed',
    'PostgreSQL refuses to run as root, there is no user "postgres", and useradd could not create one. Create it (useradd --system postgres) or run as an ordinary user.',
  );
}
