/** How long artifacts are kept: what the class says, or longer where the workspace says so. */

import type { WorkspaceId } from '@portarium/contracts/ids';
import type { RetentionDays } from '@portarium/contracts/legal-hold';
import { RETENTION_DAYS } from '@portarium/contracts/retention-class';
import type { Clock } from './ports/clock.ts';
import type { RetentionOf } from './ports/object-store.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
/** For so long another replica may go on with the shorter period. */
const KNOWN_MS = 1_000;

interface Known {
  readonly until: number;
  readonly days: Promise<RetentionDays>;
}

/** @param read what the workspace has set */
export function createRetention(
  clock: Clock,
  read: (workspace: WorkspaceId) => Promise<RetentionDays | undefined>,
): RetentionOf {
  const known = new Map<WorkspaceId, Known>();
  return async (workspace, retention) => {
    const now = clock.nowMs();
    let found = known.get(workspace);
    if (found === undefined || found.until <= now) {
      const days = read(workspace).then((set) => set ?? RETENTION_DAYS);
      found = { until: now + KNOWN_MS, days };
      known.set(workspace, found);
      days.catch(() => known.delete(workspace));
    }
    const days = (await found.days)[retention];
    return Math.max(days, RETENTION_DAYS[retention]) * DAY_MS;
  };
}
