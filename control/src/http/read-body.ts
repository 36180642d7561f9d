/** Reads and parses request bodies under a size limit. Nothing unparsed reaches a use case. */
import { CanonicalJsonError, parseStrictJson } from '@portarium/contracts/canonical-json';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { plainText } from '@portarium/contracts/plain-text';
import { violationsOf } from '@portarium/contracts/violations';
import * as v from 'valibot';
import { refuse } from './problems.ts';

/** The whole body. Ends with 413 at the first byte over `maxBytes`, with 408 when it takes too long. */
export async function readBytes(
  request: Request,
  maxBytes: number,
  timeoutMs: number = PLATFORM_LIMITS.bodyTimeoutMs,
): Promise<Uint8Array> {
  const declared = Number(request.headers.get('content-length') ?? '0');
  if (declared > maxBytes)
    refuse('body.too-large', `The body has ${declared} bytes; this route takes ${maxBytes}.`);
  if (!request.body) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of withDeadline(request.body, timeoutMs)) {
    size += chunk.length;
    if (size > maxBytes)
      refuse(
        'body.too-large',
        `The body has more than the ${maxBytes} bytes that this route takes.`,
      );
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

/** The chunks of a body, until `timeoutMs` are over: dripping bytes keeps no request open. */
async function* withDeadline(
  body: ReadableStream<Uint8Array>,
  timeoutMs: number,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), timeoutMs);
  });
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), late]);
      if (next === 'late') {
        refuse('body.too-slow', `The body took longer than ${timeoutMs} ms.`);
      } else if (next.done) return;
      else yield next.value;
    }
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => undefined);
  }
}

/** The body as JSON of the shape `schema`; no text outside `free` may hold U+0000. */
export async function readJson<T extends v.GenericSchema>(
  request: Request,
  schema: T,
  maxBytes: number,
  free: readonly string[] = [],
): Promise<v.InferOutput<T>> {
  const mediaType = (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase();
  if (mediaType !== 'application/json') {
    refuse('media.unsupported', 'This route reads application/json; send that Content-Type.');
  }
  const bytes = await readBytes(request, maxBytes);
  const value = parseJson(bytes);
  // An empty list would pass for an object without members.
  if (Array.isArray(value)) {
    return refuse('input.invalid', 'The whole body: expected an object, not a list.', [
      { pointer: '', message: 'expected an object, not a list' },
    ]);
  }
  const parsed = parseInput(schema, value);
  const pointer = pointerToNul(value, free);
  if (pointer === undefined) return parsed;
  return refuse('input.invalid', 'Text may not hold the character U+0000.', [
    { pointer, message: 'expected text without U+0000' },
  ]);
}

/** Where text or a key holds U+0000, which PostgreSQL can not store; undefined when nothing does. */
function pointerToNul(value: unknown, free: readonly string[] = []): string | undefined {
  if (typeof value === 'string') return value.includes('\u0000') ? '' : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, item] of Object.entries(value)) {
    if (free.includes(key)) continue;
    const inner = key.includes('\u0000') ? '' : pointerToNul(item);
    if (inner !== undefined) return `/${plainText(key, 64)}${inner}`;
  }
  return undefined;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return parseStrictJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    if (error instanceof CanonicalJsonError) {
      return refuse('request.malformed', 'The body is JSON that this API does not take.', [
        { pointer: error.path, message: error.message },
      ]);
    }
    return refuse('request.malformed', 'The body is not JSON in UTF-8.', [
      { pointer: '', message: 'expected a JSON document' },
    ]);
  }
}

export function parseInput<T extends v.GenericSchema>(schema: T, value: unknown): v.InferOutput<T> {
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  const errors = violationsOf(parsed.issues);
  const [{ pointer = '', message = '' } = {}] = errors;
  const more = errors.length > 1 ? `, and ${errors.length - 1} more` : '';
  return refuse('input.invalid', `${pointer || 'The whole body'}: ${message}${more}.`, errors);
}

/** A path or query parameter; a bad one is 404 in a path and 422 in a query. */
export function parsePath<T extends v.GenericSchema>(
  schema: T,
  value: string | undefined,
  what: string,
): v.InferOutput<T> {
  const parsed = v.safeParse(schema, value);
  return parsed.success
    ? parsed.output
    : refuse('not-found', `There is no ${what} of that name here.`);
}
