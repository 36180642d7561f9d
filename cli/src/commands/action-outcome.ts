/**
 * `portarium action cancel|resolve`: a person ends an action, or says what came of it. Side effects:
 * the action changes, and its evidence holds who did it and why.
 */
import type { ActionResolution } from '@portarium/client/actions';
import { type Command, Option } from 'commander';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { showAction } from '../show-action.ts';

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
      .argument('<id>')
      .description('stop an action that is not over')
      .option('--rationale <text>', 'why; it stands in the evidence'),
  ).action(cancel);
  connectionOptions(
    action
      .command('resolve')
      .argument('<id>')
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
  const done = await connect(options).actions.cancel(
    id,
    rationale === undefined ? {} : { rationale },
  );
  showAction(done, options.json === true);
}

async function resolve(id: string, options: ResolveOptions): Promise<void> {
  const { outcome, rationale } = options;
  const done = await connect(options).actions.resolve(id, { outcome, rationale });
  showAction(done, options.json === true);
}
