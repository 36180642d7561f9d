/**
 * Answers that an author writes down: what a server would say to a call. Tests of a plugin are answered
 * from them, and the writes of a dry run.
 */
import * as v from 'valibot';
import { type EgressRequest, hostMatches, PathPatternSchema, pathMatches } from './egress-rule.ts';

/** A server's response as an author writes it. */
export const WrittenResponseSchema = v.strictObject({
  status: v.pipe(v.number(), v.integer(), v.minValue(100), v.maxValue(599)),
  headers: v.optional(
    v.record(
      v.pipe(v.string(), v.regex(/^[a-z0-9-]+$/, 'expected a header name in lower case')),
      v.string(),
    ),
    {},
  ),
  /** Text, or any other JSON, which is sent as such. */
  body: v.optional(v.unknown()),
});

/** What a dry run answers the writes with that it matches. */
export const ExampleAnswerSchema = v.strictObject({
  method: v.picklist(['POST', 'PUT', 'PATCH', 'DELETE']),
  /** Of any host when left out. */
  host: v.optional(v.pipe(v.string(), v.maxLength(255))),
  /** A pattern as egress rules have it. */
  path: PathPatternSchema,
  ...WrittenResponseSchema.entries,
});
export type ExampleAnswer = v.InferOutput<typeof ExampleAnswerSchema>;

/** The first of them that is an answer to the request. */
export function answerTo(
  answers: readonly ExampleAnswer[],
  { method, host, path }: Pick<EgressRequest, 'method' | 'host' | 'path'>,
): ExampleAnswer | undefined {
  return answers.find(
    (answer) =>
      answer.method === method &&
      (answer.host === undefined || hostMatches(answer.host, host)) &&
      pathMatches(answer.path, path),
  );
}

export function writtenBody(body: unknown): Uint8Array {
  if (body === undefined) return new Uint8Array();
  return new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));
}
