/** Process ids below another one, for tests that kill cells. */
import { execFileSync } from 'node:child_process';

/** Children and theirs, at any depth; empty when the process is gone. */
export function descendants(pid: number): readonly number[] {
  return children(pid).flatMap((child) => [child, ...descendants(child)]);
}

/** Empty when the process is gone. */
export function children(pid: number): readonly number[] {
  try {
    const found = execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' });
    return found.trim().split('\n').map(Number);
  } catch {
    return [];
  }
}
