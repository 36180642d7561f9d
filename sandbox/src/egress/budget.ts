/** Counts calls and bytes of one attempt against its limits and against each rule. */
import { type EgressRule, layersOf, type MatchedRules } from '@portarium/contracts/egress-rule';
import type { AttemptLimits } from '@portarium/contracts/limits';
import type { OutboundRequest } from '@portarium/contracts/outbound-request';
import { beyondRules, type Spent } from '@portarium/contracts/rule-budget';

export class Budget {
  readonly #limits: Pick<AttemptLimits, 'egressCalls' | 'egressBytesOut' | 'egressBytesIn'>;
  readonly #byRule = new Map<EgressRule, Spent>();
  #calls = 0;
  #bytesOut = 0;
  #bytesIn = 0;

  constructor(limits: Pick<AttemptLimits, 'egressCalls' | 'egressBytesOut' | 'egressBytesIn'>) {
    this.#limits = limits;
  }

  get bytesOut(): number {
    return this.#bytesOut;
  }

  get bytesIn(): number {
    return this.#bytesIn;
  }

  /** Counts one call, or says which budget has no room for it (and counts nothing). */
  begin(rules: MatchedRules, bytesOut: number): string | undefined {
    const { egressCalls, egressBytesOut } = this.#limits;
    if (this.#calls >= egressCalls) return `more than ${egressCalls} calls`;
    if (this.#bytesOut + bytesOut > egressBytesOut) return `more than ${egressBytesOut} bytes out`;
    const over = beyondRules(rules, (rule) => {
      const { calls, bytes } = this.#spent(rule);
      return { calls: calls + 1, bytes: bytes + bytesOut };
    });
    if (over !== undefined) return over;
    this.#calls++;
    this.#bytesOut += bytesOut;
    for (const rule of rulesOf(rules)) {
      const spent = this.#spent(rule);
      spent.calls++;
      spent.bytes += bytesOut;
    }
    return undefined;
  }

  bytesInLeft(rules: MatchedRules): number {
    const left = [...rulesOf(rules)].map((rule) =>
      rule.maxBytes === undefined
        ? Number.POSITIVE_INFINITY
        : rule.maxBytes - this.#spent(rule).bytes,
    );
    return Math.max(0, Math.min(this.#limits.egressBytesIn - this.#bytesIn, ...left));
  }

  /** @param rules none for an answer of a call that no rules allowed */
  received(rules: MatchedRules | undefined, bytes: number): void {
    this.#bytesIn += bytes;
    for (const rule of rules ? rulesOf(rules) : []) this.#spent(rule).bytes += bytes;
  }

  #spent(rule: EgressRule): Spent {
    const known = this.#byRule.get(rule);
    if (known) return known;
    const fresh = { calls: 0, bytes: 0 };
    this.#byRule.set(rule, fresh);
    return fresh;
  }
}

/** A manifest that is granted as it stands has one rule in two layers. */
function rulesOf(rules: MatchedRules): ReadonlySet<EgressRule> {
  return new Set(layersOf(rules).map(([, rule]) => rule));
}

/** What counts against a budget: path, headers and body, since each can carry data out. */
export function bytesOutOf(request: OutboundRequest): number {
  const headers = request.headers.reduce(
    (sum, [name, value]) => sum + name.length + value.length,
    0,
  );
  return request.path.length + headers + request.body.length;
}
