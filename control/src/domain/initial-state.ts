/** What state an action takes from the decision of policy and the platform's floor. */
import {
  type ActionState,
  type Effect,
  PLATFORM_FLOOR,
  strictestTier,
  type Tier,
} from '@portarium/contracts/life-cycle';

/** The tier that holds: the strictest of what policy said and the platform's floor for the effect. */
export function effectiveTier(effect: Effect, decided: Tier): Tier {
  return strictestTier([decided, PLATFORM_FLOOR[effect]]) ?? decided;
}

const STATE_OF: { readonly [T in Tier]: ActionState } = {
  auto: 'dispatched',
  assisted: 'dispatched',
  'human-approve': 'waiting-approval',
  'manual-only': 'waiting-manual',
};

/** @param dryRun nothing of it leaves that anybody would have to agree to */
export function initialState(tier: Tier, dryRun = false): ActionState {
  return dryRun ? 'dispatched' : STATE_OF[tier];
}
