/**
 * How this project's own programs are run by Bun. Bun takes `bunfig.toml` (whose preload is code),
 * `.env` and `tsconfig.json` (whose paths redirect imports) from the folder it is started in, and
 * installs missing packages on its own; our programs never use a folder's own. The root script
 * `portarium` passes the same flags.
 */
import { join } from 'node:path';
import { REPOSITORY_ROOT } from './repository.ts';

/** Arguments for `process.execPath`. @param program file, relative to the repository or absolute */
export function bunArguments(program: string, ...args: readonly string[]): string[] {
  return [
    `--config=${join(REPOSITORY_ROOT, 'bunfig.toml')}`,
    `--tsconfig-override=${join(REPOSITORY_ROOT, 'tsconfig.json')}`,
    '--no-env-file',
    '--no-install',
    program,
    ...args,
  ];
}
