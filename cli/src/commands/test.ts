/** `portarium test [--full]`: runs everything that CI runs, with the project's own script. */
import { spawn } from 'node:child_process';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import type { Command } from 'commander';

export function registerTest(program: Command): void {
  program
    .command('test')
    .description('run every check and test on real servers')
    .option('--full', 'the large counts, once an issue')
    .action(async (options: { full?: boolean }) => {
      const args = ['run', 'scripts/test.ts', ...(options.full === true ? ['--full'] : [])];
      const child = spawn(process.execPath, args, {
        cwd: REPOSITORY_ROOT,
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      const code = await new Promise<number>((resolve) =>
        child.once('close', (status) => resolve(status ?? 1)),
      );
      process.exitCode = code;
    });
}
