/**
 * The egress rules of the formats once more, said as plainly as can be: what properties compare the
 * matcher with. Shares no code with it, and explains nothing.
 */
import type { EgressContract, EgressRequest, EgressRule } from '../egress-rule.ts';
import type { Effect } from '../life-cycle.ts';

const BROKERS_OWN =
  /^(connection|content-length|cookie|expect|forwarded|host|keep-alive|proxy-(authenticate|authorization|connection)|te|trailer|transfer-encoding|upgrade|via|x-forwarded-(for|host|proto)|x-http-method(-override)?|x-method-override)$/;

/** Every pair of rules that lets the request pass; none when it is refused. */
export function modelPairs(
  contract: EgressContract,
  effect: Effect,
  request: EgressRequest,
): readonly (readonly [plugin: EgressRule, operator: EgressRule])[] {
  const { plugin, operator, approval } = contract;
  if (!isPlainPath(request.path)) return [];
  if (effect === 'read' && request.method !== 'GET' && request.method !== 'HEAD') return [];
  const narrowed = (slot: string | undefined) =>
    approval.length === 0 ||
    approval.some((rule) => [undefined, slot].includes(rule.credential) && covers(rule, request));
  return plugin.flatMap((one) =>
    operator
      .filter((other) => covers(one, request) && covers(other, request))
      .filter((other) => one.credential === other.credential && narrowed(one.credential))
      .filter((other) => !request.headers.some((header) => carriesKey(header, one, other)))
      .map((other) => [one, other] as const),
  );
}

/** Both layers say that a repeated request is harmless with a key in this header. */
function carriesKey(header: string, one: EgressRule, other: EgressRule): boolean {
  return [one, other].every((rule) => rule.idempotency?.header.toLowerCase() === header);
}

export function covers(rule: EgressRule, request: EgressRequest): boolean {
  const { query = [], headers = ['content-type', 'accept'], contentTypes = [] } = rule;
  const type = request.contentType?.toLowerCase().replace(/;.*/s, '').trim();
  return (
    rule.methods.some((method) => method === request.method) &&
    rule.scheme === request.scheme &&
    rule.port === request.port &&
    coversHost(rule.host.split('.'), request.host.split('.')) &&
    patternOf(rule.path).test(decoded(request.path)) &&
    request.query.every(([name]) => query.includes(name)) &&
    request.headers.every((header) => headers.includes(header) && !BROKERS_OWN.test(header)) &&
    (type === undefined || contentTypes.includes(type))
  );
}

/** From the last label to the first; a star is one label or more, and no address has one below it. */
function coversHost(pattern: readonly string[], host: readonly string[]): boolean {
  if (pattern[0] !== '*') return pattern.join('.') === host.join('.');
  const apex = pattern.slice(1);
  const below = host.slice(0, -apex.length);
  return (
    host.slice(-apex.length).join('.') === apex.join('.') &&
    below.length > 0 &&
    !below.includes('') &&
    !/^\d+$/.test(host.at(-1) ?? '')
  );
}

/** The whole pattern as one expression over decoded text. */
function patternOf(path: string): RegExp {
  const segments = path
    .slice(1)
    .split('/')
    .map((segment) => {
      if (segment === '**') return '.*';
      if (segment.startsWith('{')) return '[^/]+';
      return decoded(segment).replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    });
  return new RegExp(`^/${segments.join('/')}$`, 's');
}

/** Escapes that stand for UTF-8, segment by segment; of another segment, which is none, no escape. */
function decoded(path: string): string {
  return path
    .split('/')
    .map((segment) => {
      const bytes = [...segment.matchAll(/%([0-9a-fA-F]{2})|(.)/gs)].map(([, hex, char]) =>
        hex === undefined ? (char ?? '').charCodeAt(0) : Number.parseInt(hex, 16),
      );
      const text = new TextDecoder().decode(Uint8Array.from(bytes));
      return text.includes('\ufffd') ? segment : text;
    })
    .join('/');
}

/** Visible ASCII that every parser reads alike. */
function isPlainPath(path: string): boolean {
  const [, ...escapes] = path.split('%');
  const [, ...segments] = path.split('/');
  return (
    /^\/[!-~]*$/.test(path) &&
    !/[?#;\\]|\/\//.test(path) &&
    escapes.every((rest) => /^(?!2f|5c|00|25)[0-9a-f]{2}/i.test(rest)) &&
    segments.every((segment) => !/^(\.|%2e){1,2}$/i.test(segment))
  );
}
