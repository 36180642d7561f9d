/**
 * Which Control Plane a command talks to, as whom, and about which workspace: options first, then
 * PORTARIUM_URL, PORTARIUM_KEY and PORTARIUM_WORKSPACE, then the stack that runs in the data folder.
 */
import { PortariumClient } from '@portarium/client/portarium-client';
import { readEnvironment } from '@portarium/local/environment';
import { findRunningStack, type StackConnection } from '@portarium/local/running-stack';
import type { Command } from 'commander';
import { type DataOption, dataDirOf, dataOption } from './data-option.ts';

export interface ConnectionOptions extends DataOption {
  readonly url?: string;
  readonly key?: string;
  readonly workspace?: string;
  readonly json?: true;
}

export interface Connection {
  readonly url: string;
  readonly key: string;
  readonly workspace: string;
}

/** Adds `--url`, `--key`, `--workspace`, `--data` and `--json`. */
export function connectionOptions(command: Command): Command {
  return command
    .option('--url <address>', 'Control Plane (default: $PORTARIUM_URL, else the running stack)')
    .option('--key <key>', 'API key (default: $PORTARIUM_KEY, else the running stack’s own)')
    .option('--workspace <id>', 'workspace (default: $PORTARIUM_WORKSPACE, else the stack’s)')
    .addOption(dataOption())
    .option('--json', 'print the result as JSON, one line each');
}

/**
 * @param stack the running stack of the data folder; asked for only when something is missing
 * @throws Error that says what is missing and how to give it
 */
export function resolveConnection(
  options: ConnectionOptions,
  variables: Readonly<Record<string, string | undefined>>,
  stack: () => Pick<StackConnection, 'url' | 'workspace' | 'keys'> | undefined,
): Connection {
  const given = {
    url: options.url || variables.PORTARIUM_URL,
    key: options.key || variables.PORTARIUM_KEY,
    workspace: options.workspace || variables.PORTARIUM_WORKSPACE,
  };
  const { url, key, workspace } = given;
  if (url && key && workspace) return { url, key, workspace };
  // A stack's key goes to that stack alone, never to an address that somebody named.
  if (url) {
    throw new Error(
      `An address was given without ${key ? 'a workspace' : 'a key'}. Give --${key ? 'workspace' : 'key'} too, or PORTARIUM_${key ? 'WORKSPACE' : 'KEY'}.`,
    );
  }
  const running = stack();
  if (!running) {
    throw new Error(
      'No Control Plane is named and no stack runs here. Start one with portarium up, or give --url, --key and --workspace (PORTARIUM_URL, PORTARIUM_KEY, PORTARIUM_WORKSPACE).',
    );
  }
  return {
    url: running.url,
    key: key ?? running.keys.admin,
    workspace: workspace ?? running.workspace,
  };
}

/** A client for what the options, the environment or the running stack name. */
export function connect(options: ConnectionOptions): PortariumClient {
  const environment = readEnvironment();
  const stack = () => findRunningStack(dataDirOf(options));
  return new PortariumClient(resolveConnection(options, environment.all, stack));
}
