/**
 * `portarium approve`: lists what waits for a person, shows exactly what one would agree to, and sends
 * the decision with the digest that was computed here. Side effects: the decision.
 */
import type { Approval } from '@portarium/client/approval-answers';
import { type CheckedApproval, checkApproval } from '@portarium/client/approval-check';
import type { ApprovalDecision } from '@portarium/client/approvals';
import { doomsOf } from '@portarium/client/doomed-write';
import type { PortariumClient } from '@portarium/client/portarium-client';
import { visibleLine } from '@portarium/client/visible-text';
import { allowedCalls } from '@portarium/contracts/allowed-calls';
import type { EgressRule } from '@portarium/contracts/egress-rule';
import { GrantableRulesSchema } from '@portarium/contracts/grantable-rules';
import { ActionIdSchema, ApprovalIdSchema } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { type Command, Option } from 'commander';
import * as v from 'valibot';
import { agreedText, approvalText, callsText } from '../approval-text.ts';
import { ask, isTerminal } from '../ask-person.ts';
import { checkedJson } from '../checked-json.ts';
import { type ConnectionOptions, connect, connectionOptions } from '../connection.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { print, printJson, table, tell } from '../output.ts';
import { readArgument } from '../read-argument.ts';
import { UsageError } from '../usage-error.ts';

interface ApproveOptions extends ConnectionOptions {
  readonly rationale?: string;
  readonly deny?: true;
  readonly requestChanges?: true;
  readonly yes?: true;
  readonly egress?: string;
}

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
  if (egress && !options.json) print(narrowedText(checked, egress));
  const wanted = await decisionOn(checked, options, egress);
  if (wanted === undefined) {
    if (options.json) printJson(approval);
    return;
  }
  const decided = await client.approvals.decide(approval.id, wanted);
  if (options.json) return printJson(decided);
  print(`${decided.id}  ${decided.state}  ${agreedText(decided)} agreed`);
  if (decided.state === 'granted') tell(`It goes on: portarium action tail ${decided.action}`);
  if (decided.state === 'open') tell('Others have to agree as well: portarium approve lists it.');
}

/** @throws UsageError when the file holds no rules that could narrow anything */
async function rulesOf({ egress }: ApproveOptions): Promise<readonly EgressRule[] | undefined> {
  if (egress === undefined) return undefined;
  const schema = v.pipe(GrantableRulesSchema, v.minLength(1, 'expected at least one rule'));
  return checkedJson(egress, await readArgument(egress === '-' ? '@-' : `@${egress}`), schema);
}

/** What would be left of the calls; read out of the rules as the Control Plane will. */
function narrowedText({ request }: CheckedApproval, approval: readonly EgressRule[]): string {
  const contract = { ...request.contract, approval };
  return [
    'With --egress it may make these calls, and no others:',
    ...callsText(allowedCalls(contract, request.effect)),
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

/** Whether the options say that something is to be decided. */
function decides({ rationale, deny, requestChanges, yes, egress }: ApproveOptions): boolean {
  const given = [rationale, deny, requestChanges, yes, egress];
  return given.some((option) => option !== undefined);
}

/** @throws UsageError before anything is asked for */
function assertUsable(id: string | undefined, options: ApproveOptions): void {
  const asks = isTerminal() && options.json !== true;
  if (id === undefined) {
    if (decides(options)) throw new UsageError('Name what to decide: portarium approve ID.');
    return;
  }
  if (!v.is(ApprovalIdSchema, id) && !v.is(ActionIdSchema, id)) {
    throw new UsageError(
      `${JSON.stringify(id)} is no id. Expected that of an approval (apr_…) or of an action (act_…).`,
    );
  }
  if (decides(options) && !asks && options.yes !== true) {
    throw new UsageError(
      'Nobody can be asked here. Look at it first (without options), then give --yes and --rationale.',
    );
  }
  if (options.rationale === undefined ? options.yes && !asks : options.rationale.trim() === '') {
    throw new UsageError('A decision needs a reason: --rationale TEXT.');
  }
  if ((options.rationale?.length ?? 0) > PLATFORM_LIMITS.rationaleCharacters) {
    throw new UsageError(
      `A rationale has at most ${PLATFORM_LIMITS.rationaleCharacters} characters.`,
    );
  }
}

async function approvalIdOf(client: PortariumClient, id: string): Promise<string> {
  if (v.is(ApprovalIdSchema, id)) return id;
  const { state, approval } = await client.actions.get(id);
  if (approval) return approval.id;
  throw new Error(`Action ${id} is ${state}; nobody was asked to approve it.`);
}

/** @returns undefined when nothing is to be decided */
async function decisionOn(
  { approval, digest }: CheckedApproval,
  options: ApproveOptions,
  egress: readonly EgressRule[] | undefined,
): Promise<ApprovalDecision | undefined> {
  const decision = options.deny ? 'deny' : options.requestChanges ? 'request-changes' : 'approve';
  const asks = isTerminal() && !options.json;
  const open = approval.state === 'open' && !approval.refusal;
  if (!decides(options) && (!open || !asks)) return undefined;
  if (!options.yes && !(await confirmed(decision))) {
    tell('Nothing was decided.');
    process.exitCode = EXIT_CODES.failed;
    return undefined;
  }
  const rationale = (options.rationale ?? (await ask('Why? ')) ?? '').trim();
  if (rationale === '') throw new Error('Nothing was decided: a decision needs a reason.');
  return { decision, rationale, digest, ...(egress === undefined ? {} : { egress }) };
}

const QUESTIONS: { readonly [D in ApprovalDecision['decision']]: string } = {
  approve: 'Approve exactly this?',
  deny: 'Deny it?',
  'request-changes': 'End it, and ask for another in its place?',
};

async function confirmed(decision: ApprovalDecision['decision']): Promise<boolean> {
  const answer = await ask(`${QUESTIONS[decision]} [y/N] `);
  return /^\s*(y|yes)\s*$/i.test(answer ?? '');
}

async function list(client: PortariumClient, options: ApproveOptions): Promise<void> {
  const page = await client.approvals.list({ state: 'open', limit: PLATFORM_LIMITS.pageSize });
  if (options.json) return printJson(page);
  if (page.items.length === 0) return tell('Nothing waits for approval.');
  print(
    table([
      ['APPROVAL', 'ACTION', 'PLUGIN', 'OPERATION', 'AGREED', 'UNTIL'],
      ...page.items.map(row),
    ]),
  );
  if (page.next !== undefined) tell('There are more; these are the newest.');
  tell('Look at one, and decide: portarium approve ID');
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
