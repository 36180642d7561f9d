/** Starts parts on chosen ports; when one of these was taken before its part got it, once more. */
import type { DataFolder } from './data-folder.ts';
import { choosePorts, type Ports, type PortWishes } from './free-ports.ts';
import { LocalStackError } from './local-stack-error.ts';
import type { Supervisor } from './process/supervisor.ts';

/** Starts that were begun: a second try waits until the first one's have ended. */
export type Begun = Promise<unknown>[];

/**
 * Runs `start` with free ports, at most twice. A port that a person asked for is never replaced:
 * then the second choice says that it is taken.
 * @throws LocalStackError
 */
export async function withPorts<T>(
  supervisor: Supervisor,
  folder: DataFolder,
  wishes: PortWishes,
  start: (ports: Ports, begun: Begun) => Promise<T>,
): Promise<T> {
  const begun: Begun = [];
  const ports = await choosePorts(folder.ports, wishes);
  try {
    return await start(ports, begun);
  } catch (error) {
    const portTaken = error instanceof LocalStackError && error.code === 'port-taken';
    if (!portTaken || supervisor.isStopping) throw error;
    await supervisor.clear();
    await Promise.allSettled(begun);
    if (supervisor.isStopping) throw error;
  }
  return start(await choosePorts(folder.ports, wishes), []);
}
