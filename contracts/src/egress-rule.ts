/**
 * Egress rules: the shape of one allowed outbound call, and the matcher that both planes share.
 * A request passes only when a rule of **every** layer matches it; no operator rules means none.
 */

import * as v from 'valibot';
import type { Effect } from './life-cycle.ts';
import { PLATFORM_LIMITS } from './limits.ts';
import { networkProblem } from './network.ts';
import { unknownField } from './violations.ts';

export const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type HttpMethod = (typeof HTTP_METHODS)[number];

/** Methods that a `read` operation may send (RFC 9110, section 9.2.1). */
export const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** Headers that no rule may name: the broker owns them, or they change what a request means. */
export const FORBIDDEN_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
]);

export const DEFAULT_HEADERS: readonly string[] = ['content-type', 'accept'];

const name = v.pipe(
  v.string(),
  v.regex(/^[a-z][a-z0-9-]{0,62}$/, 'expected a name of lowercase letters, digits and hyphens'),
);
const headerName = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected a header name in lower case'),
  v.check(
    (header) => !FORBIDDEN_HEADERS.has(header),
    'this header is the broker’s own and can not be granted',
  ),
);
/** In any case, as HTTP has it: `Idempotency-Key` is how people write it. */
const anyCaseHeaderName = v.pipe(
  v.string(),
  v.check(
    (header) => v.is(headerName, header.toLowerCase()),
    'expected a header name that is not the broker’s own',
  ),
);

const HOST = /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const IPV6 = /^\[[0-9a-f:.]+\]$/;

export const SUFFIX_COVERED =
  'a wildcard may not cover a public suffix; name the registrable domain';

/** What people write in the place of a host, and what they should. */
const NO_HOSTS: readonly (readonly [RegExp, string])[] = [
  [/[^\x20-\x7e]/, 'write a name beyond ASCII in its form that begins with xn--'],
  [/[A-Z]/, 'write it in lower case'],
  [/:\/\//, 'leave the scheme out: it stands in “scheme”'],
  [
    /^[0-9a-f.:[\]]+\/\d+$/,
    'a rule names one host; a CIDR block belongs in “networks” (--network)',
  ],
  [/\//, 'leave the path out: it stands in “path”'],
  [/^[0-9a-f]*:[0-9a-f:.]*:[0-9a-f.]*$/, 'write an IPv6 address in brackets, such as [::1]'],
  [/:\d*$/, 'leave the port out: it stands in “port”'],
  [/\*/, 'a wildcard stands for the labels below a domain, and only in front: *.example.com'],
  [/\.$/, 'leave the dot at the end out'],
];

/** Why a text is no host of a rule; undefined when it is one. */
function hostProblem(text: string): string | undefined {
  if (!HOST.test(text) && !IPV6.test(text)) {
    const known = NO_HOSTS.find(([pattern]) => pattern.test(text))?.[1];
    return known ?? 'expected a name such as api.example.com, an address, or *.example.com';
  }
  if (!text.startsWith('*.')) return undefined;
  if (isNumeric(text)) return 'an address takes no wildcard: name each';
  return text.slice(2).includes('.') ? undefined : SUFFIX_COVERED;
}

const host = v.pipe(v.string(), v.maxLength(255), explained(hostProblem));

/** A check that says what is wrong with the very text. */
function explained(problem: (text: string) => string | undefined) {
  return v.check<string, (issue: { readonly input: string }) => string>(
    (text) => problem(text) === undefined,
    ({ input }) => problem(input) ?? '',
  );
}

/** Whether a segment of a rule's path stands for any one segment of a request's. */
export function isPathParameter(segment: string): boolean {
  return /^\{[a-zA-Z][a-zA-Z0-9_]*\}$/.test(segment);
}

/** The one spelling of a path or query: no escape without need, the others in capitals (RFC 3986, 6.2.2). */
export function canonicalEscapes(text: string): string {
  return text.replaceAll(/%[0-9a-fA-F]{2}/g, (escaped) => {
    const char = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return /[\w.~-]/.test(char) ? char : escaped.toUpperCase();
  });
}

/** Literal segments, `{name}` for exactly one, `**` as the last for any rest. */
export const PathPatternSchema = v.pipe(v.string(), v.maxLength(1024), explained(patternProblem));

function patternProblem(text: string): string | undefined {
  if (text.includes('?')) return 'leave the query out: names of parameters stand in “query”';
  const never = pathProblem(text);
  if (never !== undefined) return `such a path can never be granted: ${never}`;
  if (text !== canonicalEscapes(text)) {
    return 'write letters, digits, “-”, “.”, “_” and “~” as themselves, and %XX of others in capitals';
  }
  const segments = text.split('/');
  const good = segments.every(
    (segment, i) =>
      isPathParameter(segment) ||
      (segment === '**' && i === segments.length - 1) ||
      !/[{}*]/.test(segment),
  );
  return good
    ? undefined
    : 'expected a path of segments that are literal, {name} for exactly one, or ** as the last';
}

const ruleEntries = {
  id: name,
  methods: v.pipe(
    v.array(v.picklist(HTTP_METHODS, `expected ${HTTP_METHODS.join(', ')}, in capitals`)),
    v.minLength(1),
    v.maxLength(HTTP_METHODS.length),
  ),
  scheme: v.picklist(['https', 'http']),
  host,
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
  path: PathPatternSchema,
  query: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(128))), v.maxLength(64))),
  headers: v.optional(v.pipe(v.array(headerName), v.maxLength(32))),
  contentTypes: v.optional(
    v.pipe(
      v.array(
        v.pipe(
          v.string(),
          v.regex(
            /^[a-z0-9.+-]+\/[a-z0-9.+-]+$/,
            'expected a type in lower case such as application/json',
          ),
        ),
      ),
      v.maxLength(16),
    ),
  ),
  credential: v.optional(name),
  idempotency: v.optional(
    v.strictObject({
      header: anyCaseHeaderName,
      retentionHours: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(8_760)),
    }),
  ),
  maxCalls: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_000))),
  maxBytes: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64 * 1024 * 1024)),
  ),
  /** Calls of the workspace in any minute, whatever action, attempt and host they are of. */
  maxPerMinute: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100_000))),
};

export const EgressRuleSchema = v.strictObject(ruleEntries, unknownField(ruleEntries));

export type EgressRule = v.InferOutput<typeof EgressRuleSchema>;

const certificate = v.pipe(
  v.string(),
  v.regex(
    /^-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=]{1,76}\r?\n)+-----END CERTIFICATE-----\s*$/,
    'expected one certificate in PEM, from BEGIN CERTIFICATE to END CERTIFICATE',
  ),
);

const operatorEntries = {
  ...ruleEntries,
  /** Authorities in PEM that the hosts of this rule are checked by, instead of the public ones. */
  caCertificates: v.optional(
    v.pipe(
      v.array(certificate),
      v.minLength(1),
      v.maxLength(PLATFORM_LIMITS.caCertificates),
      v.check(
        (all) => all.join('').length <= PLATFORM_LIMITS.caCertificateCharacters,
        `expected at most ${PLATFORM_LIMITS.caCertificateCharacters} characters in all of them`,
      ),
    ),
  ),
};

/** What an operator grants: a plugin never says whom its hosts are to be believed by. */
export const OperatorRuleSchema = v.strictObject(operatorEntries, unknownField(operatorEntries));

export type OperatorRule = v.InferOutput<typeof OperatorRuleSchema>;

/** `loopback` or a CIDR block: a network that an administrator opens to the operator's rules. */
export const NetworkSchema = v.pipe(
  v.string(),
  v.maxLength(64),
  v.check(
    (text) => networkProblem(text) === undefined,
    (issue) => networkProblem(issue.input) ?? 'expected a network',
  ),
);

/** Rules as they are kept; whoever writes new ones is asked for more (`grantable-rules.ts`). */
export const EgressRulesSchema = v.pipe(
  v.array(EgressRuleSchema),
  v.maxLength(64),
  v.check((rules) => haveOwnIds(rules), 'each rule needs an id of its own'),
);

/** The same of an operator's. */
export const OperatorRulesSchema = v.pipe(
  v.array(OperatorRuleSchema),
  v.maxLength(64),
  v.check((rules) => haveOwnIds(rules), 'each rule needs an id of its own'),
);

export function haveOwnIds(rules: readonly EgressRule[]): boolean {
  return new Set(rules.map((rule) => rule.id)).size === rules.length;
}

/** What an action may reach: fixed when it is requested. */
export interface EgressContract {
  readonly plugin: readonly EgressRule[];
  readonly operator: readonly OperatorRule[];
  readonly networks: readonly string[];
  /** What an approver narrowed it to; empty when nobody did. */
  readonly approval: readonly EgressRule[];
}

/** The value whose canonical JSON gives `contractDigest`. */
export function contractStatement(contract: EgressContract): readonly unknown[] {
  return [contract.plugin, contract.operator, contract.networks, contract.approval];
}

/** One request, parsed once; the same parsed parts are matched and sent. */
export interface EgressRequest {
  readonly method: string;
  readonly scheme: string;
  /** Lower case; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  /** Percent-encoded as it will be sent. */
  readonly path: string;
  readonly query: readonly (readonly [name: string, value: string])[];
  /** Lower case names that the guest set. */
  readonly headers: readonly string[];
  readonly contentType: string | undefined;
}

export type EgressDecision =
  | {
      readonly allowed: true;
      readonly rules: MatchedRules;
    }
  | {
      readonly allowed: false;
      readonly reason: string;
      readonly layer: 'request' | 'plugin' | 'operator' | 'approval';
    };

/**
 * Decides one request against every layer. Never resolves names and never counts budgets:
 * addresses and budgets are the broker's and the Control Plane's.
 */
export function decideEgress(
  contract: EgressContract,
  effect: Effect,
  request: EgressRequest,
): EgressDecision {
  const bad = pathProblem(request.path);
  if (bad) return { allowed: false, reason: `path: ${bad}`, layer: 'request' };
  if (effect === 'read' && !SAFE_METHODS.has(request.method)) {
    return {
      allowed: false,
      reason: `a read operation may not send ${request.method}`,
      layer: 'request',
    };
  }
  const matches = (rule: EgressRule) => mismatch(rule, request) === undefined;
  const asked = contract.plugin.filter(matches);
  if (asked.length === 0) return refusedBy('plugin', contract, request);
  const granted = contract.operator.filter(matches);
  if (granted.length === 0) return refusedBy('operator', contract, request);
  const agreed = agreement(asked, granted, request);
  if ('reason' in agreed) return { allowed: false, ...agreed };
  if (contract.approval.length === 0) return { allowed: true, rules: agreed.pairs[0] };
  const narrowed = contract.approval.filter(matches);
  for (const pair of agreed.pairs) {
    const approval = narrowed.find((rule) => agreesOnCredential(rule, pair.plugin));
    if (approval) return { allowed: true, rules: { ...pair, approval } };
  }
  const [other] = narrowed;
  if (!other) return refusedBy('approval', contract, request);
  const reason = `${ruleOf('approval', other)} allows credential ${other.credential} only`;
  return { allowed: false, reason, layer: 'approval' };
}

/** An approver’s rule that names a credential allows calls with that one only. */
export function agreesOnCredential(
  approval: Pick<EgressRule, 'credential'>,
  { credential }: Pick<EgressRule, 'credential'>,
): boolean {
  return approval.credential === undefined || approval.credential === credential;
}

/**
 * The matching rules that agree, two by two: a credential needs the consent of both, since the plugin names
 * the slot and the operator grants it. Any two will do (ADR 0120), so that taking a rule away never
 * allows anything.
 */
function agreement(
  asked: readonly EgressRule[],
  granted: readonly OperatorRule[],
  { headers }: EgressRequest,
):
  | { readonly pairs: readonly [MatchedRules, ...MatchedRules[]] }
  | { readonly reason: string; readonly layer: 'operator' | 'request' } {
  const pairs: MatchedRules[] = [];
  let reserved: string | undefined;
  for (const plugin of asked) {
    for (const operator of granted) {
      if (plugin.credential !== operator.credential) continue;
      const header = idempotencyOf({ plugin, operator })?.header;
      if (header === undefined || !headers.includes(header)) pairs.push({ plugin, operator });
      else reserved ??= header;
    }
  }
  const [first, ...others] = pairs;
  if (first) return { pairs: [first, ...others] };
  if (reserved !== undefined) {
    const reason = `header ${reserved} carries the platform’s idempotency key; a plugin may not set it`;
    return { reason, layer: 'request' };
  }
  const [plugin, operator] = [asked[0], granted[0]];
  const grants =
    operator?.credential === undefined ? 'no credential' : `credential ${operator.credential}`;
  return {
    reason: `the operator’s rule ${operator?.id} grants ${grants}, the plugin’s rule ${plugin?.id} asks for ${plugin?.credential ?? 'none'}`,
    layer: 'operator',
  };
}

export interface MatchedRules {
  readonly plugin: EgressRule;
  readonly operator: OperatorRule;
  /** There when an approver narrowed the contract. */
  readonly approval?: EgressRule;
}

export type RuleLayer = keyof MatchedRules;

/** The matched rules by layer, each of which has its own budgets. */
export function layersOf({
  plugin,
  operator,
  approval,
}: MatchedRules): readonly (readonly [RuleLayer, EgressRule])[] {
  const both = [['plugin', plugin] as const, ['operator', operator] as const];
  return approval ? [...both, ['approval', approval]] : both;
}

/**
 * How a repeated send is made harmless: only when both layers say so and name one header.
 * @returns the header in lower case and the shorter retention; undefined when there is no key
 */
export function idempotencyOf(
  rules: MatchedRules,
): { readonly header: string; readonly retentionHours: number } | undefined {
  const [a, b] = [rules.plugin.idempotency, rules.operator.idempotency];
  if (!a || !b || a.header.toLowerCase() !== b.header.toLowerCase()) return undefined;
  return {
    header: a.header.toLowerCase(),
    retentionHours: Math.min(a.retentionHours, b.retentionHours),
  };
}

/** A rule of one layer that bounds how many calls a minute the workspace makes. */
export interface Rate {
  readonly layer: 'plugin' | 'operator';
  readonly rule: string;
  readonly perMinute: number;
}

/** Every rate that a call counts against; it needs leave when there is one. Each rule has its own. */
export function ratesOf({ plugin, operator }: MatchedRules): readonly Rate[] {
  const rate = (layer: Rate['layer'], { id, maxPerMinute }: EgressRule): readonly Rate[] =>
    maxPerMinute === undefined ? [] : [{ layer, rule: id, perMinute: maxPerMinute }];
  return [...rate('plugin', plugin), ...rate('operator', operator)];
}

/** The ids of the matched rules as records and digests name them: all three of a narrowed contract. */
export function ruleName({ plugin, operator, approval }: MatchedRules): string {
  if (approval) return `${plugin.id} ${operator.id} ${approval.id}`;
  return plugin.id === operator.id ? plugin.id : `${plugin.id} ${operator.id}`;
}

/** What {@link ruleName} made as people read it: plugin → operator → approver. */
export function shownRule(name: string): string {
  return name.replaceAll(' ', ' → ');
}

/** The id of a layer’s rule in what {@link ruleName} made. */
export function ruleOfLayer(name: string, layer: RuleLayer): string | undefined {
  const [plugin, operator = plugin, approval] = name.split(' ');
  return { plugin, operator, approval }[layer];
}

/** Each says what of a request its rule does not allow, or nothing; what is told first comes first. */
const CHECKS: readonly ((rule: EgressRule, request: EgressRequest) => string | undefined)[] = [
  (rule, { host }) => (hostMatches(rule.host, host) ? undefined : `host ${host}`),
  (rule, { scheme }) => (rule.scheme === scheme ? undefined : `scheme ${scheme}`),
  (rule, { port }) => (rule.port === port ? undefined : `port ${port}`),
  (rule, { path }) => (pathMatches(rule.path, path) ? undefined : `path ${path}`),
  (rule, { method }) =>
    (rule.methods as readonly string[]).includes(method) ? undefined : `method ${method}`,
  (rule, { query }) => {
    const refused = query.find(([name]) => !rule.query?.includes(name));
    return refused && `query parameter ${refused[0]}`;
  },
  (rule, { headers }) => {
    const refused = headers.find(
      (header) =>
        FORBIDDEN_HEADERS.has(header) || !(rule.headers ?? DEFAULT_HEADERS).includes(header),
    );
    return refused === undefined ? undefined : `header ${refused}`;
  },
  (rule, { contentType }) => {
    const type = contentType?.split(';')[0]?.trim().toLowerCase();
    const allowed = type === undefined || (rule.contentTypes ?? []).includes(type);
    return allowed ? undefined : `content type ${type}`;
  },
];

/** What of the request the rule does not allow, or undefined when it matches. */
function mismatch(rule: EgressRule, request: EgressRequest): string | undefined {
  for (const check of CHECKS) {
    const refused = check(rule, request);
    if (refused !== undefined) return refused;
  }
  return undefined;
}

/** Characters of a request that a reason repeats. */
const MOST_TOLD = 200;

/** Names what the nearest rule of the layer refused, so that an author or operator knows what to change. */
function refusedBy(
  layer: RuleLayer,
  contract: EgressContract,
  request: EgressRequest,
): EgressDecision {
  const denied = (reason: string) => ({ allowed: false, reason, layer }) as const;
  const rules: readonly EgressRule[] = contract[layer];
  if (rules.length === 0) return denied(`the ${layer} has no rules, so nothing is allowed`);
  const here = rules.filter(({ host }) => hostMatches(host, request.host));
  if (here.length === 0) return denied(`no rule of the ${layer} names host ${request.host}`);
  // A method says more than any other part which rule was meant.
  const nearness = (rule: EgressRule) =>
    CHECKS.filter((check) => check(rule, request) === undefined).length +
    ((rule.methods as readonly string[]).includes(request.method) ? CHECKS.length : 0);
  const nearest = here.reduce((best, rule) => (nearness(rule) > nearness(best) ? rule : best));
  const what = cut(mismatch(nearest, request) ?? '');
  return denied(`${ruleOf(layer, nearest)} does not allow ${what}`);
}

function cut(text: string): string {
  return text.length > MOST_TOLD ? `${text.slice(0, MOST_TOLD)}…` : text;
}

/** A rule as a reason names it: layers have rules of the same id. */
export function ruleOf(layer: RuleLayer, { id }: Pick<EgressRule, 'id'>): string {
  return `the ${layer}’s rule ${id}`;
}

/** Exact, or `*.example.com` for one or more labels, none empty, never the apex, never an address. */
export function hostMatches(pattern: string, hostName: string): boolean {
  if (!pattern.startsWith('*.')) return pattern === hostName;
  if (isNumeric(hostName) || !hostName.endsWith(pattern.slice(1))) return false;
  const below = hostName.slice(0, hostName.length - pattern.length + 1);
  return below.split('.').every((label) => label !== '');
}

/** Whether the last label has digits only, which makes a host an IPv4 address (WHATWG URL). */
function isNumeric(hostName: string): boolean {
  return /(^|\.)\d+$/.test(hostName);
}

/** Why a path is refused whatever the rules say, or undefined. */
export function pathProblem(text: string): string | undefined {
  if (!text.startsWith('/')) return 'it does not start with /';
  if (/[\\;]/.test(text)) return 'backslash or semicolon';
  if (/%(2f|5c|00|25)/i.test(text)) return 'encoded slash, backslash, NUL or percent';
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return 'broken percent encoding';
  if (text.includes('//')) return 'empty segment';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/[\u0000-\u0020\u007f?#]/.test(text)) return 'control character, space, ? or #';
  for (const segment of text.split('/')) {
    const plain = segment.replaceAll(/%2e/gi, '.');
    if (plain === '.' || plain === '..') return 'dot segment';
  }
  return undefined;
}

/** Matches segment by segment on decoded text; `{name}` is one non-empty segment, `**` any rest. */
export function pathMatches(pattern: string, requestPath: string): boolean {
  const want = pattern.split('/');
  const got = requestPath.split('/');
  for (let i = 0; i < want.length; i++) {
    const segment = want[i];
    if (segment === '**') return got.length > i;
    const actual = got[i];
    if (actual === undefined) return false;
    if (segment !== undefined && isPathParameter(segment)) {
      if (actual === '') return false;
    } else if (decodePath(segment ?? '') !== decodePath(actual)) {
      return false;
    }
  }
  return want.length === got.length;
}

export function decodePath(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
