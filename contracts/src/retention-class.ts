/** How long artifacts are kept at least, by class. */

export const RETENTION_CLASSES = ['operational', 'compliance', 'forensic'] as const;
export type RetentionClass = (typeof RETENTION_CLASSES)[number];

/** Days that an artifact of the class is kept at least. */
export const RETENTION_DAYS: { readonly [C in RetentionClass]: number } = {
  operational: 30,
  compliance: 365,
  forensic: 2_555,
};

/** The class of what an action leaves behind whose operation says this, or nothing. */
export function retentionOf(operation: {
  readonly retention?: RetentionClass | undefined;
}): RetentionClass {
  return operation.retention ?? 'compliance';
}
