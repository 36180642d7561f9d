/** Installs the pinned schemathesis into the cache. */
import { join } from 'node:path';
import { pythonEnvironment } from './python-environment.ts';

/**
 * @returns the path of its Python interpreter; run it with `-m schemathesis.cli`
 * @throws Error when it can not be had
 */
export function installSchemathesis(): string {
  const requirements = join(import.meta.dirname, 'schemathesis.txt');
  return join(pythonEnvironment('schemathesis', requirements), 'python');
}
