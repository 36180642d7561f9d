/** The `portarium` command: its subcommands, one line each. Parses; does nothing itself. */
import { readVersions } from '@portarium/local/repository';
import { Command } from 'commander';
import { registerAction } from './commands/action.ts';
import { registerDemo } from './commands/demo.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerDown } from './commands/down.ts';
import { registerEvidence } from './commands/evidence.ts';
import { registerKey } from './commands/key.ts';
import { registerPlugin } from './commands/plugin.ts';
import { registerStatus } from './commands/status.ts';
import { registerTest } from './commands/test.ts';
import { registerUp } from './commands/up.ts';

const REGISTRATIONS: readonly ((program: Command) => void)[] = [
  registerDemo,
  registerUp,
  registerDown,
  registerStatus,
  registerDoctor,
  registerPlugin,
  registerAction,
  registerEvidence,
  registerKey,
  registerTest,
];

/** A fresh program that throws CommanderError instead of ending the process. */
export function createProgram(): Command {
  const program = new Command('portarium')
    .description(
      'Let agents, automations and people act on real systems through sandboxed plugins.',
    )
    .version(readVersions().product)
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 usage or bad input.')
    .showHelpAfterError('(portarium --help lists commands and options)')
    .exitOverride();
  for (const register of REGISTRATIONS) register(program);
  // Subcommands inherit these only when they are copied.
  for (const command of program.commands) command.copyInheritedSettings(program);
  return program;
}
