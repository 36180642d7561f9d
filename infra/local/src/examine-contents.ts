/** Whether a data folder holds what it must, and shows its secrets to nobody else. Reads only. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findBootstrap } from './bootstrap-file.ts';
import { type DataFolder, dataFolderAt } from './data-folder.ts';
import type { LocalEnvironment } from './environment.ts';
import { broken, type Finding, fine, lacking } from './finding.ts';
import { messageOf } from './local-stack-error.ts';
import { outerStoreOf } from './outer-store.ts';
import { postgresBinaries } from './parts/postgres-binaries.ts';
import { findPostgresUser, runsAsRoot } from './postgres-user.ts';
import { checkMasterKey, checkSecrets } from './secrets.ts';

const NAME = 'data contents';

/** One finding for each thing that is wrong, else one that says so; none for a folder that is not there. */
export function examineContents(
  dataDir: string,
  variables: LocalEnvironment['all'] = {},
): readonly Finding[] {
  const folder = dataFolderAt(dataDir);
  if (!existsSync(folder.path)) return [];
  const elsewhere = outerStoreOf(dataDir, variables);
  const wrong = [
    ...missing(folder, elsewhere !== undefined),
    ...clusterProblems(folder),
    ...openSecrets(folder),
  ];
  if (wrong.length > 0) return wrong;
  if (!existsSync(folder.postgres)) return [fine(NAME, 'nothing to resume')];
  return existsSync(folder.bootstrap)
    ? [fine(NAME, elsewhere === undefined ? 'whole' : outside(elsewhere))]
    : [
        fine(
          NAME,
          `no ${folder.bootstrap} yet: the next start makes the first keys, and writes them there`,
        ),
      ];
}

function restore({ path }: DataFolder): string {
  return `Put it back, or restore a backup of the whole folder into another one (portarium restore FILE --data DIR). Leave ${path} as it is until then.`;
}

const outside = (store: string) =>
  `whole; artifacts are in the evidence store at ${store}, and no backup of this folder has them`;

/** @param outer whether the bodies that evidence names are kept elsewhere */
function missing(folder: DataFolder, outer: boolean): readonly Finding[] {
  const problems = [
    messageThrownBy(() => checkSecrets(folder)),
    messageThrownBy(() => checkMasterKey(folder)),
  ];
  const found = problems.flatMap((why) =>
    why === undefined ? [] : [broken(NAME, firstSentence(why), restore(folder))],
  );
  // Before the first keys are written nothing is in these.
  if (!existsSync(folder.bootstrap)) return found;
  if (findBootstrap(folder)?.hostKey === undefined) {
    found.push(broken(NAME, `${folder.bootstrap} is damaged`, restore(folder)));
  }
  const parts: readonly (readonly [string, string])[] = [
    [join(folder.postgres, 'PG_VERSION'), 'the database'],
    [folder.temporalFile, 'the database of Temporal'],
    ...(outer ? [] : [[folder.evidence, 'the bodies that evidence names'] as const]),
    [join(folder.vault, 'vault.json'), 'credentials, and what keys are checked against'],
    [folder.nats, 'events that were not delivered yet'],
  ];
  for (const [path, what] of parts) {
    if (!existsSync(path)) {
      found.push(broken(NAME, `${path} is missing: ${what}`, restore(folder)));
    }
  }
  return found;
}

/** What is wrong; what to do about it is said for the whole folder. */
function firstSentence(text: string): string {
  return text.split(/\.(?:$| [A-Z])/, 1)[0] ?? text;
}

function messageThrownBy(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** What PostgreSQL would refuse to start with. */
function clusterProblems({ postgres }: DataFolder): readonly Finding[] {
  const file = join(postgres, 'PG_VERSION');
  if (!existsSync(file)) return [];
  const found: Finding[] = [];
  const { mode, uid } = statSync(postgres);
  if ((mode & 0o027) !== 0) {
    found.push(
      broken(
        NAME,
        `${postgres} is open to others (${octal(mode)}), and PostgreSQL refuses that`,
        `chmod 700 ${postgres}`,
      ),
    );
  }
  const owner = runsAsRoot() ? findPostgresUser()?.uid : process.getuid?.();
  if (owner !== undefined && uid !== owner) {
    const fix = `chown -R ${owner} ${postgres}`;
    found.push(
      broken(NAME, `${postgres} belongs to uid ${uid}, PostgreSQL runs as uid ${owner}`, fix),
    );
  }
  const made = readFileSync(file, 'utf8').trim();
  const runs = majorThatRuns();
  if (runs !== undefined && made !== runs) {
    found.push(
      broken(
        NAME,
        `the database was made by PostgreSQL ${made}, and this version runs ${runs}`,
        'Use the version of Portarium that made it.',
      ),
    );
  }
  return found;
}

function majorThatRuns(): string | undefined {
  try {
    return postgresBinaries(undefined).version.split('.')[0];
  } catch {
    // The finding `postgres` tells that.
    return undefined;
  }
}

function openSecrets(folder: DataFolder): readonly Finding[] {
  const secrets = [folder.secrets, folder.masterKey, folder.hostKey, folder.bootstrap];
  const files = [...secrets, join(folder.vault, 'vault.json')];
  return files.flatMap((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined || (found.mode & 0o077) === 0) return [];
    return [
      lacking(
        NAME,
        `${path} is open to other users (${octal(found.mode)})`,
        `chmod 600 ${path}, and change what they may have read: keys (portarium key), the master key (portarium vault rotate-key)`,
      ),
    ];
  });
}

const octal = (mode: number) => (mode & 0o777).toString(8).padStart(4, '0');
