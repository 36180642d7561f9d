/**
 * Which Control Plane a command talks to, as whom, and about which workspace: options first, then
 * PORTARIUM_URL, PORTARIUM_KEY and PORTARIUM_WORKSPACE, then the stack that runs in the data folder.
 */
import { PortariumClient } from '@portarium/client/portarium-client';
import { findRunningStack, type StackConnection } from '@portarium/local/running-stack';
import type { Command } from 'commander';
import * as v from 'valibot';
import { type ConnectionVariables, ConnectionVariablesSchema } from './connection-variables.ts';
import { type DataOption, dataDirOf, dataOption, usableEnvironment } from './data-option.ts';
import { UsageError } from './usage-error.ts';

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

export type StackRole = keyof StackConnection['keys'];

/**
 * @param stack the running stack of the data folder; asked for only when something is missing
 * @param role whose key of the running stack is used when none is given
 * @throws UsageError that says what is missing beside an address, and how to give it
 * @throws Error when no address is named and no stack runs
 */
export function resolveConnection(
  options: ConnectionOptions,
  variables: ConnectionVariables,
  stack: () => Pick<StackConnection, 'url' | 'workspace' | 'keys'> | undefined,
  role: StackRole = 'admin',
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
    throw new UsageError(
      `An address was given without ${key ? 'a workspace' : 'a key'}. Give --${key ? 'workspace' : 'key'} too, or PORTARIUM_${key ? 'WORKSPACE' : 'KEY'}.`,
    );
  }
  const running = stack();
  if (!running) {
    throw new Error(
      'No Control Plane is named and no stack runs in the data folder. Start one with portarium up; name the data folder of one that runs elsewhere with --data or PORTARIUM_DATA; or give --url, --key and --workspace (PORTARIUM_URL, PORTARIUM_KEY, PORTARIUM_WORKSPACE).',
    );
  }
  return {
    url: running.url,
    key: key ?? running.keys[role],
    workspace: workspace ?? running.workspace,
  };
}

/** What the options, the environment or the running stack name. */
export function connectionOf(options: ConnectionOptions, role: StackRole = 'admin'): Connection {
  const stack = () => findRunningStack(dataDirOf(options));
  const variables = v.parse(ConnectionVariablesSchema, usableEnvironment().all);
  return resolveConnection(options, variables, stack, role);
}

/**
 * A client for what the options, the environment or the running stack name.
 * @throws UsageError when the address is none
 */
export function connect(options: ConnectionOptions, role: StackRole = 'admin'): PortariumClient {
  const connection = connectionOf(options, role);
  try {
    return new PortariumClient(connection);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(
      `${JSON.stringify(connection.url)} is no address of a Control Plane. Expected one such as http://127.0.0.1:3000 (--url or PORTARIUM_URL).`,
    );
  }
}
