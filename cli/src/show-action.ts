/** Prints one action, and what can be done about it. Plugins' text is made safe to show. */
import type { Action, JournalCall } from '@portarium/client/answers';
import { ATTEMPT_ERRORS } from '@portarium/contracts/errors';
import { isSettled } from '@portarium/contracts/life-cycle';
import { plainText } from '@portarium/contracts/plain-text';
import { print, printJson, table, tell } from './output.ts';
import { writesText } from './writes-text.ts';

const MAX_OUTPUT = 1e6;

/**
 * @param json as one line of JSON, and nothing else
 * @param calls of a dry run that failed
 */
export function showAction(
  action: Action,
  json: boolean,
  calls: readonly JournalCall[] = [],
): void {
  if (json) {
    printJson(action);
    return;
  }
  print(actionText(action, calls));
  const step = nextStep(action);
  if (step !== undefined) tell(step);
}

export function actionText(action: Action, calls: readonly JournalCall[] = []): string {
  const { id, state, plugin, operation, attempts, evidence, approval, replaces, error } = action;
  const rows = [
    ['  operation', `${plugin.name}@${plugin.version} ${operation}`],
    ['  tier', action.tier ?? 'denied by policy'],
    ...(replaces === undefined ? [] : [['  replaces', replaces]]),
    ...(action.dryRun ? [['  dry run', dryRunLine(action)]] : []),
    ...(approval === undefined ? [] : [['  approval', approvalLine(approval)]]),
    ['  attempts', String(attempts)],
    ['  evidence', `entries ${evidence.from} to ${evidence.to}`],
    ...(action.decision === undefined ? [] : [['  decided', decisionLine(action.decision)]]),
    ...(error ? errorRows(error, state) : []),
  ];
  const writes =
    action.dryRun && isSettled(state)
      ? writesText({ ...action, writes: action.writes ?? [] }, calls)
      : [];
  return [`${id}  ${state}`, table(rows), ...writes, ...outputLines(action)].join('\n');
}

function outputLines({ output, operation, writes = [] }: Action): string[] {
  if (output === undefined) return [];
  const text = plainText(JSON.stringify(output, null, 2), MAX_OUTPUT);
  if (writes.length === 0) return [text];
  const head = `Output, made from example answers (“answers” of the examples of ${operation} in plugin.json):`;
  return [plainText(head), text];
}

function dryRunLine({ dryRunOf }: Action): string {
  const of = dryRunOf === undefined ? '' : `of ${dryRunOf}; `;
  return `${of}no write of it has left`;
}

function approvalLine(approval: NonNullable<Action['approval']>): string {
  const { id, state, quorum, given, decideBefore, executeBefore } = approval;
  const until =
    state === 'open'
      ? `, to be decided before ${decideBefore}`
      : state === 'granted'
        ? `, for a start before ${executeBefore}`
        : '';
  return `${id} ${state}, ${given} of ${quorum} ${given === 1 ? 'has' : 'have'} agreed${until}`;
}

function decisionLine({ by, outcome, rationale }: NonNullable<Action['decision']>): string {
  return plainText(`${outcome} by ${by}${rationale === undefined ? '' : `: ${rationale}`}`);
}

function errorRows(
  { code, message }: NonNullable<Action['error']>,
  state: Action['state'],
): string[][] {
  // Once a person has said what came of it, nothing is left to be said.
  const resolved = code === 'outcome.unknown' && state !== 'outcome-unknown';
  const hint =
    Object.hasOwn(ATTEMPT_ERRORS, code) && !resolved
      ? ATTEMPT_ERRORS[code as keyof typeof ATTEMPT_ERRORS][1]
      : undefined;
  return [
    ['  error', plainText(`${code}: ${message}`)],
    ...(hint === undefined ? [] : [['  hint', hint]]),
  ];
}

/** What can be done now, in a sentence; undefined when nothing is left to do. */
export function nextStep({ id, state, approval }: Action): string | undefined {
  switch (state) {
    case 'waiting-approval':
      return `It waits until somebody else approves it${approval ? ` (${approval.id})` : ''}: portarium approve ${id}`;
    case 'waiting-manual':
      return `A person does it, and then says so: portarium action resolve ${id} --outcome succeeded --rationale TEXT`;
    case 'outcome-unknown':
      return `A write was sent and nobody knows what came of it (portarium action journal ${id}). See in the system, then say what happened: portarium action resolve ${id} --outcome succeeded|failed|dispatched --rationale TEXT`;
    case 'changes-requested':
      return `Ask for another in its place: portarium action run … --replaces ${id}`;
    default:
      return isSettled(state) ? undefined : `It goes on: portarium action tail ${id}`;
  }
}
