/** Egress calls of an action for people. Hosts, paths and reasons come from plugins: made safe to show. */
import type { Attempt, JournalCall } from '@portarium/client/answers';
import { SAFE_METHODS, shownRule } from '@portarium/contracts/egress-rule';
import { plainText } from '@portarium/contracts/plain-text';
import { table } from './output.ts';

/** Where a rule has several names. */
export const RULE_LEGEND =
  'Rules are named plugin → operator → approver; one name alone is that of plugin and operator.';

/** A table of the calls in order, and a sentence about each whose answer nobody saw. */
export function journalText(
  calls: readonly JournalCall[],
  attempts: readonly Pick<Attempt, 'id' | 'fence'>[],
): string {
  const numbers = new Map(attempts.map(({ id, fence }) => [id, String(fence)]));
  const rows = calls.map((call) => [
    String(call.call),
    numbers.get(call.attempt) ?? call.attempt,
    requestText(call),
    call.verdict,
    safe(call.layer ?? '-'),
    ...(call.status === undefined ? ['-'] : [String(call.status)]),
    ...[call.bytesOut, call.bytesIn, call.ms].map(String),
    safe(
      [call.rule && shownRule(call.rule), call.reason]
        .filter((part) => part !== undefined)
        .join(': '),
    ),
  ]);
  const open = calls.filter(({ verdict }) => verdict === 'open');
  return [
    table([
      ['CALL', 'ATTEMPT', 'REQUEST', 'VERDICT', 'LAYER', 'STATUS', 'OUT', 'IN', 'MS', 'RULE'],
      ...rows,
    ]),
    ...(calls.some(({ rule }) => rule?.includes(' ')) ? [RULE_LEGEND] : []),
    ...open.map(({ call }) => `Call ${call} was sent, or may have been; its answer was not seen.`),
  ].join('\n');
}

/** `call 1  GET https://api.example.com:443/v1/items  allowed 200, 12 ms` */
export function callLine(call: JournalCall): string {
  const { verdict, status, reason, ms } = call;
  const end = [verdict, status, reason && `(${reason})`].filter((part) => part !== undefined);
  return `call ${call.call}  ${requestText(call)}  ${safe(end.join(' '))}, ${ms} ms`;
}

/**
 * The calls that stand in no entry of their own: reads that were not denied. The end of their attempt
 * covers them by the digest of the journal.
 */
export function callsWithoutEntry(calls: readonly JournalCall[]): readonly JournalCall[] {
  return calls.filter(({ method, verdict }) => verdict !== 'denied' && SAFE_METHODS.has(method));
}

/** Journals hold no query, which may carry personal data. */
function requestText({ method, scheme, host, port, path }: JournalCall): string {
  return safe(`${method} ${scheme}://${host}:${port}${path}`);
}

function safe(text: string): string {
  return plainText(text.replaceAll(/\s+/g, ' '));
}
