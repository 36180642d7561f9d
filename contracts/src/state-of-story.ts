/** The state that the evidence gives an action: what its row has to say, too. */
import type { Entry } from './evidence-entry.ts';
import type { ActionState } from './life-cycle.ts';
import { leadsTo } from './verify-life-cycle.ts';

/**
 * @param entries all of one action, in the order of the log
 * @returns undefined when there are none
 */
export function stateOfStory(entries: readonly Entry[]): ActionState | undefined {
  const [first] = entries;
  if (!first) return undefined;
  const dryRun = first.data.dryRun === true;
  return entries.reduce<ActionState>(
    (state, entry) => leadsTo(entry, dryRun) ?? state,
    'requested',
  );
}
