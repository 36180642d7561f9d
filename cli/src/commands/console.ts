/** `portarium console`: prints a link that signs in to the web console. No side effects. */
import { type Command, Option } from 'commander';
import {
  type ConnectionOptions,
  connectionOf,
  connectionOptions,
  type StackRole,
} from '../connection.ts';
import { print, printJson, tell } from '../output.ts';

const ROLES = ['admin', 'operator', 'approver', 'auditor', 'author', 'agent'] as const;

interface ConsoleOptions extends ConnectionOptions {
  readonly role: StackRole;
}

export function registerConsole(program: Command): void {
  const command = program
    .command('console')
    .description('print a link that signs in to the web console; it holds a key')
    .addOption(
      new Option('--role <role>', 'whose key of the running stack').choices(ROLES).default('admin'),
    );
  connectionOptions(command).action((options: ConsoleOptions) => {
    const { url, key, workspace } = connectionOf(options, options.role);
    const link = consoleLink(url, key, workspace);
    if (options.json === true) return printJson({ link });
    print(link);
    tell(
      'Whoever has this link has the key in it. The page keeps it in its tab and takes it out of the address.',
    );
  });
}

/** The key stands behind `#`: browsers send that to nobody. */
export function consoleLink(url: string, key: string, workspace: string): string {
  const signIn = new URLSearchParams({ key, workspace });
  return `${url.replace(/\/+$/, '')}/console/${encodeURIComponent(workspace)}#${signIn}`;
}
