/** The query parameter `limit` of every list. */
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import * as v from 'valibot';

/** @param usual rows on a page when the caller names no limit */
export function pageLimit(usual: number) {
  return v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,3}$/, 'expected a whole number'),
      v.transform(Number),
      v.minValue(1),
      v.maxValue(PLATFORM_LIMITS.pageSize),
    ),
    String(usual),
  );
}
