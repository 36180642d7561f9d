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

interface Asked {
  readonly digest: string;
  readonly quorum: number;
}

interface Decided {
  readonly person: string;
  readonly decision: string;
  readonly digest: string;
}

/** How many different people agreed to what it is about now. */
export function agreedTo({ digest }: Pick<Asked, 'digest'>, decisions: readonly Decided[]): number {
  const agreed = decisions.filter((one) => one.decision === 'approve' && one.digest === digest);
  return new Set(agreed.map(({ person }) => person)).size;
}

/** Whether enough of them did. */
export function quorumReached(asked: Asked, decisions: readonly Decided[]): boolean {
  return agreedTo(asked, decisions) >= asked.quorum;
}
