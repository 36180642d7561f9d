/** Tools that come from PyPI: each in a Python environment of its own in the cache, made once. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readEnvironment } from '@portarium/local/environment';

/**
 * @param requirements file with every package and its version
 * @returns the folder with its programs
 * @throws Error when there is no Python of 3.10 or newer, or its packages can not be had
 */
export function pythonEnvironment(name: string, requirements: string): string {
  const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16);
  const folder = join(readEnvironment(process.env).cacheDir, `${name}-${digest}`);
  const programs = join(folder, 'bin');
  // Written last: an interrupted install is made anew.
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return programs;
  rmSync(folder, { recursive: true, force: true });
  run(['python3', '-m', 'venv', folder], 'Install Python 3.10 or newer with its venv module.');
  run(
    [
      ...[join(programs, 'python'), '-m', 'pip', 'install', '--quiet'],
      ...['--disable-pip-version-check', '--no-deps'],
      ...['--only-binary', ':all:', '--requirement', requirements],
    ],
    'Look whether PyPI, or the mirror that pip is set to, can be reached.',
  );
  writeFileSync(complete, '');
  return programs;
}

function run(command: string[], hint: string): void {
  const { exitCode, stderr } = Bun.spawnSync(command, { stdout: 'ignore', stderr: 'pipe' });
  if (exitCode === 0) return;
  throw new Error(`${command.slice(0, 4).join(' ')} failed: ${stderr.toString().trim()}\n${hint}`);
}
