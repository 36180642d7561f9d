/** How entries and the order of a dry run say what they are of, so that nobody takes its end for that of an action. */
import type { ActionRecord } from './ports/records.ts';

export function dryMark({ dryRun }: Pick<ActionRecord, 'dryRun'>): { readonly dryRun?: true } {
  return dryRun ? { dryRun: true } : {};
}
