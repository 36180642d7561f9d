/**
 * `portarium regulation`: whether the workspace is under regulated retention. Side effects: with an option,
 * it changes that.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { print, printJson } from '../output.ts';

interface RegulationOptions extends ConnectionOptions {
  readonly regulated?: 'yes' | 'no';
  readonly rationale?: string;
}

export function registerRegulation(program: Command): void {
  connectionOptions(
    program
      .command('regulation')
      .description(
        'show whether the workspace takes artifacts only while the evidence store passes every check of its locks; with an option, change it',
      )
      .addOption(
        new Option(
          '--regulated <yes|no>',
          'put it under regulated retention, or lift that',
        ).choices(['yes', 'no']),
      )
      .option('--rationale <text>', 'why; needed with --regulated'),
  ).action(regulation);
}

async function regulation(options: RegulationOptions): Promise<void> {
  const { regulated, rationale, json, ...connection } = options;
  if ((regulated === undefined) !== (rationale === undefined)) {
    throw new InvalidArgumentError('--regulated and --rationale go together.');
  }
  const client = connect(connection);
  const shown =
    regulated === undefined || rationale === undefined
      ? await client.regulation.get()
      : await client.regulation.put({ regulated: regulated === 'yes', rationale });
  if (json) printJson(shown);
  else
    print(
      shown.regulated
        ? 'Regulated: artifacts are taken only while the evidence store passes every check.'
        : 'Not regulated.',
    );
}
