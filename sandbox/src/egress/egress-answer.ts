/**
 * What a guest gets for a request, made from the journal's record alone: so a guest of a later attempt,
 * or of a replay, reads exactly what the first one read.
 */
import type { AttemptErrorCode } from '@portarium/contracts/errors';
import type { EgressCall } from '@portarium/contracts/internal-api';

export type EgressAnswer =
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Uint8Array;
      /** What the action's clock advances by. */
      readonly ms: number;
    }
  /** The guest learns of it and may go on. */
  | { readonly kind: 'failed'; readonly reason: string; readonly ms: number }
  | Refused;

/** The attempt ends with this error. */
export interface Refused {
  readonly kind: 'refused';
  readonly code: AttemptErrorCode;
  readonly message: string;
}

const EMPTY = new Uint8Array();

/** How an attempt ends after a denial, by its layer; `egress.denied` after any other. */
const DENIED: ReadonlyMap<string | undefined, AttemptErrorCode> = new Map([
  ['budget', 'limit.egress'],
  ['rate', 'limit.rate'],
]);

/** @param body the bytes behind `responseDigest` */
export function recordedAnswer(record: EgressCall, body: Uint8Array = EMPTY): EgressAnswer {
  const { verdict, layer, status = 0, responseHeaders = {}, ms } = record;
  const message = whereOf(record, record.reason ?? 'no reason was kept');
  switch (verdict) {
    case 'allowed':
      return { kind: 'response', status, headers: inOrder(responseHeaders), body, ms };
    case 'withheld':
      if (record.responseDigest === undefined) return refused('dry-run.unanswered', message);
      return { kind: 'response', status, headers: inOrder(responseHeaders), body, ms };
    case 'denied':
      return refused(DENIED.get(layer) ?? 'egress.denied', message);
    case 'open':
      return refused('journal.diverged', whereOf(record, 'it was never answered'));
    case 'failed':
      // A response that is larger than its budget ends the attempt as a denial does.
      if (layer === 'budget') return refused('limit.egress', message);
      return { kind: 'failed', reason: message, ms };
  }
}

export function refused(code: AttemptErrorCode, message: string): Refused {
  return { kind: 'refused', code, message };
}

/** Whether a body stands behind what the guest got. */
export function hasBody({ verdict, responseDigest }: EgressCall): boolean {
  return verdict === 'allowed' || (verdict === 'withheld' && responseDigest !== undefined);
}

/** Names a call to an author. */
export function whereOf(
  { method, host, port }: Pick<EgressCall, 'method' | 'host' | 'port'>,
  reason: string,
): string {
  return `${method} ${host}:${port} — ${reason}`;
}

/** The journal is canonical JSON: what comes back from it stands in the order of its names. */
function inOrder(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1)));
}
