/** Names in the store: the same in a folder and in a bucket. */
import type { Digest } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';

/** One name of a path in the log. */
const LOG_NAME = /^[a-z0-9][a-z0-9._-]*$/;

export function artifactKey(workspace: WorkspaceId, digest: Digest): string {
  return `${workspace}/sha256/${digest.slice('sha256:'.length)}`;
}

/** @throws RangeError when the path could lead elsewhere, or to what the directory store keeps beside */
export function logKey(workspace: WorkspaceId, path: string): string {
  const names = path.split('/');
  if (names.some((name) => !LOG_NAME.test(name) || /\.(part|json|lock)$/.test(name))) {
    throw new RangeError(`no path of the log: ${JSON.stringify(path)}`);
  }
  return `${workspace}/log/${path}`;
}
