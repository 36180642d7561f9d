/**
 * What a contract lets through, as people read it: every shape of call on which a rule of the plugin, one
 * of the operator and, when an approver narrowed it, one of the approval agree. Approvers see it, and compute it themselves from the contract's digest.
 */
import {
  agreesOnCredential,
  DEFAULT_HEADERS,
  decodePath,
  type EgressContract,
  type EgressRule,
  idempotencyOf,
  layersOf,
  type MatchedRules,
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
  readonly maxPerMinute?: number;
  /** How many private authorities the host is checked by, instead of the public ones. */
  readonly caCertificates?: number;
}

export function allowedCalls(contract: EgressContract, effect: Effect): readonly AllowedCall[] {
  return contract.plugin.flatMap((plugin) =>
    contract.operator.flatMap((operator) => {
      if (plugin.credential !== operator.credential) return [];
      if (contract.approval.length === 0) return allowedCall({ plugin, operator }, effect) ?? [];
      return contract.approval
        .filter((approval) => agreesOnCredential(approval, plugin))
        .flatMap((approval) => allowedCall({ plugin, operator, approval }, effect) ?? []);
    }),
  );
}

function allowedCall(rules: MatchedRules, effect: Effect): AllowedCall | undefined {
  const met = layersOf(rules).reduce<EgressRule | undefined>(
    (all, [, rule]) => all && meet(all, rule),
    rules.plugin,
  );
  const methods = met?.methods.filter((method) => effect !== 'read' || SAFE_METHODS.has(method));
  if (!met || !methods || methods.length === 0) return undefined;
  const { scheme, host, port, path, maxCalls, maxBytes, maxPerMinute } = met;
  const { credential } = rules.plugin;
  const { caCertificates } = rules.operator;
  const idempotency = idempotencyOf(rules);
  return {
    rule: ruleName(rules),
    ...{ methods, scheme, host, port, path },
    query: met.query ?? [],
    headers: met.headers ?? DEFAULT_HEADERS,
    contentTypes: met.contentTypes ?? [],
    ...(credential === undefined ? {} : { credential }),
    ...(idempotency === undefined ? {} : { idempotency }),
    ...(maxCalls === undefined ? {} : { maxCalls }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(maxPerMinute === undefined ? {} : { maxPerMinute }),
    ...(caCertificates ? { caCertificates: caCertificates.length } : {}),
  };
}

/** The shape that both rules let through, whatever credential they name. */
function meet(a: EgressRule, b: EgressRule): EgressRule | undefined {
  const host = meetHosts(a.host, b.host);
  const path = meetPaths(a.path, b.path);
  if (host === undefined || path === undefined) return undefined;
  if (a.scheme !== b.scheme || a.port !== b.port) return undefined;
  return {
    id: a.id,
    methods: a.methods.filter((method) => b.methods.includes(method)),
    ...{ scheme: a.scheme, host, port: a.port, path },
    query: common(a.query ?? [], b.query ?? []),
    headers: common(a.headers ?? DEFAULT_HEADERS, b.headers ?? DEFAULT_HEADERS),
    contentTypes: common(a.contentTypes ?? [], b.contentTypes ?? []),
    ...least('maxCalls', a, b),
    ...least('maxBytes', a, b),
    ...least('maxPerMinute', a, b),
  };
}

function common(a: readonly string[], b: readonly string[]): string[] {
  return a.filter((one) => b.includes(one));
}

function least(part: 'maxCalls' | 'maxBytes' | 'maxPerMinute', a: EgressRule, b: EgressRule) {
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
