/** A finding of admission, as the API and the sandbox's program tell it. */
import * as v from 'valibot';

export const FindingSchema = v.looseObject({
  rule: v.string(),
  message: v.string(),
  hint: v.string(),
  at: v.exactOptional(v.string()),
});
