/** How long objects are kept, in any store. */
import { RETENTION_DAYS } from '@portarium/contracts/retention-class';
import type { RetentionOf } from '../../application/ports/object-store.ts';

export const DAY_MS = 24 * 60 * 60 * 1000;

/** What the classes say, where no workspace has lengthened them. */
export const classRetention: RetentionOf = async (_workspace, retention) =>
  RETENTION_DAYS[retention] * DAY_MS;

/** How much later a date may be before it is written down: less is not worth a write each time. */
export const slackOf = (retentionMs: number) => Math.min(DAY_MS, retentionMs / 100);
