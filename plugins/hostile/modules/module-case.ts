/** What a case of the corpus is: a module, what is done with it, and the verdict that it has to get. */
import type { AdmissionRule } from '@portarium/admission/finding';
import type { ApiErrorCode, AttemptErrorCode } from '@portarium/contracts/errors';
import type { LimitsRequest } from '@portarium/contracts/limits';
import type { ManifestInput } from '@portarium/contracts/manifest';

/** Where a case ends, and how. */
export type Verdict =
  /** Not looked at: the upload is answered with this code, as a rule because its manifest is none. */
  | { readonly stage: 'upload'; readonly code: ApiErrorCode }
  /** Not admitted: one of the findings has this rule. */
  | { readonly stage: 'admission'; readonly rule: AdmissionRule }
  /** The attempt fails. */
  | { readonly stage: 'run'; readonly code: AttemptErrorCode }
  /** The attempt succeeds with this text: the attack gained nothing, or is none. */
  | { readonly stage: 'run'; readonly output: string };

export interface ModuleCase {
  /** What it does; unique in its family. */
  readonly name: string;
  /** What it would cost if nobody stood in its way. */
  readonly danger: string;
  /** The fields of a module in text format, as {@link guestText} completes them; or its bytes. */
  readonly module: string | (() => Uint8Array);
  readonly limits?: LimitsRequest;
  readonly operation?: Partial<ManifestInput['operations'][number]>;
  /** The whole manifest as text, in place of a plain one for the operation `run`. */
  readonly manifest?: string;
  readonly input?: string;
  readonly expect: Verdict;
  /** Where the whole product ends it otherwise than a cell alone. */
  readonly inProduct?: Verdict;
  /** Attempts, one after the other in one cell; each has to get the verdict, and the same output. */
  readonly attempts?: number;
}

export interface Family {
  readonly name: string;
  readonly title: string;
  readonly cases: readonly ModuleCase[];
}

export const refused = (rule: AdmissionRule): Verdict => ({
  stage: 'admission',
  rule,
});
export const unread = (code: ApiErrorCode): Verdict => ({ stage: 'upload', code });
export const fails = (code: AttemptErrorCode): Verdict => ({ stage: 'run', code });
export const says = (output: string): Verdict => ({ stage: 'run', output });
/** The guest looked for itself, and found that its attack came to nothing. */
export const HELD: Verdict = says('held');

export function verdictText(verdict: Verdict): string {
  if (verdict.stage === 'upload') return `upload refused: \`${verdict.code}\``;
  if (verdict.stage === 'admission') return `not admitted: \`${verdict.rule}\``;
  return 'code' in verdict ? `fails: \`${verdict.code}\`` : 'succeeds';
}
