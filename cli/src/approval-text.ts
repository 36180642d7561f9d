/**
 * An approval for the person who decides: everything that would be sent, in full. Inputs and rules
 * come from people and plugins that are not to be trusted, so nothing in them may hide.
 */
import {
  type Approval,
  type ApprovalRequest,
  agreedCount,
} from '@portarium/client/approval-answers';
import type { CheckedApproval } from '@portarium/client/approval-check';
import { inputLines } from '@portarium/client/exact-input';
import { lineDiff } from '@portarium/client/line-diff';
import { visibleLine } from '@portarium/client/visible-text';
import type { AllowedCall } from '@portarium/contracts/allowed-calls';
import { placementText } from '@portarium/contracts/credential-placement';
import { SAFE_METHODS, shownRule } from '@portarium/contracts/egress-rule';
import { RULE_LEGEND } from './journal-text.ts';
import { table } from './output.ts';
import { writesText } from './writes-text.ts';

export function approvalText(checked: CheckedApproval): string {
  const { approval, request, digest, encoding, calls } = checked;
  const { statement } = approval;
  const { plugin, requestedBy } = request;
  const lines = inputLines(request.input, encoding);
  const escapes = lines.some((line) => /\\u[0-9a-f]{4}/.test(line));
  return [
    `${approval.id}  ${approval.state}  for ${approval.action}`,
    rows([
      ['operation', `${statement.operation} (${statement.effect})`],
      ['plugin', `${plugin.name}@${plugin.version}  ${statement.plugin}`],
      ['asked for by', `${requestedBy.owner}, with ${requestedBy.key}`],
    ]),
    `Input, exactly as the plugin gets it (${encoding}):`,
    ...lines.map((line) => `  │ ${line}`),
    ...(escapes ? ['  (\\u and four digits stand for a character that would not show)'] : []),
    ...lastApprovedLines(request, encoding, lines),
    ...replacedLines(request, encoding, lines),
    'It may make these calls, and no others:',
    ...callsText(calls),
    ...(request.contract.approval.length === 0 ? [] : ['An approver narrowed them.']),
    ...credentialLines(request),
    rows([
      ['networks opened', request.contract.networks.join(' ') || '(none: public addresses only)'],
      ['limits', limitsText(statement.limits)],
      ['decide before', approval.decideBefore],
      ['run before', statement.executeBefore],
      ['agreed', agreedText(approval)],
      ['may decide', `keys of the roles ${approval.roles.join(', ')}`],
      ['may not decide', approval.excluded.join(', ') || '(nobody is excluded)'],
    ]),
    ...approval.decisions.map(
      ({ person, decision, rationale, at, digest: about }) =>
        `  ${visibleLine(`${at}  ${person}  ${decision}: ${rationale}`)}${about === undefined || about === digest ? '' : '  (does not count: about what it was before it was narrowed)'}`,
    ),
    ...dryRunLines(approval),
    `Approval digest, computed here: ${digest}`,
    'It binds the input and the shapes of the calls, not the bytes that the plugin makes of them, nor those of a dry run.',
  ].join('\n');
}

/** `1 of 2 people` */
export function agreedText(
  approval: Pick<Approval, 'decisions' | 'quorum'> & { readonly digest?: string },
): string {
  const { quorum } = approval;
  return `${agreedCount(approval)} of ${quorum} ${quorum === 1 ? 'person' : 'people'}`;
}

function rows(pairs: readonly (readonly [string, string])[]): string {
  return table(pairs.map(([name, value]) => [`  ${name}`, visibleLine(value)]));
}

function lastApprovedLines(
  { lastApproved }: ApprovalRequest,
  encoding: CheckedApproval['encoding'],
  lines: readonly string[],
): string[] {
  if (!lastApproved) return ['No input of this operation was approved and run before.'];
  const before = inputLines(lastApproved.input, encoding);
  const difference = lineDiff(before, lines);
  return difference.every((line) => line.startsWith('  '))
    ? [`The last input that was approved (${lastApproved.action}) was the same.`]
    : [
        `Difference from the last input that was approved (${lastApproved.action}):`,
        ...difference.map((line) => `  │ ${line}`),
      ];
}

function replacedLines(
  { replaces }: ApprovalRequest,
  encoding: CheckedApproval['encoding'],
  lines: readonly string[],
): string[] {
  if (!replaces) return [];
  const difference = lineDiff(inputLines(replaces.input, encoding), lines);
  return [
    visibleLine(
      `It takes the place of ${replaces.action}, which is ${replaces.state}. Difference from its input:`,
    ),
    ...difference.map((line) => `  │ ${line}`),
  ];
}

export function callsText(calls: readonly AllowedCall[]): string[] {
  if (calls.length === 0) return ['  (none)'];
  const several = calls.some(({ rule }) => rule.includes(' '));
  return [...calls.flatMap(callLines), ...(several ? [`  ${RULE_LEGEND}`] : [])];
}

function callLines(call: AllowedCall): string[] {
  const { rule, methods, scheme, host, port, path, credential } = call;
  const { maxCalls, maxBytes, maxPerMinute } = call;
  const told = [
    `query: ${listed(call.query)}`,
    `headers: ${listed(call.headers)}`,
    `body: ${listed(call.contentTypes)}`,
    credential ? `credential: ${credential}` : 'no credential',
    ...(maxCalls ? [`at most ${maxCalls} call(s)`] : []),
    ...(maxBytes ? [`at most ${maxBytes} bytes`] : []),
    ...(maxPerMinute ? [`at most ${maxPerMinute} a minute`] : []),
  ];
  if (call.caCertificates) {
    told.push(
      `checked by ${call.caCertificates} private authority certificate(s), and no public one`,
    );
  }
  const repeated = repeatedText(call);
  return [
    `  ${shownRule(rule)}  ${methods.join(',')} ${scheme}://${host}:${port}${path}`,
    `      ${told.join('; ')}`,
    ...(repeated === undefined ? [] : [`      ${repeated}`]),
  ].map(visibleLine);
}

/** What happens to a write whose answer is lost. */
function repeatedText({ methods, idempotency }: AllowedCall): string | undefined {
  if (methods.every((method) => SAFE_METHODS.has(method))) return undefined;
  return idempotency
    ? `sent again when its answer is lost, with the same ${idempotency.header}, which is remembered for ${idempotency.retentionHours} h`
    : 'no idempotency key: never sent again; when its answer is lost, a person has to look';
}

function listed(names: readonly string[] | null | undefined): string {
  return names?.join(', ') || '(none)';
}

function dryRunLines({ id, state, dryRun }: Approval): string[] {
  if (!dryRun) {
    const how = state === 'open' ? `: portarium action dry-run ${id} shows what it would send` : '';
    return [`It was not run dry${how}.`];
  }
  const { action, state: end } = dryRun;
  return [visibleLine(`Its dry run, ${action}: ${end}.`), ...writesText({ ...dryRun, id: action })];
}

function credentialLines({ credentials }: ApprovalRequest): string[] {
  if (credentials.length === 0) return ['No credential is used.'];
  const lines = credentials.map(({ slot, id, name, host, version, ...place }) => [
    `  ${visibleLine(name)}`,
    visibleLine(`${placementText(place)}, sent to ${host} only`),
    visibleLine(`slot ${slot}, ${id}, version ${version}`),
  ]);
  return ['Credentials, set into the request by the platform:', table(lines)];
}

function limitsText(limits: Readonly<Record<string, unknown>>): string {
  const told = Object.entries(limits).map(([name, value]) => `${name}=${String(value)}`);
  return told.join(' ') || '(the platform’s defaults)';
}
