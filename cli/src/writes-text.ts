/**
 * What a dry run would have sent, for people. URLs, headers and bodies come from a plugin: nothing in
 * them may hide, or pass for our own lines.
 */
import type { JournalCall } from '@portarium/client/answers';
import type { WithheldWrite } from '@portarium/client/approval-answers';
import { visibleLine } from '@portarium/client/visible-text';
import { shownRule } from '@portarium/contracts/egress-rule';
import { type ActionState, isSettled } from '@portarium/contracts/life-cycle';
import { callLine } from './journal-text.ts';

interface DryRun {
  /** Of the dry run itself. */
  readonly id: string;
  readonly state: string;
  readonly error?: { readonly code: string; readonly message: string } | null | undefined;
  readonly writes: readonly WithheldWrite[];
}

/** Nothing is said to be missing of a dry run that did not get as far. */
export function writesText(
  { id, state, error, writes }: DryRun,
  calls: readonly JournalCall[] = [],
): string[] {
  const sent = writes.length === 0 ? [] : ['It would send:', ...writes.flatMap(writeLines)];
  const journal = `its calls: portarium action journal ${id}`;
  if (!isSettled(state as ActionState)) return [...sent, `It is not over; ${journal}`];
  if (state === 'succeeded') return sent.length > 0 ? sent : ['It would send no write.'];
  const call = calls.findLast(({ verdict }) => verdict === 'denied' || verdict === 'failed');
  const told = error ? `${error.code}: ${error.message}` : state;
  const why = call === undefined ? told : callLine(call);
  const ended =
    sent.length > 0
      ? 'Then it ended, so what would follow is not known'
      : 'It ended before a write could be recorded';
  return [...sent, visibleLine(`${ended}: ${why}`), journal.replace('its', 'Its')];
}

function writeLines(write: WithheldWrite) {
  const { rule, method, url, headers, credential, slot, body, status } = write;
  const how = [
    ...(rule === undefined ? [] : [`rule ${shownRule(rule)}`]),
    credential === undefined ? 'no credential' : `with credential ${slot ?? ''} (${credential})`,
    status === undefined ? 'no example answers it' : `answered by an example with ${status}`,
  ];
  return [
    visibleLine(`  ${method} ${url}`),
    visibleLine(`      ${how.join('; ')}`),
    ...headers.map(([name, value]) => visibleLine(`      ${name}: ${value}`)),
    ...(body === undefined ? [] : bodyLines(body)),
  ];
}

function bodyLines({ bytes, text, base64, cut }: NonNullable<WithheldWrite['body']>): string[] {
  const shown = text === undefined ? [base64 ?? ''] : text.split('\n');
  const kind = text === undefined ? ', not text: base64' : '';
  return [
    `      body (${bytes} bytes${kind}${cut ? ', the first of them' : ''}):`,
    ...shown.map((line) => `      │ ${visibleLine(line)}`),
  ];
}
