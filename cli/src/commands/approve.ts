/**
 * `portarium approve`: lists what waits for a person, shows exactly what one would agree to, and sends
 * the decision with the digest that was computed here. Side effects: the decision.
 */
import type { Approval } from '@portarium/client/approval-answers';
import { type CheckedApproval, checkApproval, narrowedTo } from '@portarium/client/approval-check';
import { doomsOf } from '@portarium/client/doomed-write';
import type { PortariumClient } from '@portarium/client/portarium-client';
import { visibleLine } from '@portarium/client/visible-text';
import type { EgressRule } from '@portarium/contracts/egress-rule';
import { NarrowingRulesSchema } from '@portarium/contracts/grantable-rules';
import { ActionIdSchema, ApprovalIdSchema } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { type Command, Option } from 'commander';
import * as v from 'valibot';
import { agreedText, approvalText, callsText } from '../approval-text.ts';
import { askDecision, assertDecidable, type DecisionOptions, decides } from '../ask-decision.ts';
import { checkedJson } from '../checked-json.ts';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { print, printJson, table, tell } from '../output.ts';
import { readArgument } from '../read-argument.ts';
import { UsageError } from '../usage-error.ts';

type ApproveOptions = ConnectionOptions & DecisionOptions;

export function registerApprove(program: Command): void {
  connectionOptions(
    program
      .command('approve')
      .argument('[id]', 'approval (apr_…) or action (act_…); without one, lists what waits')
      .description('show exactly what an action would do, and approve or deny it')
      .option('--rationale <text>', 'why; it stands in the evidence')
      .addOption(new Option('--deny', 'deny it instead').conflicts('requestChanges'))
      .option('--request-changes', 'end the action, and ask for another in its place')
      .addOption(
        new Option(
          '--egress <file>',
          'approve less: only calls that match one of these rules as well (JSON list, - for standard input); others have to agree anew',
        ).conflicts(['deny', 'requestChanges']),
      )
      .option('--yes', 'decide without asking; needs --rationale'),
  ).action(approve);
}

async function approve(id: string | undefined, options: ApproveOptions): Promise<void> {
  assertUsable(id, options);
  const egress = await rulesOf(options);
  const client = connect(options, 'approver');
  if (id === undefined) return list(client, options);
  const approval = await client.approvals.get(await approvalIdOf(client, id));
  const checked = await checkApproval(approval, client.workspace);
  if (!options.json) print(approvalText(checked));
  if (!decides(options)) tellIfFutile(approval);
  if (approval.state === 'open' && !options.deny) await warn(client, checked);
  if (egress && !options.json) {
    print(await narrowedText(checked, egress));
    assertDecidable(options);
  }
  const decision = options.deny ? 'deny' : options.requestChanges ? 'request-changes' : 'approve';
  const open = approval.state === 'open' && !approval.refusal;
  const wanted = await askDecision(decision, open, options);
  if (wanted === undefined) {
    if (options.json) printJson(approval);
    return;
  }
  const decided = await client.approvals.decide(approval.id, {
    ...wanted,
    digest: checked.digest,
    ...(egress === undefined ? {} : { egress }),
  });
  if (options.json) return printJson(decided);
  print(`${decided.id}  ${decided.state}  ${agreedText(decided)} agreed`);
  if (decided.state === 'granted') tell(`It goes on: portarium action tail ${decided.action}`);
  if (decided.state === 'open') tell('Others have to agree as well: portarium approve lists it.');
}

/** @throws UsageError when the file holds no rules that could narrow anything */
async function rulesOf({ egress }: ApproveOptions): Promise<EgressRule[] | undefined> {
  if (egress === undefined) return undefined;
  return checkedJson(
    egress,
    await readArgument(egress === '-' ? '@-' : `@${egress}`),
    NarrowingRulesSchema,
  );
}

/** What would be left of the calls; read out of the rules as the Control Plane will. */
async function narrowedText(checked: CheckedApproval, rules: EgressRule[]): Promise<string> {
  const { calls, digest } = await narrowedTo(checked, rules);
  return [
    'With --egress it may make these calls, and no others:',
    ...callsText(calls),
    `Approval digest with --egress, computed here: ${digest}`,
  ].join('\n');
}

/** Says so before anything is asked, when the Control Plane would refuse. */
function tellIfFutile({ refusal, stale, state }: Approval): void {
  if (refusal && state === 'open') {
    tell(`With this key you can look, and not decide: ${visibleLine(refusal.detail)}`);
  }
  if (stale === true) {
    tell(
      'The plugin, its grant, a credential or the policy changed since: approving it would only void it. It has to be asked for anew.',
    );
  }
}

/** An approval does not make possible what can not happen. Nobody is kept from deciding. */
async function warn({ credentials }: PortariumClient, checked: CheckedApproval): Promise<void> {
  // Not every key that may approve may list them, and none has to.
  const live = await credentials.list().catch(() => undefined);
  const dooms = doomsOf(checked, live);
  for (const doom of dooms) tell(`WARNING: ${doom}`);
  if (dooms.length > 0) {
    tell('What waits is bound to how things were when it was asked for: mend it, then ask again.');
  }
}

/** @throws UsageError before anything is asked for */
function assertUsable(id: string | undefined, options: ApproveOptions): void {
  if (id === undefined) {
    if (decides(options)) throw new UsageError('Name what to decide: portarium approve ID.');
    return;
  }
  if (!v.is(ApprovalIdSchema, id) && !v.is(ActionIdSchema, id)) {
    throw new UsageError(
      `${JSON.stringify(id)} is no id. Expected that of an approval (apr_…) or of an action (act_…).`,
    );
  }
  // What --egress would leave is shown before anybody has to be there.
  if (options.egress === undefined || options.json) assertDecidable(options);
}

async function approvalIdOf(client: PortariumClient, id: string): Promise<string> {
  if (v.is(ApprovalIdSchema, id)) return id;
  const { state, approval } = await client.actions.get(id);
  if (approval) return approval.id;
  throw new Error(`Action ${id} is ${state}; nobody was asked to approve it.`);
}

async function list(client: PortariumClient, options: ApproveOptions): Promise<void> {
  const page = await client.approvals.list({ state: 'open', limit: PLATFORM_LIMITS.pageSize });
  if (options.json) return printJson(page);
  const grown = (await client.plugins.list()).filter(({ state }) => state === 'pending-approval');
  if (page.items.length + grown.length === 0) return tell('Nothing waits for approval.');
  if (page.items.length > 0) {
    const heads = ['APPROVAL', 'ACTION', 'PLUGIN', 'OPERATION', 'AGREED', 'UNTIL'];
    print(table([heads, ...page.items.map(row)]));
    if (page.next !== undefined) tell('There are more; these are the newest.');
    tell('Look at one, and decide: portarium approve ID');
  }
  if (grown.length > 0) {
    const rows = grown.map(({ name, version, digest }) => [name, version, digest]);
    print(table([['PLUGIN', 'VERSION', 'DIGEST'], ...rows]));
    tell(
      'These could do more than what runs. See, and decide: portarium plugin approve NAME VERSION',
    );
  }
}

function row(approval: Approval): string[] {
  const { id, action, statement, decideBefore } = approval;
  const operation = `${statement.operation} (${statement.effect})`;
  return [
    id,
    action,
    visibleLine(approval.plugin ?? ''),
    operation,
    agreedText(approval),
    decideBefore,
  ];
}
