import { expect, setDefaultTimeout, test } from 'bun:test';
import fc from 'fast-check';
import * as v from 'valibot';
import {
  decideEgress,
  type EgressContract,
  type EgressRule,
  EgressRuleSchema,
} from './egress-rule.ts';
import { modelPairs } from './testing/egress-model.ts';
import { chance, type Gen, pick, randomRule, randomScene } from './testing/egress-scenes.ts';
import { runCount } from './testing/run-count.ts';

// The large counts of `test --full` take longer than a test may otherwise.
setDefaultTimeout(120_000);

const SEED = 20_261_128;
// A scene shrinks for minutes, and says enough as it is.
const RUNS = { seed: SEED, numRuns: runCount(1_000, 50_000), endOnFailure: true };

/** Each class has come up in at least one run of `one`: a property that never meets it says nothing of it. */
function expectMet(counts: ReadonlyMap<string, number>, one: Readonly<Record<string, number>>) {
  const rare = Object.entries(one).filter(
    ([what, every]) => (counts.get(what) ?? 0) < RUNS.numRuns / every,
  );
  expect({ rare, counts: Object.fromEntries(counts) }).toMatchObject({ rare: [] });
}

test('a request passes exactly when the plain reading of the formats lets it pass, by rules that agree', () => {
  const counts = new Map<string, number>();
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const { contract, effect, request } = randomScene(g);
      const decision = decideEgress(contract, effect, request);
      const pairs = modelPairs(contract, effect, request);
      const what = decision.allowed ? 'allowed' : decision.layer;
      counts.set(what, (counts.get(what) ?? 0) + 1);
      expect(decision.allowed).toBe(pairs.length > 0);
      if (!decision.allowed) return expect(decision.reason).not.toBe('');
      const { plugin, operator } = decision.rules;
      expect(pairs).toContainEqual([plugin, operator]);
    }),
    RUNS,
  );
  expectMet(counts, { allowed: 5, request: 20, plugin: 10, operator: 20, approval: 60 });
});

test('the rules that properties are tried with are rules', () => {
  fc.assert(
    fc.property(fc.gen(), (g) => v.parse(EgressRuleSchema, randomRule(g)) !== undefined),
    { seed: SEED },
  );
});

test('an added layer, a rule taken away and a narrower rule never allow what was denied', () => {
  const counts = new Map<string, number>();
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const { contract, effect, request } = randomScene(g);
      const [what, narrower] = narrowed(g, contract);
      const before = decideEgress(contract, effect, request).allowed;
      const after = decideEgress(narrower, effect, request).allowed;
      const change = `${what}: ${before ? 'allowed' : 'denied'}, then ${after ? 'allowed' : 'denied'}`;
      counts.set(change, (counts.get(change) ?? 0) + 1);
      expect(!before && after, change).toBe(false);
    }),
    RUNS,
  );
  const every = { 'allowed, then denied': 300, 'denied, then denied': 100 };
  for (const what of ['a layer', 'a rule less', 'a narrower rule']) {
    expectMet(
      counts,
      Object.fromEntries(Object.entries(every).map(([k, n]) => [`${what}: ${k}`, n])),
    );
  }
});

function narrowed(g: Gen, contract: EgressContract): readonly [string, EgressContract] {
  const own = (['plugin', 'operator', 'approval'] as const).filter((at) => contract[at].length > 0);
  const at = pick(g, own);
  const place = g(fc.nat, contract[at].length - 1);
  const others = contract[at].filter((_, i) => i !== place);
  const kind = g(fc.nat, 2);
  if (kind === 0 && contract.approval.length === 0) {
    const rule = chance(g, 60) ? pick(g, contract[at]) : randomRule(g);
    return ['a layer', { ...contract, approval: [narrowerRule(g, rule)] }];
  }
  // Approval without rules is no layer: it would be one less.
  if (kind === 1 && !(at === 'approval' && others.length === 0)) {
    return ['a rule less', { ...contract, [at]: others }];
  }
  const rules = contract[at].map((rule, i) => (i === place ? narrowerRule(g, rule) : rule));
  return ['a narrower rule', { ...contract, [at]: rules }];
}

/** Covers less of everything that can be narrowed, one thing at a time. */
function narrowerRule(g: Gen, rule: EgressRule): EgressRule {
  const { methods, host, path, query = [], contentTypes = [] } = rule;
  const { headers = ['content-type', 'accept'] } = rule;
  const fewer = <T>(values: readonly T[]): T[] => {
    const without = g(fc.nat, Math.max(0, values.length - 1));
    return values.filter((_, i) => i !== without);
  };
  return pick<() => EgressRule>(g, [
    () => ({ ...rule, methods: methods.length > 1 ? fewer(methods) : methods }),
    () => ({ ...rule, host: host.replace('*', () => pick(g, ['x', '*.x', 'x.y'])) }),
    () => ({ ...rule, path: path.replace('**', () => pick(g, ['a', '{rest}', 'a/**', 'v1/'])) }),
    () => ({ ...rule, path: path.replace(/\{\w+\}/, () => pick(g, ['a', 'v1', '%FF'])) }),
    () => ({ ...rule, query: fewer(query) }),
    () => ({ ...rule, headers: fewer(headers) }),
    () => ({ ...rule, contentTypes: fewer(contentTypes) }),
    () => ({ idempotency: { header: pick(g, ['X-A', 'Accept']), retentionHours: 1 }, ...rule }),
  ])();
}
