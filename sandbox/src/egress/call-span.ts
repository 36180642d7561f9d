/**
 * A span of each egress call, allowed or not, by OpenTelemetry's conventions for HTTP clients. Never
 * carries query, headers, bodies, reasons or anything of a credential but its id.
 */
import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { HTTP_METHODS } from '@portarium/contracts/egress-rule';
import type { EgressCall } from '@portarium/contracts/internal-api';
import type { EgressAnswer } from './egress-answer.ts';
import type { AllowedRequest, DeniedRequest } from './judge-request.ts';
import { safeCall } from './safe-call.ts';

/** Whose calls they are. */
export interface CallOrigin {
  readonly action: string;
  readonly attempt: string;
  /** The W3C trace id that the action was requested under. */
  readonly trace: string | undefined;
}

const TRACER = 'portarium.sandbox';

export class CallSpan {
  readonly #span: Span;
  readonly #judged: AllowedRequest | DeniedRequest;

  /** @param replayed the journal answers it: nothing leaves */
  constructor(
    { workspace, origin }: { readonly workspace: string; readonly origin?: CallOrigin },
    call: number,
    judged: AllowedRequest | DeniedRequest,
    replayed: boolean,
  ) {
    this.#judged = judged;
    const method = methodOf(judged.draft.method);
    const template = judged.allowed ? judged.rules.plugin.path : undefined;
    this.#span = trace.getTracer(TRACER).startSpan(
      template === undefined ? method : `${method} ${template}`,
      {
        kind: replayed ? SpanKind.INTERNAL : SpanKind.CLIENT,
        attributes: {
          'http.request.method': method,
          ...(template === undefined ? {} : { 'url.template': template }),
          'portarium.workspace': workspace,
          ...(origin === undefined
            ? {}
            : { 'portarium.action': origin.action, 'portarium.attempt': origin.attempt }),
          'portarium.egress.call': call,
          'portarium.egress.replayed': replayed,
        },
      },
      parentOf(origin),
    );
  }

  /** @param record what the journal holds of the call by now; none when nobody saw its answer */
  tell(record: EgressCall | undefined, answer: EgressAnswer): void {
    const { draft } = this.#judged;
    const shown = safeCall(record ?? openRecord(draft));
    const { host, port, scheme, path, address, status, verdict, layer } = shown;
    const refusal = answer.kind === 'refused' ? { 'portarium.egress.refusal': answer.code } : {};
    this.#span.setAttributes(
      defined({
        'server.address': host,
        'server.port': port,
        'url.scheme': scheme,
        'url.full': `${scheme}://${host}:${port}${path}`,
        'network.peer.address': address,
        'portarium.egress.tls_peer_key_hash': shown.tlsPeerKeyHash,
        'network.peer.port': address === undefined ? undefined : port,
        'http.response.status_code': status,
        'http.request.body.size': this.#judged.allowed
          ? this.#judged.request.body.length
          : undefined,
        'http.response.body.size': status === undefined ? undefined : shown.bytesIn,
        'portarium.egress.verdict': verdict,
        'portarium.egress.rule': shown.rule,
        'portarium.egress.layer': layer,
        'portarium.egress.credential': shown.credential,
        'portarium.egress.bytes_out': shown.bytesOut,
        'portarium.egress.bytes_in': shown.bytesIn,
        'portarium.egress.request_digest': shown.requestDigest,
        'portarium.egress.request_body_digest': shown.requestBodyDigest,
        'portarium.egress.response_digest': shown.responseDigest,
        ...refusal,
      }),
    );
    const problem = problemOf(shown);
    if (problem === undefined) return;
    this.#span.setAttribute('error.type', problem);
    this.#span.setStatus({ code: SpanStatusCode.ERROR });
  }

  end(): void {
    this.#span.end();
  }
}

function methodOf(method: string): string {
  return (HTTP_METHODS as readonly string[]).includes(method) ? method : '_OTHER';
}

function openRecord(draft: AllowedRequest['draft']): EgressCall {
  return { call: 0, ...draft, verdict: 'open', bytesOut: 0, bytesIn: 0, ms: 0 };
}

/** `error.type`: few values, and none that a guest or a server chose. */
function problemOf({ verdict, layer, status = 0 }: EgressCall): string | undefined {
  if (verdict === 'allowed') return status >= 400 ? String(status) : undefined;
  return layer ?? verdict;
}

/** The span that the host was given no id of: calls of one attempt stand together below it. */
function parentOf(origin: CallOrigin | undefined): Context {
  if (origin?.trace === undefined) return ROOT_CONTEXT;
  const spanId = origin.attempt.slice(-16);
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId: origin.trace,
    spanId,
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
  });
}

function defined(attributes: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}
