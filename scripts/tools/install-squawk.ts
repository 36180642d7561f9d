/** Installs the pinned squawk, a linter of migrations, into the cache; as a program it prints where. */
import { join } from 'node:path';
import { pythonEnvironment } from './python-environment.ts';

/**
 * @returns the path of the program
 * @throws Error when it can not be had
 */
export function installSquawk(): string {
  return join(pythonEnvironment('squawk', join(import.meta.dirname, 'squawk.txt')), 'squawk');
}

if (import.meta.main) console.log(installSquawk());
