/** Whether a data folder can be used as it is: its disk, its owner, its version. Changes nothing. */
import { existsSync, mkdtempSync, rmdirSync, statfsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { closedParent, dataFolderAt, NOBODY } from './data-folder.ts';
import { ageOf, readDataVersion } from './data-version.ts';
import type { LocalEnvironment } from './environment.ts';
import { examineContents } from './examine-contents.ts';
import { broken, type Finding, fine } from './finding.ts';
import { messageOf } from './local-stack-error.ts';
import { findPostgresUser, runsAsRoot } from './postgres-user.ts';
import { readVersions } from './repository.ts';
import { unfinishedUpgrade } from './upgrade.ts';

const NEEDED_DISK_BYTES = 2 * 1024 ** 3;
const ELSEWHERE = 'Name a folder that you may write (--data DIR).';

/** Findings `disk`, `data folder`, `data version`, and `data contents` once something is there. */
export function examineDataFolder(
  dataDir: string,
  variables: LocalEnvironment['all'] = {},
): readonly Finding[] {
  let existing = resolve(dataDir);
  while (!existsSync(existing)) existing = dirname(existing);
  const usable = examineFolder(dataDir, existing);
  const found = [examineDisk(existing), usable];
  // What another user owns could not be read, and would look damaged.
  return usable.ok
    ? [...found, examineVersion(dataDir), ...examineContents(dataDir, variables)]
    : found;
}

function examineDisk(existing: string): Finding {
  const free = statfsSync(existing);
  const freeBytes = Number(free.bavail) * Number(free.bsize);
  const detail = `${(freeBytes / 1024 ** 3).toFixed(1)} GiB free at ${existing}`;
  return freeBytes >= NEEDED_DISK_BYTES
    ? fine('disk', detail, true)
    : broken('disk', detail, 'Free 2 GiB, or name a data folder on another disk (--data).');
}

/** @param existing the data folder, or the nearest of its parents that is there */
function examineFolder(dataDir: string, existing: string): Finding {
  const name = 'data folder';
  const { uid } = statSync(existing);
  if (!statSync(existing).isDirectory()) {
    return broken(name, `${existing} is a file, so no folder can be there`, ELSEWHERE);
  }
  if (existing === resolve(dataDir) && uid !== process.getuid?.()) {
    return broken(
      name,
      `${existing} belongs to another user (uid ${uid})`,
      `Run as that user. ${ELSEWHERE}`,
    );
  }
  // Permission bits do not tell: root passes them where a file system refuses. So it is tried.
  try {
    rmdirSync(mkdtempSync(join(existing, '.portarium-doctor-')));
  } catch (error) {
    return broken(name, `${existing} takes no new folder: ${messageOf(error)}`, ELSEWHERE);
  }
  const closed = runsAsRoot() ? closedParent(dataDir, findPostgresUser() ?? NOBODY) : undefined;
  if (closed === undefined) return fine(name, dataDir, true);
  return broken(
    name,
    `PostgreSQL's user can not pass ${closed}`,
    `Name a folder elsewhere (--data /var/lib/portarium/NAME), or: chmod o+x ${closed}`,
  );
}

/** Whether this clone can start what lies in the folder. */
function examineVersion(dataDir: string): Finding {
  const folder = dataFolderAt(dataDir);
  const name = 'data version';
  const of = readDataVersion(folder)?.product ?? 'unknown';
  const age = ageOf(folder);
  switch (age) {
    case 'new':
      return fine(name, 'no stack was started there yet');
    case 'same':
      return fine(name, `${of}, as this one`);
    case 'older': {
      const backup = unfinishedUpgrade(folder);
      return fine(
        name,
        backup === undefined
          ? `${of}, older than this one (${readVersions().product}); the next start backs it up and upgrades it`
          : `${of}; its upgrade did not end, and the next start goes on with it. How it was before is in ${backup}`,
      );
    }
    case 'newer':
      return broken(
        name,
        `${of}, newer than this one (${readVersions().product}), which does not know its database`,
        `Use that version, or restore a backup of before into another folder (${folder.backups}).`,
      );
  }
}
