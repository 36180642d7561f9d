/** The `portarium` command: its subcommands, one line each. Parses; does nothing itself. */
import { readVersions } from '@portarium/local/repository';
import { Command, Help, type Option } from 'commander';
import { registerAction } from './commands/action.ts';
import { registerApprovalRules } from './commands/approval-rules.ts';
import { registerApprove } from './commands/approve.ts';
import { registerBackup } from './commands/backup.ts';
import { registerConsole } from './commands/console.ts';
import { registerCredential } from './commands/credential.ts';
import { registerDemo } from './commands/demo.ts';
import { registerDispose } from './commands/dispose.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerDown } from './commands/down.ts';
import { registerEvidence } from './commands/evidence.ts';
import { registerHold } from './commands/hold.ts';
import { registerKey } from './commands/key.ts';
import { registerLimits } from './commands/limits.ts';
import { registerMigrate } from './commands/migrate.ts';
import { registerPlugin } from './commands/plugin.ts';
import { registerPluginRules } from './commands/plugin-rules.ts';
import { registerPublisher } from './commands/publisher.ts';
import { registerReconcile } from './commands/reconcile.ts';
import { registerRegulation } from './commands/regulation.ts';
import { registerReplay } from './commands/replay.ts';
import { registerRetention } from './commands/retention.ts';
import { registerStatus } from './commands/status.ts';
import { registerTest } from './commands/test.ts';
import { registerUp } from './commands/up.ts';
import { registerUsage } from './commands/usage.ts';
import { registerVault } from './commands/vault.ts';
import { registerWorkspace } from './commands/workspace.ts';
import { EXIT_CODES } from './exit-codes.ts';

const REGISTRATIONS: readonly ((program: Command) => void)[] = [
  registerDemo,
  registerUp,
  registerDown,
  registerStatus,
  registerConsole,
  registerDoctor,
  registerPlugin,
  registerPluginRules,
  registerPublisher,
  registerCredential,
  registerAction,
  registerApprove,
  registerApprovalRules,
  registerLimits,
  registerRegulation,
  registerUsage,
  registerEvidence,
  registerReconcile,
  registerRetention,
  registerHold,
  registerDispose,
  registerReplay,
  registerWorkspace,
  registerKey,
  registerMigrate,
  registerVault,
  registerBackup,
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
    .configureHelp({ optionDescription })
    .showHelpAfterError('(portarium --help lists commands and options)')
    .exitOverride();
  for (const register of REGISTRATIONS) register(program);
  refuseUnknown(program, 'portarium');
  for (const command of program.commands) inherit(command, program, 'portarium');
  return program;
}

/** Subcommands, and theirs, have the program's settings only when they are copied. */
function inherit(command: Command, parent: Command, parentName: string): void {
  const name = `${parentName} ${command.name()}`;
  command
    .copyInheritedSettings(parent)
    .showHelpAfterError(`(${name} --help lists its arguments and options)`);
  refuseUnknown(command, name);
  for (const inner of command.commands) inherit(inner, command, name);
}

/** Commander shows the help of the parent for `frobnicate --help`, and calls that a success. */
function refuseUnknown(command: Command, name: string): void {
  if (command.commands.length === 0) return;
  command.on('beforeHelp', () => {
    const [first] = command.args;
    const known = command.commands.some((inner) => inner.name() === first);
    if (first === undefined || known || first === 'help' || first.startsWith('-')) return;
    command.error(`error: ${name} has no command '${first}'`, { exitCode: EXIT_CODES.usage });
  });
}

function optionDescription(option: Option): string {
  const text = Help.prototype.optionDescription.call(new Help(), option);
  return option.mandatory ? `${text} (required)` : text;
}
