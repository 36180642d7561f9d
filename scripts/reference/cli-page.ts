/** `docs/reference/cli.md`: every command with its arguments and options, from the program itself. */
import { createProgram } from '@portarium/cli/program';
import type { Command } from 'commander';
import { NOTICE } from './notice.ts';

export function cliPage(): string {
  const program = createProgram();
  const groups = program.commands.filter((one) => one.name() !== 'help');
  return `# Command line

${NOTICE}

\`./portarium COMMAND --help\` says the same. Exit codes: 0 done, 1 failed, 2 usage or bad input, unless a
command says more.

${groups.flatMap((command) => sections(command, 'portarium')).join('\n')}`;
}

function sections(command: Command, parent: string): string[] {
  const name = `${parent} ${command.name()}`;
  const inner = command.commands.filter((one) => one.name() !== 'help');
  const more = inner.flatMap((one) => sections(one, name));
  // What groups others has no options of its own.
  if (inner.length > 0 && command.options.length === 0) return more;
  const usage = [name, ...command.registeredArguments.map(argumentText)].join(' ');
  const rows = [
    ...command.registeredArguments
      .filter(({ description }) => description)
      .map((argument) => [`\`${argumentText(argument)}\``, argument.description]),
    ...command.options
      .filter(({ hidden }) => !hidden)
      .map((option) => [`\`${option.flags}\``, optionText(option)]),
  ];
  const table = rows.map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n');
  return [
    `## ${name}\n\n${sentence(command.description())}\n\n\`\`\`\n./${usage}\n\`\`\`\n` +
      (rows.length === 0 ? '' : `\n| | |\n|---|---|\n${table}\n`),
    ...more,
  ];
}

function argumentText(argument: Command['registeredArguments'][number]): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function optionText({
  description,
  argChoices,
  defaultValue,
  mandatory,
}: Command['options'][number]) {
  const choices = argChoices ? `; one of ${argChoices.join(', ')}` : '';
  const usual = defaultValue === undefined ? '' : `; ${String(defaultValue)} unless given`;
  return `${description}${choices}${usual}${mandatory ? '; required' : ''}`;
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function sentence(text: string): string {
  const capital = `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
  return capital.endsWith('.') ? capital : `${capital}.`;
}
