/**
 * `portarium replay`. Side effects: starts the sandbox's replay as a process of its own, which starts a
 * cell without a network for each attempt; for an action's id, asks the Control Plane for its bundle
 * and keeps that in a temporary folder until the end.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ActionIdSchema } from '@portarium/contracts/ids';
import { type Command, Option } from 'commander';
import * as v from 'valibot';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { print, printJson } from '../output.ts';
import { readInputFile } from '../read-argument.ts';
import { pinOption, readPin } from '../read-pin.ts';
import { ReplayLineSchema, replayText } from '../replay-text.ts';
import { sandboxLines } from '../sandbox-lines.ts';

interface ReplayOptions extends ConnectionOptions {
  readonly engine: string;
  readonly pin?: string;
}

export function registerReplay(program: Command): void {
  connectionOptions(
    program
      .command('replay')
      .argument('<action|bundle>', 'an action’s id, or the tar file of evidence export')
      .description('run recorded attempts again, without a network, and compare')
      .addOption(
        new Option('--engine <name>', 'which engines run the module')
          .choices(['bun', 'deno', 'both'])
          .default('both'),
      )
      .addOption(pinOption()),
  )
    .addHelpText(
      'after',
      `
The same module, input, clock, random stream and responses must give the same calls and the same output,
on Bun (JavaScriptCore) and on Deno (V8). A bundle that contradicts itself is not replayed.

Exit codes: 0 all agree, 1 a difference or a falsified bundle, 2 unreadable, 3 not replayable.`,
    )
    .action(replay);
}

async function replay(subject: string, options: ReplayOptions): Promise<void> {
  const pin = await readPin(options.pin);
  const args = ['--engine', options.engine, ...(pin === undefined ? [] : ['--pin', pin])];
  if (!v.is(ActionIdSchema, subject)) {
    await readInputFile(subject);
    process.exitCode = await run([resolve(subject), ...args], options);
    return;
  }
  const bundle = await connect(options).evidence.exportBundle({ action: subject });
  const folder = await mkdtemp(join(tmpdir(), 'portarium-replay-'));
  try {
    const file = join(folder, 'bundle.tar');
    await writeFile(file, bundle);
    process.exitCode = await run([file, ...args], options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @returns the exit code of the sandbox's replay, whose lines are printed as they come */
function run(args: readonly string[], { json }: ReplayOptions): Promise<number> {
  let action = '';
  return sandboxLines(['replay', ...args], (value) => {
    const line = v.parse(ReplayLineSchema, value);
    if (json) return printJson(value);
    if ('results' in line && line.action !== action) {
      action = line.action;
      print(action);
    }
    print(replayText(line));
  });
}
