/**
 * `portarium action cancel|resolve`: a person ends an action, or says what came of it. Side effects:
 * the action changes, and its evidence holds who did it and why.
 */
import type { ActionResolution } from '@portarium/client/actions';
import type { PortariumClient } from '@portarium/client/portarium-client';
import { PortariumError } from '@portarium/client/portarium-error';
import { type Command, Option } from 'commander';
import { AdvisedError } from '../advised-error.ts';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { actionId } from '../id-argument.ts';
import { nextStep, showAction } from '../show-action.ts';

interface CancelOptions extends ConnectionOptions {
  readonly rationale?: string;
}

interface ResolveOptions extends ConnectionOptions {
  readonly outcome: ActionResolution['outcome'];
  readonly rationale: string;
}

export function registerActionOutcome(action: Command): void {
  connectionOptions(
    action
      .command('cancel')
      .argument('<id>', 'the action', actionId)
      .description('stop an action that is not over')
      .option('--rationale <text>', 'why; it stands in the evidence'),
  ).action(cancel);
  connectionOptions(
    action
      .command('resolve')
      .argument('<id>', 'the action', actionId)
      .description('say what came of an action whose outcome is unknown, or that a person did')
      .addOption(
        new Option('--outcome <outcome>', 'dispatched: it did not happen, send it again')
          .choices(['succeeded', 'failed', 'dispatched'])
          .makeOptionMandatory(),
      )
      .requiredOption('--rationale <text>', 'how you know; it stands in the evidence'),
  ).action(resolve);
}

async function cancel(id: string, options: CancelOptions): Promise<void> {
  const { rationale } = options;
  const client = connect(options);
  const said = rationale === undefined ? {} : { rationale };
  const done = await client.actions.cancel(id, said).catch((error) => advised(client, id, error));
  showAction(done, options.json === true);
}

/** What can be done instead about an action whose state does not allow it. */
async function advised({ actions }: PortariumClient, id: string, error: unknown): Promise<never> {
  const refused = error instanceof PortariumError && error.code === 'conflict';
  const action = refused ? await actions.get(id).catch(() => undefined) : undefined;
  const step = action && nextStep(action);
  throw step === undefined ? error : new AdvisedError(error, step);
}

async function resolve(id: string, options: ResolveOptions): Promise<void> {
  const { outcome, rationale } = options;
  const client = connect(options);
  const resolution = { outcome, rationale };
  const done = await client.actions
    .resolve(id, resolution)
    .catch((error) => advised(client, id, error));
  showAction(done, options.json === true);
}
