/** What a failed command says: to people a sentence and what to do, to scripts the whole problem. */
import { findingText } from '@portarium/admission/finding';
import { PortariumError } from '@portarium/client/portarium-error';
import { visibleLine } from '@portarium/client/visible-text';
import { messageOf } from '@portarium/local/local-stack-error';
import * as v from 'valibot';
import { AdvisedError } from './advised-error.ts';
import { FindingSchema } from './finding-schema.ts';
import { UsageError } from './usage-error.ts';

const AdmissionSchema = v.looseObject({ findings: v.array(FindingSchema) });

/** What a code means for somebody at a terminal, beyond its hint. */
const WHAT_TO_RUN: ReadonlyMap<string, string> = new Map([
  [
    'auth.invalid',
    'Creating a key needs an admin’s key; those of a local stack are in bootstrap.json of its data folder.',
  ],
  ['approval.excluded', 'Decide with another person’s key: --key KEY, or PORTARIUM_KEY.'],
  ['approval.closed', 'See what was decided, and by whom: portarium approve ID'],
  [
    'approval.stale',
    'Nothing was decided. See what became of the action: portarium action get ID. To have it as things are now, ask anew: portarium action run … --replaces ID',
  ],
]);

/**
 * Lines for standard error.
 * @param command the subcommand that ran, such as `portarium plugin push`
 */
export function failureText(error: unknown, command: string): string {
  if (error instanceof AdvisedError) {
    return [failureText(error.failure, command), error.advice].join('\n');
  }
  const lines = [messageOf(error)];
  if (error instanceof UsageError) lines.push(`(${command} --help tells what it takes)`);
  if (error instanceof PortariumError) {
    lines.push(...findingLines(error));
    const more = WHAT_TO_RUN.get(error.code);
    if (more !== undefined) lines.push(more);
  }
  return lines.join('\n');
}

/** The line that `--json` prints: the problem document too, when the Control Plane sent one. */
export function failureJson(error: unknown): Readonly<Record<string, unknown>> {
  if (error instanceof AdvisedError) return failureJson(error.failure);
  const failure = { ok: false, error: messageOf(error) };
  if (error instanceof UsageError && error.errors.length > 0) {
    return { ...failure, errors: error.errors };
  }
  return error instanceof PortariumError && error.status !== 0
    ? { ...failure, problem: error.problem }
    : failure;
}

/** What admission found. Names of a module's imports and exports stand in it: not to be trusted. */
function findingLines({ problem }: PortariumError): string[] {
  const admission = v.safeParse(AdmissionSchema, problem.admission);
  if (!admission.success) return [];
  return admission.output.findings.map((finding) => findingText(finding, visibleLine));
}
