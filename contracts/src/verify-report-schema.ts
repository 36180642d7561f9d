/** The report of a verification as JSON: what `evidence verify --json` prints and the API answers. */
import * as v from 'valibot';
import type { VerifyReport } from './verify-report.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const text = v.string();

const write = v.looseObject({
  method: text,
  host: text,
  path: text,
  state: v.picklist(['answered', 'not sent', 'sent', 'denied', 'withheld']),
  status: v.optional(count),
  credential: v.optional(text),
  reason: v.optional(text),
});

const story = v.looseObject({
  action: text,
  from: count,
  to: count,
  asked: v.optional(
    v.looseObject({
      ...{ at: text, by: text, plugin: text, operation: text, effect: text },
      dryRun: v.optional(v.literal(true)),
    }),
  ),
  policy: v.optional(text),
  approvedBy: v.array(text),
  attempts: count,
  writes: v.array(write),
  ended: v.optional(text),
});

/** Further fields may be added; those named here keep their meaning. */
export const VerifyReportSchema = v.looseObject({
  verdict: v.picklist(['verified', 'falsified', 'incomplete', 'unreadable', 'unpinned']),
  exitCode: v.picklist([0, 1, 2, 3]),
  entries: count,
  unsigned: count,
  range: v.optional(v.looseObject({ from: count, to: count })),
  checkpoint: v.optional(v.looseObject({ origin: text, size: count })),
  signedBy: v.optional(text),
  keyHandovers: v.optional(count),
  findings: v.array(v.looseObject({ rule: text, message: text, seq: v.optional(count) })),
  actions: count,
  openActions: count,
  partialActions: count,
  told: v.looseObject({
    actions: v.record(text, count),
    people: count,
    attempts: count,
    writes: v.looseObject({
      ...{ answered: count, 'not sent': count, sent: count, denied: count, withheld: count },
    }),
  }),
  stories: v.optional(v.array(story)),
  artifacts: v.looseObject({ included: count, omitted: count, disposed: count }),
  modules: count,
  signedVersions: count,
});

type Parsed = v.InferOutput<typeof VerifyReportSchema>;

/** A report that came from elsewhere. @throws v.ValiError when it has another shape */
export function parseReport(value: unknown): VerifyReport {
  const parsed: Parsed = v.parse(VerifyReportSchema, value);
  return parsed as unknown as VerifyReport;
}
