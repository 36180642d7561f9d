/**
 * Which live process supervises a data folder: the owner of its lock, or, when somebody removed the
 * lock file, the supervisor that `stack.json` names while it says that the stack runs.
 */
import type { DataFolder } from '../data-folder.ts';
import { LocalStackError } from '../local-stack-error.ts';
import { readStackFile } from '../stack-file.ts';
import { lockOwner } from './owned-lock.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

/** The live supervisor; `undefined` when the folder is free. */
export function folderOwner(folder: DataFolder): ProcessIdentity | undefined {
  return lockOwner(folder.lock) ?? recordedSupervisor(folder);
}

/** The supervisor of `stack.json`, while it lives and has not finished. */
export function recordedSupervisor(folder: DataFolder): ProcessIdentity | undefined {
  const file = readStackFile(folder.stack);
  if (file === undefined || file.state === 'stopped' || file.state === 'failed') return undefined;
  return isAlive(file.supervisor) ? file.supervisor : undefined;
}

/** Why a second start is refused, with where the first one answers. */
export function alreadyRunning(
  folder: DataFolder,
  owner: ProcessIdentity | undefined,
): LocalStackError {
  const url = readStackFile(folder.stack)?.url;
  const who = owner === undefined ? '' : ` (process ${owner.pid})`;
  return new LocalStackError(
    'already-running',
    `A stack already runs on ${folder.path}${who}${url ? ` at ${url}` : ''}. Use it, or stop it with: portarium down --data ${folder.path}`,
  );
}
