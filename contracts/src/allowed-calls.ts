/**
 * What a contract lets through, as people read it: every shape of call on which a rule of the plugin and
 * one of the operator agree. Approvers see it, and compute it themselves from the contract's digest.
 */
import {
  DEFAULT_HEADERS,
  decodePath,
  type EgressContract,
  type EgressRule,
  idempotencyOf,
  type OperatorRule,
  ruleName,
  SAFE_METHODS,
} from './egress-rule.ts';
import type { Effect } from './life-cycle.ts';

export interface AllowedCall {
  /** As records name it. */
  readonly rule: string;
  readonly methods: readonly string[];
  readonly scheme: string;
  /** What both hosts, and both paths, match: the narrower pattern, segment by segment. */
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly query: readonly string[];
  readonly headers: readonly string[];
  readonly contentTypes: readonly string[];
  /** Slot of the credential that the broker sets. */
  readonly credential?: string;
  /** How a repeated send is made harmless. */
  readonly idempotency?: { readonly header: string; readonly retentionHours: number };
  readonly maxCalls?: number;
  readonly maxBytes?: number;
  /** How many private authorities the host is checked by, instead of the public ones. */
  readonly caCertificates?: number;
}

export function allowedCalls(contract: EgressContract, effect: Effect): readonly AllowedCall[] {
  return contract.plugin.flatMap((plugin) =>
    contract.operator.flatMap((operator) => meet(plugin, operator, effect) ?? []),
  );
}

function meet(plugin: EgressRule, operator: OperatorRule, effect: Effect): AllowedCall | undefined {
  const methods = plugin.methods.filter(
    (method) =>
      operator.methods.includes(method) && (effect !== 'read' || SAFE_METHODS.has(method)),
  );
  const host = meetHosts(plugin.host, operator.host);
  const path = meetPaths(plugin.path, operator.path);
  const same = (['scheme', 'port', 'credential'] as const).every(
    (part) => plugin[part] === operator[part],
  );
  if (methods.length === 0 || host === undefined || path === undefined || !same) return undefined;
  const idempotency = idempotencyOf({ plugin, operator });
  return {
    rule: ruleName({ plugin, operator }),
    methods,
    scheme: plugin.scheme,
    host,
    port: plugin.port,
    path,
    query: common(plugin.query ?? [], operator.query ?? []),
    headers: common(plugin.headers ?? DEFAULT_HEADERS, operator.headers ?? DEFAULT_HEADERS),
    contentTypes: common(plugin.contentTypes ?? [], operator.contentTypes ?? []),
    ...(plugin.credential === undefined ? {} : { credential: plugin.credential }),
    ...(idempotency === undefined ? {} : { idempotency }),
    ...least('maxCalls', plugin, operator),
    ...least('maxBytes', plugin, operator),
    ...(operator.caCertificates ? { caCertificates: operator.caCertificates.length } : {}),
  };
}

function common(a: readonly string[], b: readonly string[]): readonly string[] {
  return a.filter((one) => b.includes(one));
}

function least(part: 'maxCalls' | 'maxBytes', a: EgressRule, b: EgressRule) {
  const given = [a[part], b[part]].filter((most) => most !== undefined);
  return given.length === 0 ? {} : { [part]: Math.min(...given) };
}

function meetHosts(a: string, b: string): string | undefined {
  if (a === b) return a;
  if (b.startsWith('*.') && a.endsWith(b.slice(1))) return a;
  return a.startsWith('*.') && b.endsWith(a.slice(1)) ? b : undefined;
}

function meetPaths(a: string, b: string): string | undefined {
  const [one, other] = [a.split('/'), b.split('/')];
  const met: string[] = [];
  for (let i = 0; i < Math.max(one.length, other.length); i++) {
    const [left, right] = [one[i], other[i]];
    if (left === undefined || right === undefined) return undefined;
    if (left === '**') return [...met, ...other.slice(i)].join('/');
    if (right === '**') return [...met, ...one.slice(i)].join('/');
    const segment = meetSegments(left, right);
    if (segment === undefined) return undefined;
    met.push(segment);
  }
  return met.join('/');
}

/** Literal segments are compared as requests are: decoded. A parameter stands for one that is not empty. */
function meetSegments(a: string, b: string): string | undefined {
  if (a.startsWith('{')) return b === '' ? undefined : b;
  if (b.startsWith('{')) return a === '' ? undefined : a;
  return decodePath(a) === decodePath(b) ? a : undefined;
}
