/** Entry of the `portarium` command: runs it and turns its outcome into an exit code. */
import { type Command, CommanderError } from 'commander';
import { EXIT_CODES, exitCodeOf } from './exit-codes.ts';
import { failureJson, failureText } from './failure-text.ts';
import { reportFailure } from './output.ts';
import { createProgram } from './program.ts';

/** Runs one command line (without the program's name) and returns its exit code. */
async function run(args: readonly string[]): Promise<number> {
  process.exitCode = EXIT_CODES.ok;
  let command = 'portarium';
  try {
    const program = createProgram().hook('preAction', (_program, action) => {
      command = nameOf(action);
    });
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode);
  } catch (error) {
    // Commander has printed its own message: help and version end well, the rest is usage.
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT_CODES.ok : EXIT_CODES.usage;
    }
    reportFailure(failureText(error, command), args.includes('--json'), failureJson(error));
    return exitCodeOf(error);
  }
}

/** `portarium plugin push` */
function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

const exitCode = await run(process.argv.slice(2));
// An exit right after a write to a pipe could cut the output short.
await new Promise((resolve) => process.stdout.write('', resolve));
process.exit(exitCode);
