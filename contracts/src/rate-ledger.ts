/**
 * Writes that got leave under a rate, over all actions of a bundle: no minute may hold more than its rule
 * allows. Calls that only read leave no time in the evidence, so writes alone are counted.
 */
import { type MatchedRules, ratesOf, ruleOf } from './egress-rule.ts';
import { LOG_DELAY_MS } from './verify-facts.ts';
import type { Findings, ReadEntry } from './verify-report.ts';

/** What is surely within one minute: entries get their time up to {@link LOG_DELAY_MS} after their leave. */
const WINDOW_MS = 60_000 - LOG_DELAY_MS - 1_000;

interface Counted {
  /** The largest that any contract allowed: an operator may have changed it. */
  perMinute: number;
  readonly name: string;
  readonly calls: { readonly atMs: number; readonly seq: number }[];
}

export class RateLedger {
  readonly #counted = new Map<string, Counted>();

  note(
    plugin: string,
    rules: MatchedRules,
    entry: { readonly time: string; readonly seq: number },
  ) {
    for (const { layer, rule, perMinute } of ratesOf(rules)) {
      const key = `${plugin} ${layer} ${rule}`;
      const counted = this.#counted.get(key) ?? {
        ...{ perMinute, name: `${ruleOf(layer, { id: rule })} of ${plugin}`, calls: [] },
      };
      counted.perMinute = Math.max(counted.perMinute, perMinute);
      counted.calls.push({ atMs: Date.parse(entry.time), seq: entry.seq });
      this.#counted.set(key, counted);
    }
  }

  /**
   * The first write of each rule that is one too many.
   * @param entries of the bundle, in order
   */
  check(entries: readonly ReadEntry[], findings: Findings): void {
    const stood = standstill(entries);
    for (const { perMinute, name, calls: all } of this.#counted.values()) {
      const calls = all.filter(({ seq }) => !stood.has(seq)).sort((a, b) => a.seq - b.seq);
      for (const [i, { atMs, seq }] of calls.entries()) {
        const first = calls[i - perMinute];
        if (!first || atMs - first.atMs >= WINDOW_MS) continue;
        const message = `${name} allows ${perMinute} calls a minute, and this is one more`;
        findings.add('egress.rate', message, seq);
        break;
      }
    }
  }
}

/**
 * Entries with the time of the one before: after a clock was set back, the log's time stands still until the
 * clock has caught up, and tells no distance. Such calls are not counted.
 */
function standstill(entries: readonly ReadEntry[]): ReadonlySet<number> {
  const stood = new Set<number>();
  let before: string | undefined;
  for (const { entry } of entries) {
    if (entry.time === before) stood.add(entry.seq);
    before = entry.time;
  }
  return stood;
}
