/** Counts calls and bytes of one attempt against its limits and against each rule. */
import type { EgressRule } from '@portarium/contracts/egress-rule';
import type { AttemptLimits } from '@portarium/contracts/limits';
import type { OutboundRequest } from '@portarium/contracts/outbound-request';

interface Spent {
  calls: number;
  /** Out and in together. */
  bytes: number;
}

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
  begin(rules: readonly EgressRule[], bytesOut: number): string | undefined {
    const { egressCalls, egressBytesOut } = this.#limits;
    if (this.#calls >= egressCalls) return `more than ${egressCalls} calls`;
    if (this.#bytesOut + bytesOut > egressBytesOut) return `more than ${egressBytesOut} bytes out`;
    for (const rule of rules) {
      const { calls, bytes } = this.#spent(rule);
      const { maxCalls, maxBytes } = rule;
      if (maxCalls !== undefined && calls >= maxCalls) {
        return `rule ${rule.id} allows ${maxCalls} calls`;
      }
      if (maxBytes !== undefined && bytes + bytesOut > maxBytes) {
        return `rule ${rule.id} allows ${maxBytes} bytes`;
      }
    }
    this.#calls++;
    this.#bytesOut += bytesOut;
    for (const rule of new Set(rules)) {
      const spent = this.#spent(rule);
      spent.calls++;
      spent.bytes += bytesOut;
    }
    return undefined;
  }

  bytesInLeft(rules: readonly EgressRule[]): number {
    const left = rules.map((rule) =>
      rule.maxBytes === undefined
        ? Number.POSITIVE_INFINITY
        : rule.maxBytes - this.#spent(rule).bytes,
    );
    return Math.max(0, Math.min(this.#limits.egressBytesIn - this.#bytesIn, ...left));
  }

  received(rules: readonly EgressRule[], bytes: number): void {
    this.#bytesIn += bytes;
    for (const rule of new Set(rules)) this.#spent(rule).bytes += bytes;
  }

  #spent(rule: EgressRule): Spent {
    const known = this.#byRule.get(rule);
    if (known) return known;
    const fresh = { calls: 0, bytes: 0 };
    this.#byRule.set(rule, fresh);
    return fresh;
  }
}

/** What counts against a budget: path, headers and body, since each can carry data out. */
export function bytesOutOf(request: OutboundRequest): number {
  const headers = request.headers.reduce(
    (sum, [name, value]) => sum + name.length + value.length,
    0,
  );
  return request.path.length + headers + request.body.length;
}
