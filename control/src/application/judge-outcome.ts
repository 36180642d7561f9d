/**
 * Believes a host's outcome only as far as limits and schema go, and stores the output that the entry
 * of the attempt's end will name.
 */
import { fromBase64 } from '@portarium/contracts/base64';
import { ATTEMPT_ERRORS } from '@portarium/contracts/errors';
import type { Artifact } from '@portarium/contracts/evidence-entry';
import type { OutcomeSchema } from '@portarium/contracts/internal-api';
import type { Operation } from '@portarium/contracts/manifest';
import { outputProblem } from '@portarium/contracts/operation-value';
import type { Ticket } from '@portarium/contracts/ticket';
import type { InferOutput } from 'valibot';
import type { Context } from './context.ts';
import { keepArtifact } from './keep-artifact.ts';
import type { ActionRecord, AttemptError } from './ports/records.ts';

type Outcome = InferOutput<typeof OutcomeSchema>;

export interface Judged {
  readonly error?: AttemptError;
  /** The output as the entry names it. */
  readonly artifact?: Artifact;
}

export async function judgeOutcome(
  context: Context,
  ticket: Ticket,
  { retention }: Pick<ActionRecord, 'retention'>,
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
  const problem = outputProblem(operation, output);
  if (problem) return { error: { code: 'output.invalid', message: problem } };
  const mediaType = operation.encoding === 'json' ? 'application/json' : 'application/octet-stream';
  const named = { mediaType, retention };
  return { artifact: await keepArtifact(context, ticket.workspace, output, named) };
}
