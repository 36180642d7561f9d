/** Stops a stack that runs in the background for a while, and starts it again as it was. */

import { dataFolderAt } from './data-folder.ts';
import { LocalStackError } from './local-stack-error.ts';
import { alreadyRunning } from './process/folder-owner.ts';
import type { OnProgress } from './progress.ts';
import { readStatus, type StackConnection, stopStack } from './running-stack.ts';
import { readStackFile } from './stack-file.ts';
import { startDetached } from './start-detached.ts';

/** Starts it again, with the options and variables that it had. @throws LocalStackError */
export type Resume = (onProgress?: OnProgress) => Promise<StackConnection>;

/**
 * @returns undefined when none runs there
 * @throws LocalStackError when it can not be started again as it was: it ends with a terminal or a service,
 *   or is not ready
 */
export async function pauseStack(dataDir: string): Promise<Resume | undefined> {
  const folder = dataFolderAt(dataDir);
  const { state, supervisor } = readStatus(folder.path);
  if (supervisor === undefined) return undefined;
  if (state !== 'ready') {
    throw new LocalStackError(
      'already-running',
      `The stack on ${folder.path} is ${state}. Try again when it is ready or stopped.`,
    );
  }
  const how = readStackFile(folder.stack)?.startedWith;
  if (how?.background !== true) {
    throw new LocalStackError(
      'already-running',
      `${alreadyRunning(folder, supervisor).message}. It was not started with --detach, so nobody but its terminal or service can start it again: stop it there, and start it there afterwards.`,
    );
  }
  const stopped = await stopStack(folder.path);
  if (!stopped.ok) throw new LocalStackError('part-failed', stopped.message);
  const { httpPort, outside, variables } = how;
  return (onProgress) =>
    startDetached({
      ...{ dataDir: folder.path, variables, outside },
      ...(httpPort === undefined ? {} : { httpPort }),
      ...(onProgress === undefined ? {} : { onProgress }),
    });
}
