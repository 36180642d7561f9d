/** Installs the pinned schemathesis into the cache: a Python environment of its own, made once. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readEnvironment } from '@portarium/local/environment';

const REQUIREMENTS = join(import.meta.dirname, 'schemathesis.txt');

/**
 * @returns the path of its Python interpreter; run it with `-m schemathesis.cli`
 * @throws Error when there is no Python of 3.10 or newer, or its packages can not be had
 */
export function installSchemathesis(): string {
  const digest = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 16);
  const folder = join(readEnvironment(process.env).cacheDir, `schemathesis-${digest}`);
  const python = join(folder, 'bin', 'python');
  // Written last: an interrupted install is made anew.
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return python;
  rmSync(folder, { recursive: true, force: true });
  run(['python3', '-m', 'venv', folder], 'Install Python 3.10 or newer with its venv module.');
  run(
    [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps'].concat([
      '--only-binary',
      ':all:',
      '--requirement',
      REQUIREMENTS,
    ]),
    'Look whether PyPI, or the mirror that pip is set to, can be reached.',
  );
  writeFileSync(complete, '');
  return python;
}

function run(command: string[], hint: string): void {
  const { exitCode, stderr } = Bun.spawnSync(command, { stdout: 'ignore', stderr: 'pipe' });
  if (exitCode === 0) return;
  throw new Error(`${command.slice(0, 4).join(' ')} failed: ${stderr.toString().trim()}\n${hint}`);
}
