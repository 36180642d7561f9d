/**
 * `portarium plugin versions|rollback|rollout|quarantine`: what actions run that name no version. Side effects:
 * all but `versions` change that; each gives a reason, which stands in the evidence.
 */
import type { PluginVersions } from '@portarium/client/answers';
import { quarantineText } from '@portarium/client/version-text';
import { WeightsSchema } from '@portarium/contracts/rollout';
import { type Command, InvalidArgumentError } from 'commander';
import * as v from 'valibot';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { print, printJson, tell } from '../output.ts';
import { UsageError } from '../usage-error.ts';
import { versionsText } from '../versions-text.ts';

interface ReasonOptions extends ConnectionOptions {
  readonly rationale: string;
}

interface QuarantineOptions extends ReasonOptions {
  readonly lift?: true;
}

export function registerPluginVersions(plugin: Command): void {
  connectionOptions(
    plugin
      .command('versions')
      .argument('<name>', 'the plugin')
      .description('list the versions of a plugin, the newest first, and which run for how much'),
  ).action(versions);
  reasoned(
    plugin
      .command('rollback')
      .argument('<name>', 'the plugin')
      .argument('<version>', 'the version that runs from now on when an action names none')
      .description('run another version of a plugin at once, until a newer one is pushed'),
  ).action(rollback);
  reasoned(
    plugin
      .command('rollout')
      .argument('<name>', 'the plugin')
      .argument('<version=weight...>', 'such as 1.2.0=90 1.3.0=10', weight)
      .description('have versions of a plugin share its actions by weight, whatever is pushed')
      .addHelpText(
        'after',
        '\nOne version with a weight gets everything and keeps it when a newer one is pushed.',
      ),
  ).action(rollout);
  reasoned(
    plugin
      .command('quarantine')
      .argument('<name>', 'the plugin')
      .argument('<version>', 'the version that nothing runs from now on')
      .description('stop a version of a plugin, or let it run again')
      .option('--lift', 'let it run again'),
  ).action(quarantine);
}

function reasoned(command: Command): Command {
  return connectionOptions(
    command.requiredOption('--rationale <text>', 'why; it stands in the evidence'),
  );
}

type Weighted = readonly (readonly [string, number])[];

function weight(text: string, before: Weighted = []): Weighted {
  const [, version, number] = /^([^=]+)=(\d{1,6})$/.exec(text) ?? [];
  if (version === undefined) {
    throw new InvalidArgumentError('Expected a version, = and a whole number, such as 1.3.0=10.');
  }
  return [...before, [version, Number(number)]];
}

function weightSentence({ path, message }: v.BaseIssue<unknown>): string {
  const at = path?.[0]?.key;
  return at === undefined
    ? `The weights: ${message}.`
    : `The weight of ${String(at)}: ${message}. A version that gets nothing is left out.`;
}

async function versions(name: string, options: ConnectionOptions): Promise<void> {
  show(await connect(options).plugins.versions(name), options);
}

async function rollback(name: string, version: string, options: ReasonOptions): Promise<void> {
  const { plugins } = connect(options);
  show(await plugins.setCurrent(name, version, options.rationale), options);
  if (!options.json)
    tell(`Actions that name ${name} without a version run ${version} from now on.`);
}

async function rollout(name: string, weighted: Weighted, options: ReasonOptions): Promise<void> {
  const weights = Object.fromEntries(weighted);
  const parsed = v.safeParse(WeightsSchema, weights);
  if (!parsed.success) throw new UsageError(weightSentence(parsed.issues[0]));
  if (Object.keys(weights).length < weighted.length) {
    throw new UsageError('A version stands twice. Give each one weight.');
  }
  const { plugins } = connect(options);
  show(await plugins.setWeights(name, weights, options.rationale), options);
  if (!options.json) {
    tell(`Back to one version at once: portarium plugin rollback ${name} VERSION --rationale WHY`);
  }
}

async function quarantine(
  name: string,
  version: string,
  options: QuarantineOptions,
): Promise<void> {
  const { plugins } = connect(options);
  const wanted = { quarantined: options.lift !== true, rationale: options.rationale };
  const found = await plugins.setQuarantine(name, version, wanted);
  if (options.json) return printJson(found);
  print(`${found.name}@${found.version}  ${found.state}`);
  if (found.quarantine) tell(quarantineText(found.quarantine));
}

function show(found: PluginVersions, options: ConnectionOptions): void {
  if (options.json) printJson(found);
  else print(versionsText(found));
}
