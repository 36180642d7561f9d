/** Cases of an author's test: what a plugin is given, what its calls get, and what has to come of it. */
import * as v from 'valibot';
import { HTTP_METHODS } from './egress-rule.ts';
import { ATTEMPT_ERRORS, type AttemptErrorCode } from './errors.ts';
import { WrittenResponseSchema } from './example-answer.ts';

const text = v.pipe(v.string(), v.maxLength(1_000_000));
const codes = Object.keys(ATTEMPT_ERRORS) as [AttemptErrorCode, ...AttemptErrorCode[]];

/** An answer that a call gets. Recordings are used in order, each once. */
const RecordingSchema = v.strictObject({
  request: v.strictObject({
    method: v.picklist(HTTP_METHODS),
    /** As the plugin writes it, with its query. */
    url: v.pipe(v.string(), v.url('expected an absolute address')),
    /** Of any body when left out. */
    body: v.optional(text),
  }),
  response: WrittenResponseSchema,
});
export type Recording = v.InferOutput<typeof RecordingSchema>;

const CaseSchema = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  operation: v.string(),
  input: v.optional(v.unknown()),
  egress: v.optional(v.pipe(v.array(RecordingSchema), v.maxLength(1_000)), []),
  expect: v.union(
    [
      /** Equal, member by member. */
      v.strictObject({ output: v.unknown() }),
      /** The code of the attempt’s error, and what its message has in it. */
      v.strictObject({ error: v.picklist(codes), message: v.optional(v.string()) }),
    ],
    'expected {"output": …} or {"error": "code"}',
  ),
});
export type PluginCase = v.InferOutput<typeof CaseSchema>;

export const CasesSchema = v.pipe(
  v.array(CaseSchema),
  v.minLength(1, 'expected at least one case'),
  v.maxLength(1_000),
  v.check(
    (cases) => new Set(cases.map(({ name }) => name)).size === cases.length,
    'each case needs a name of its own',
  ),
);

/** What came of one case; the lines that the sandbox's test prints. */
export const CaseResultSchema = v.strictObject({
  name: v.string(),
  operation: v.string(),
  ok: v.boolean(),
  ms: v.number(),
  /** `succeeded`, or the code of the error. */
  verdict: v.string(),
  message: v.optional(v.string()),
  output: v.optional(v.unknown()),
  /** Why it is not ok, in sentences. */
  problems: v.array(v.string()),
  logs: v.array(v.strictObject({ level: v.string(), message: v.string() })),
});
export type CaseResult = v.InferOutput<typeof CaseResultSchema>;
