/** The action life cycle: every state, and the only transitions that exist between them. */

export const ACTION_STATES = [
  'requested',
  'denied',
  'waiting-approval',
  'waiting-manual',
  'veto-window',
  'dispatched',
  'running',
  'succeeded',
  'failed',
  'cancelled',
  'changes-requested',
  'expired',
  'outcome-unknown',
] as const;

export type ActionState = (typeof ACTION_STATES)[number];

export const ACTION_TRANSITIONS: { readonly [S in ActionState]: readonly ActionState[] } = {
  requested: ['denied', 'waiting-approval', 'waiting-manual', 'veto-window', 'dispatched'],
  'waiting-approval': ['dispatched', 'denied', 'changes-requested', 'expired', 'cancelled'],
  'veto-window': ['dispatched', 'cancelled'],
  'waiting-manual': ['succeeded', 'failed', 'cancelled', 'expired'],
  dispatched: ['running', 'failed', 'cancelled', 'expired'],
  running: ['succeeded', 'failed', 'cancelled', 'outcome-unknown'],
  'outcome-unknown': ['succeeded', 'failed', 'dispatched'],
  denied: [],
  succeeded: [],
  failed: [],
  cancelled: [],
  'changes-requested': [],
  expired: [],
};

/** Whether nothing follows `state`. */
export function isFinal(state: ActionState): boolean {
  return ACTION_TRANSITIONS[state].length === 0;
}

/** Whether a caller who waits for the outcome has it: final, or waiting for a person. */
export function isSettled(state: ActionState): boolean {
  return isFinal(state) || state === 'outcome-unknown';
}

/** @throws Error when the table has no such transition; that is a bug in the caller */
export function assertTransition(from: ActionState, to: ActionState): void {
  if (!ACTION_TRANSITIONS[from].includes(to)) {
    throw new Error(`no transition from ${from} to ${to} in the action life cycle`);
  }
}

/** Strictness grows from left to right. */
export const TIERS = ['auto', 'assisted', 'human-approve', 'manual-only'] as const;
export type Tier = (typeof TIERS)[number];

export function strictestTier(tiers: readonly Tier[]): Tier | undefined {
  return TIERS.findLast((tier) => tiers.includes(tier));
}

export const EFFECTS = ['read', 'write', 'destructive'] as const;
export type Effect = (typeof EFFECTS)[number];

/** The least strict tier that a workspace's own policy may reach for an effect. */
export const PLATFORM_FLOOR: { readonly [E in Effect]: Tier } = {
  read: 'auto',
  write: 'assisted',
  destructive: 'human-approve',
};
