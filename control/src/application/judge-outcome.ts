/**
 * Believes a host's outcome only as far as limits and schema go, and stores what the entry of the
 * attempt's end will name: the output and the journal.
 */
import { fromBase64 } from '@portarium/contracts/base64';
import { canonicalBytes, parseStrictJson } from '@portarium/contracts/canonical-json';
import { ATTEMPT_ERRORS } from '@portarium/contracts/errors';
import type { Artifact } from '@portarium/contracts/evidence-entry';
import type { EgressCall, OutcomeSchema } from '@portarium/contracts/internal-api';
import { validateJson } from '@portarium/contracts/json-schema';
import type { Operation } from '@portarium/contracts/manifest';
import type { Ticket } from '@portarium/contracts/ticket';
import type { InferOutput } from 'valibot';
import type { Context } from './context.ts';
import type { AttemptError, RecordedCall } from './ports/records.ts';

type Outcome = InferOutput<typeof OutcomeSchema>;

/** Of the artifact that holds an attempt's journal; its digest is the entry's `journalDigest`. */
const JOURNAL_MEDIA_TYPE = 'application/vnd.portarium.journal+json';

export interface Judged {
  readonly error?: AttemptError;
  /** The output as the entry names it. */
  readonly artifact?: Artifact;
}

export async function judgeOutcome(
  context: Context,
  ticket: Ticket,
  operation: Operation,
  outcome: Outcome,
): Promise<Judged> {
  if (outcome.verdict === 'failed') {
    const code = outcome.error?.code ?? 'guest.error';
    const known = Object.hasOwn(ATTEMPT_ERRORS, code);
    return {
      error: {
        code: known ? code : 'guest.error',
        message: outcome.error?.message ?? 'no message',
      },
    };
  }
  const output = fromBase64(outcome.output ?? '');
  if (!output) return { error: { code: 'output.invalid', message: 'the output is not base64' } };
  if (output.length > ticket.limits.outputBytes) {
    return {
      error: {
        code: 'limit.output',
        message: `the output has ${output.length} bytes; at most ${ticket.limits.outputBytes} are allowed`,
      },
    };
  }
  if (operation.encoding === 'json') {
    const problem = jsonProblem(operation.output, output);
    if (problem) return { error: { code: 'output.invalid', message: problem } };
  }
  const digest = await context.objects.put(ticket.workspace, output, 'compliance');
  const mediaType = operation.encoding === 'json' ? 'application/json' : 'application/octet-stream';
  return { artifact: { digest, bytes: output.length, mediaType, retention: 'compliance' } };
}

function jsonProblem(
  schema: Readonly<Record<string, unknown>>,
  output: Uint8Array,
): string | undefined {
  try {
    const value = parseStrictJson(new TextDecoder('utf-8', { fatal: true }).decode(output));
    const [violation] = validateJson(schema, value);
    return violation && `the output at ${violation.pointer || 'the top'}: ${violation.message}`;
  } catch (error) {
    return `the output is not JSON: ${(error as Error).message}`;
  }
}

/**
 * Stores the attempt's journal as canonical JSON, so that its digest is the entry's `journalDigest`.
 * @param known the calls of the action that are stored already
 */
export async function storeJournal(
  context: Context,
  ticket: Ticket,
  known: readonly RecordedCall[],
  reported: readonly EgressCall[],
): Promise<Artifact | undefined> {
  const calls = new Map<number, EgressCall>();
  for (const call of reported) calls.set(call.call, call);
  for (const { attempt, record } of known) {
    if (attempt === ticket.attempt) calls.set(record.call, record);
  }
  if (calls.size === 0) return undefined;
  const bytes = canonicalBytes([...calls.values()].sort((a, b) => a.call - b.call));
  const digest = await context.objects.put(ticket.workspace, bytes, 'compliance');
  return { digest, bytes: bytes.length, mediaType: JOURNAL_MEDIA_TYPE, retention: 'compliance' };
}
