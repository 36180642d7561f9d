/** What admission tells an author: which rule, where, and how to mend it. */

export const ADMISSION_RULES = [
  'module.size',
  'module.not-wasm',
  'module.malformed',
  'module.invalid',
  'module.feature',
  'module.count',
  'code.size',
  'code.locals',
  'import.unknown',
  'import.kind',
  'import.type',
  'export.missing',
  'export.signature',
  'export.reserved',
  'start.signature',
  'memory.count',
  'memory.kind',
  'memory.limit',
  'memory.export',
  'table.limit',
  'schema.size',
  'schema.depth',
  'schema.keyword',
  'schema.ref',
  'schema.pattern',
] as const;

export type AdmissionRule = (typeof ADMISSION_RULES)[number];

export interface Finding {
  readonly rule: AdmissionRule;
  /** What is wrong, with the value that was found. */
  readonly message: string;
  /** What the author does about it. */
  readonly hint: string;
  /** A byte offset (`byte 0x1f`), an import or export, or a JSON Pointer into the manifest. */
  readonly at?: string;
}
