/** What an approval asks for when a workspace says nothing else. */

const HOUR_MS = 60 * 60 * 1000;

/** One person other than those excluded; a day to decide, and an hour after it to begin. */
export const DEFAULT_APPROVAL_RULES = {
  quorum: 1,
  roles: ['admin', 'approver'] as readonly string[],
  decideWithinMs: 24 * HOUR_MS,
  executeWithinMs: HOUR_MS,
  revision: 0,
} as const;

/** The shortest and longest times that a workspace may choose. */
export const APPROVAL_TIMES = { leastMs: 1_000, mostMs: 30 * 24 * HOUR_MS } as const;

/** Whether enough different people agreed. */
export function quorumReached(
  quorum: number,
  decisions: readonly { readonly person: string; readonly decision: string }[],
): boolean {
  const agreed = decisions.filter(({ decision }) => decision === 'approve');
  return new Set(agreed.map(({ person }) => person)).size >= quorum;
}
