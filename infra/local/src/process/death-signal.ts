/**
 * Wraps a command so that the kernel ends it when its supervisor dies (prctl PR_SET_PDEATHSIG by
 * util-linux `setpriv`), and so that it runs as another user. Without `setpriv` the command is
 * returned as it is, and the next start clears what a killed supervisor left.
 */
import { spawnSync } from 'node:child_process';
import type { SystemUser } from '../postgres-user.ts';

let setpriv: boolean | undefined;

/** busybox has a `setpriv` without this option, so the option itself is tried. */
function hasSetpriv(): boolean {
  setpriv ??=
    process.platform === 'linux' &&
    spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true'], { stdio: 'ignore' }).status === 0;
  return setpriv;
}

export interface WrappedCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
}

/** @param deathSignal name without `SIG`, as setpriv takes it */
export function withDeathSignal(
  file: string,
  args: readonly string[],
  deathSignal: 'KILL' | 'INT',
  user?: SystemUser,
): WrappedCommand {
  if (!hasSetpriv()) return { file, args, ...(user ?? {}) };
  // The kernel forgets the death signal when credentials change, so setpriv changes both, in order.
  const identity =
    user === undefined ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'];
  return { file: 'setpriv', args: [...identity, '--pdeathsig', deathSignal, '--', file, ...args] };
}
