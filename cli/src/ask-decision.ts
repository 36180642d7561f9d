/** The decision of a person who has just been shown what it is about: in options, or at the terminal. */
import type { ApprovalDecision } from '@portarium/client/approvals';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { ask, isTerminal } from './ask-person.ts';
import { EXIT_CODES } from './exit-codes.ts';
import { tell } from './output.ts';
import { UsageError } from './usage-error.ts';

type Decision = ApprovalDecision['decision'];

export interface DecisionOptions {
  readonly json?: true;
  readonly rationale?: string;
  readonly deny?: true;
  readonly requestChanges?: true;
  readonly yes?: true;
  /** A file of rules to approve less with. */
  readonly egress?: string;
}

/** Whether the options say that something is to be decided. */
export function decides(options: DecisionOptions): boolean {
  const { rationale, deny, requestChanges, yes, egress } = options;
  return [rationale, deny, requestChanges, yes, egress].some((option) => option !== undefined);
}

/** @throws UsageError before anything is asked for */
export function assertDecidable(options: DecisionOptions): void {
  const asks = isTerminal() && options.json !== true;
  if (decides(options) && !asks && options.yes !== true) {
    throw new UsageError(
      'Nobody can be asked here, so nothing was decided. When you have seen what it is about (approve ID, or with --egress FILE what would be left), give --yes and --rationale.',
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

/**
 * @param open whether this key could decide now
 * @returns undefined when nothing is to be decided
 */
export async function askDecision<D extends Decision>(
  decision: D,
  open: boolean,
  options: DecisionOptions,
): Promise<{ readonly decision: D; readonly rationale: string } | undefined> {
  const asks = isTerminal() && !options.json;
  if (!decides(options) && (!open || !asks)) return undefined;
  if (!options.yes && !(await confirmed(decision))) {
    tell('Nothing was decided.');
    process.exitCode = EXIT_CODES.failed;
    return undefined;
  }
  const rationale = (options.rationale ?? (await ask('Why? ')) ?? '').trim();
  if (rationale === '') throw new Error('Nothing was decided: a decision needs a reason.');
  return { decision, rationale };
}

const QUESTIONS: { readonly [D in Decision]: string } = {
  approve: 'Approve exactly this?',
  deny: 'Deny it?',
  'request-changes': 'End it, and ask for another in its place?',
};

async function confirmed(decision: Decision): Promise<boolean> {
  const answer = await ask(`${QUESTIONS[decision]} [y/N] `);
  return /^\s*(y|yes)\s*$/i.test(answer ?? '');
}
