/** What a workspace used: actions by the day on which they were requested, and by operation. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import * as v from 'valibot';
import type { Context } from './context.ts';
import { dayExists } from './day-exists.ts';
import { failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { UsageLine } from './ports/workspace-store.ts';

const DAY_MS = 24 * 60 * 60_000;
/** When the caller names no first day. */
const USUAL_DAYS = 30;

const DaySchema = v.pipe(v.string(), v.check(dayExists, 'expected a day as YYYY-MM-DD, in UTC'));
export const UsageQuerySchema = v.strictObject({
  from: v.optional(DaySchema),
  to: v.optional(DaySchema),
});

export interface UsageView {
  /** Days in UTC, both included. */
  readonly from: string;
  readonly to: string;
  readonly days: readonly (UsageLine & { readonly day: string })[];
  /** Those with the most actions first. */
  readonly operations: readonly (UsageLine & {
    readonly plugin: string;
    readonly operation: string;
  })[];
}

export async function viewUsage(
  context: Pick<Context, 'store' | 'clock'>,
  workspace: WorkspaceId,
  query: v.InferOutput<typeof UsageQuerySchema>,
): Promise<Result<UsageView>> {
  const dayOf = (ms: number) => timeText(ms).slice(0, 10);
  const to = query.to ?? dayOf(context.clock.nowMs());
  const from = query.from ?? dayOf(Date.parse(to) - (USUAL_DAYS - 1) * DAY_MS);
  const fromMs = Date.parse(from);
  const untilMs = Date.parse(to) + DAY_MS;
  const days = (untilMs - fromMs) / DAY_MS;
  if (!(days >= 1 && days <= PLATFORM_LIMITS.usageDays)) {
    return failure('input.invalid', `The days from ${from} to ${to} are not 1 to 92.`, {
      errors: [
        {
          pointer: '/from',
          message: `expected at most ${PLATFORM_LIMITS.usageDays} days before /to`,
        },
      ],
    });
  }
  const used = await context.store.read(workspace, async (tx) => ({
    days: await tx.usageByDay(fromMs, untilMs),
    operations: await tx.usageByOperation(fromMs, untilMs),
  }));
  return success({ from, to, ...used });
}
