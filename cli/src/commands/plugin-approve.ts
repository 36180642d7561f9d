/**
 * `portarium plugin approve`: shows what a version could do that the one that runs can not, and sends the
 * decision with the digest that was computed here. Side effects: the decision.
 */
import type { PluginVersion } from '@portarium/client/answers';
import { checkGrowth } from '@portarium/client/growth-check';
import { visibleLine } from '@portarium/client/visible-text';
import type { Command } from 'commander';
import { agreedText } from '../approval-text.ts';
import { askDecision, assertDecidable, type DecisionOptions, decides } from '../ask-decision.ts';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { growthApprovalText } from '../growth-approval-text.ts';
import { print, printJson, tell } from '../output.ts';

type ApproveOptions = ConnectionOptions & Omit<DecisionOptions, 'requestChanges'>;

export function registerPluginApprove(plugin: Command): void {
  connectionOptions(
    plugin
      .command('approve')
      .argument('<name>', 'the plugin')
      .argument('<version>', 'the version that waits')
      .description('show what a version could do that the one that runs can not, and decide')
      .option('--rationale <text>', 'why; it stands in the evidence')
      .option('--deny', 'deny it instead')
      .option('--yes', 'decide without asking; needs --rationale'),
  ).action(approve);
}

async function approve(name: string, version: string, options: ApproveOptions): Promise<void> {
  assertDecidable(options);
  const client = connect(options, 'approver');
  const found = await client.plugins.version(name, version);
  const { approval } = found;
  if (!approval && !decides(options)) {
    if (options.json) printJson(found);
    else tell(`${name}@${version} is ${found.state}. Nobody is asked about it: it had not grown.`);
    return;
  }
  const checked = await checkGrowth(client, found);
  if (!options.json) print(growthApprovalText(checked));
  const { refusal } = checked.approval;
  const pending = found.state === 'pending-approval';
  if (refusal && pending && !decides(options)) {
    tell(`With this key you can look, and not decide: ${visibleLine(refusal.detail)}`);
  }
  const open = pending && !refusal;
  const wanted = await askDecision(options.deny ? 'deny' : 'approve', open, options);
  if (wanted === undefined) {
    if (options.json) printJson(found);
    return;
  }
  const { digest } = checked;
  const decided = await client.plugins.decide(name, version, { ...wanted, digest });
  if (options.json) return printJson(decided);
  tellDecided(decided);
}

function tellDecided({ name, version, state, approval }: PluginVersion): void {
  print(`${name}@${version}  ${state}${approval ? `  ${agreedText(approval)} agreed` : ''}`);
  if (state === 'pending-approval') tell('Others have to agree as well.');
  if (state === 'active') tell(`See which version runs: portarium plugin versions ${name}`);
}
