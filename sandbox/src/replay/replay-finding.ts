/** What a replay found to differ from the record. */
import type { Digest } from '@portarium/contracts/digest';
import type { JournalArtifactRecord } from '@portarium/contracts/journal-artifact';
import type { CallDraft } from '../egress/judge-request.ts';

/** A request as records show it: without the query, which may carry personal data. */
export interface CallSummary {
  readonly method: string;
  readonly url: string;
  readonly requestDigest: Digest;
}

/** `expected` is what is on record, `got` what the replay did; null stands for nothing. */
export type ReplayFinding =
  | {
      readonly kind: 'call';
      /** Of the action's journal, from 0. */
      readonly call: number;
      readonly expected: CallSummary | null;
      readonly got: CallSummary | null;
      readonly message: string;
    }
  | {
      readonly kind: 'verdict' | 'output';
      readonly expected: string;
      readonly got: string;
      readonly message: string;
    };

export type ReplayResult =
  | {
      readonly status: 'agrees';
      /** Calls that were made and compared. */
      readonly calls: number;
      readonly outputDigest?: Digest;
    }
  | { readonly status: 'differs'; readonly calls: number; readonly finding: ReplayFinding }
  | { readonly status: 'not-replayable'; readonly reason: string };

/**
 * A call whose record says something else.
 * @param got the call that the replay made, or how it ended instead
 */
export function callFinding(
  call: number,
  record: JournalArtifactRecord | undefined,
  got: CallDraft | string,
): ReplayFinding {
  const expected = record ? summaryOf(record) : null;
  const made = typeof got === 'string' ? null : summaryOf(got);
  const message = callMessage(record, expected, made ?? String(got));
  return { kind: 'call', call, expected, got: made, message };
}

function callMessage(
  record: JournalArtifactRecord | undefined,
  expected: CallSummary | null,
  got: CallSummary | string,
): string {
  const asked = typeof got === 'string' ? got : `asked for ${textOf(got)}`;
  if (!expected) return `no call is on record; the replay ${asked}`;
  if (typeof got === 'string' || textOf(expected) !== textOf(got)) {
    return `on record is ${textOf(expected)}; the replay ${asked}`;
  }
  if (record?.verdict === 'open' && expected.requestDigest === got.requestDigest) {
    return `${textOf(expected)} has no answer on record, yet the attempt went on`;
  }
  return `the replay ${asked} with another query, header or body, or under another rule`;
}

function textOf({ method, url }: CallSummary): string {
  return `${method} ${url}`;
}

function summaryOf({ method, scheme, host, port, path, requestDigest }: CallDraft): CallSummary {
  return { method, url: `${scheme}://${host}:${port}${path}`, requestDigest };
}
