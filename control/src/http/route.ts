/** Makes a route of an operation: permission first, then parameters, query and body, each parsed. */
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { GenericSchema, InferOutput } from 'valibot';
import type { Caller, Context } from '../application/context.ts';
import type { Precondition } from '../application/precondition.ts';
import { type Api, allow, allowInWorkspace, type Exchange } from './api.ts';
import { preconditionOf } from './entity-tag.ts';
import type { Operation } from './operations.ts';
import { parseInput, parsePath, readJson } from './read-body.ts';

type Parsed<S> = S extends GenericSchema ? InferOutput<S> : undefined;
type Part<O, Name extends string> = O extends { readonly [N in Name]: infer P } ? P : undefined;

/** What a handler gets; nothing in it is unparsed but the request itself. */
export interface Asked<O extends Operation> {
  readonly exchange: Exchange;
  readonly caller: Caller;
  /** Of the path; the instance's own when it names none. */
  readonly workspace: WorkspaceId;
  readonly params: { readonly [N in keyof Part<O, 'params'>]: Parsed<Part<O, 'params'>[N]> };
  readonly query: Parsed<Part<O, 'query'>>;
  readonly body: Parsed<Part<O, 'body'>>;
  /** Of `If-Match`, where the operation reads it. */
  readonly ifMatch: Precondition;
}

export function route<const O extends Operation>(
  app: Api,
  context: Context,
  operation: O,
  handle: (asked: Asked<O>) => Promise<Response> | Response,
): void {
  const { method, permission, params = {}, headers = [], query } = operation as Operation;
  const { body, maxBytes, free, instanceLog = false } = operation as Operation;
  // A tile's path has slashes; whatever stands there is this route's to refuse, line ends as well.
  const path = operation.path.replace('{tile}', ':tile{[\\s\\S]+}').replaceAll(/\{(\w+)\}/g, ':$1');
  app[method](path, async (exchange) => {
    const { caller, workspace } = operation.path.includes('{ws}')
      ? await allowInWorkspace(context, exchange, permission, instanceLog)
      : { caller: await allow(context, exchange, permission), workspace: INSTANCE_WORKSPACE };
    const named = Object.entries(params).map(([name, schema]) => [
      name,
      parsePath(schema, exchange.req.param(name), name),
    ]);
    const limit = maxBytes ?? PLATFORM_LIMITS.bodyBytes;
    return handle({
      exchange,
      caller,
      workspace,
      params: Object.fromEntries(named),
      query: query && parseInput(query, exchange.req.query()),
      ifMatch: headers.includes('If-Match')
        ? preconditionOf(exchange.req.header('if-match'))
        : undefined,
      body: body && (await readJson(exchange.req.raw, body, limit, free)),
    } as Asked<O>);
  });
}
