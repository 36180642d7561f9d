/**
 * What host and cell say to each other. The cell believes its host; the host parses every message
 * of a cell, since a guest that broke out could write anything.
 */
import type { AttemptErrorCode } from '@portarium/contracts/errors';
import type { AttemptLimits } from '@portarium/contracts/limits';
import * as v from 'valibot';

/** Limits that the cell enforces itself; the host enforces the others. */
export type CellLimits = Pick<
  AttemptLimits,
  | 'memoryMiB'
  | 'outputBytes'
  | 'egressBytesOut'
  | 'logLines'
  | 'logBytes'
  | 'hostCalls'
  | 'allocations'
>;

export type HostMessage =
  /** Body: the rewritten module. Once in a cell's life. */
  | { readonly type: 'bind'; readonly memoryMiB: number }
  /** Makes an instance of it and calls nothing; answered as `bind` is. */
  | { readonly type: 'try' }
  /** Body: the input. */
  | {
      readonly type: 'run';
      readonly export: string;
      readonly config: Readonly<Record<string, string>>;
      readonly limits: CellLimits;
      readonly seed: string;
      readonly startTime: string;
    }
  /** Body: the response's bytes. Answers one `fetch`; the action's clock advances by `ms`. */
  | {
      readonly type: 'response';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly ms: number;
    }
  | { readonly type: 'response-failed'; readonly reason: string; readonly ms: number };

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const text = (most: number) => v.pipe(v.string(), v.maxLength(most));

/** Errors that a cell may tell; every other code is the host's to give. */
export const CELL_ERRORS = [
  'guest.trap',
  'guest.error',
  'limit.output',
  'limit.hostcalls',
  'limit.memory',
  // Worth no more to a guest that broke out than dying: either is tried again.
  'host.resource',
] as const satisfies readonly AttemptErrorCode[];
export type CellError = (typeof CELL_ERRORS)[number];

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Why a module can not be bound. */
export const REFUSALS = ['module.invalid', 'limit.memory'] as const;
export type Refusal = (typeof REFUSALS)[number];

/** Longest text of one error and of one log line, in characters. */
export const MAX_ERROR_CHARACTERS = 2_000;
export const MAX_LOG_CHARACTERS = 8_000;

/** What one `fetch` carries at most; whatever is larger is left out and named in `omitted`. */
export const MAX_METHOD_CHARACTERS = 64;
export const MAX_URL_CHARACTERS = 16_384;
export const MAX_FETCH_HEADERS = 128;
export const MAX_HEADER_NAME_CHARACTERS = 256;

export const CellMessageSchema = v.variant('type', [
  v.strictObject({ type: v.literal('ready') }),
  v.strictObject({ type: v.literal('bound') }),
  v.strictObject({
    type: v.literal('refused'),
    code: v.picklist(REFUSALS),
    message: text(MAX_ERROR_CHARACTERS),
  }),
  v.strictObject({
    type: v.literal('log'),
    level: v.picklist(LOG_LEVELS),
    message: text(MAX_LOG_CHARACTERS),
  }),
  v.strictObject({
    type: v.literal('fetch'),
    method: text(MAX_METHOD_CHARACTERS),
    url: text(MAX_URL_CHARACTERS),
    headers: v.pipe(
      // Counted before any is looked at.
      v.array(v.unknown()),
      v.maxLength(MAX_FETCH_HEADERS),
      v.array(v.strictTuple([text(MAX_HEADER_NAME_CHARACTERS), text(MAX_URL_CHARACTERS)])),
    ),
    /** The part that was too large, with its true size in characters, headers or bytes. */
    omitted: v.optional(
      v.strictObject({ part: v.picklist(['url', 'headers', 'body']), size: count }),
    ),
  }),
  /** Body: the output, when `error` is absent. */
  v.strictObject({
    type: v.literal('result'),
    hostCalls: count,
    error: v.optional(
      v.strictObject({ code: v.picklist(CELL_ERRORS), message: text(MAX_ERROR_CHARACTERS) }),
    ),
  }),
]);
export type CellMessage = v.InferOutput<typeof CellMessageSchema>;
