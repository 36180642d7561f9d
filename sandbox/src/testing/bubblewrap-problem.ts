/** Whether cells can have namespaces on this machine. */
import { spawnSync } from 'node:child_process';

let problem: string | undefined | null = null;

/** Why there can be none, or undefined. */
export function bubblewrapProblem(): string | undefined {
  if (problem === null) problem = tried();
  return problem;
}

function tried(): string | undefined {
  const args = ['--unshare-all', '--unshare-user', '--disable-userns', '--ro-bind', '/', '/'];
  const { status, error, stderr } = spawnSync('bwrap', [...args, 'true'], { encoding: 'utf8' });
  if (status === 0) return undefined;
  return `bubblewrap can not make namespaces here: ${error?.message ?? stderr.trim().split('\n')[0]}`;
}
