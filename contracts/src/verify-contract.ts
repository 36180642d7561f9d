/**
 * What an order's contract allows, as far as records and entries show a request: they name the rules
 * and leave out query, headers and content type.
 */
import { type Digest, digestOfJson } from './digest.ts';
import {
  agreesOnCredential,
  contractStatement,
  type EgressContract,
  type EgressRule,
  hostMatches,
  layersOf,
  type MatchedRules,
  pathMatches,
  type RuleLayer,
  ruleOf,
  ruleOfLayer,
} from './egress-rule.ts';
import { textOf } from './quick-check.ts';

/** The parts of a record, or of the data of an entry, that a rule speaks of. */
export interface ShownCall {
  readonly rule?: unknown;
  readonly method?: unknown;
  /** Entries do not have it. */
  readonly scheme?: unknown;
  readonly host?: unknown;
  readonly port?: unknown;
  readonly path?: unknown;
}

/** Paths are cut at this length, in characters, before they are recorded. */
export const MAX_SHOWN_PATH = 2_048;

export class ShownContract {
  readonly #plugin: ReadonlyMap<string, EgressRule>;
  readonly #operator: ReadonlyMap<string, EgressRule>;
  readonly #approval: ReadonlyMap<string, EgressRule>;

  constructor(contract: EgressContract) {
    this.#plugin = new Map(contract.plugin.map((rule) => [rule.id, rule]));
    this.#operator = new Map(contract.operator.map((rule) => [rule.id, rule]));
    this.#approval = new Map(contract.approval.map((rule) => [rule.id, rule]));
  }

  /** The rules behind a name that `ruleName` made; undefined when the contract has none. */
  rules(name: unknown): MatchedRules | undefined {
    if (typeof name !== 'string') return undefined;
    const of = (rules: ReadonlyMap<string, EgressRule>, layer: RuleLayer) =>
      rules.get(ruleOfLayer(name, layer) ?? '');
    const [plugin, operator] = [of(this.#plugin, 'plugin'), of(this.#operator, 'operator')];
    if (!plugin || !operator) return undefined;
    if (this.#approval.size === 0) return { plugin, operator };
    const approval = of(this.#approval, 'approval');
    return approval && { plugin, operator, approval };
  }

  /** Why the contract does not allow `call`, or undefined. */
  problem(call: ShownCall): string | undefined {
    const rules = this.rules(call.rule);
    if (!rules) return 'it names no rules of the order’s contract';
    for (const [layer, rule] of layersOf(rules)) {
      const part = mismatch(rule, call);
      if (part) return `${ruleOf(layer, rule)} refuses its ${part}`;
    }
    const { plugin, operator, approval } = rules;
    if (plugin.credential !== operator.credential) {
      return `the rules ${plugin.id} and ${operator.id} do not name the same credential`;
    }
    const agrees = approval === undefined || agreesOnCredential(approval, plugin);
    return agrees ? undefined : `the approval’s rule ${approval.id} names another credential`;
  }
}

/** A contract that orders name again and again. */
export interface KnownContract {
  readonly shown: ShownContract;
  /** The contract digest. */
  readonly digest: Digest;
}

/** Contracts that are remembered; others only take their time. */
const REMEMBERED = 1_024;

export class KnownContracts {
  readonly #known = new Map<string, KnownContract>();

  async of(contract: EgressContract): Promise<KnownContract> {
    const text = textOf(contract);
    const known = this.#known.get(text);
    if (known) return known;
    const digest = await digestOfJson(contractStatement(contract));
    const made = { shown: new ShownContract(contract), digest };
    if (this.#known.size < REMEMBERED) this.#known.set(text, made);
    return made;
  }
}

/** The part that the rule refuses. */
function mismatch(rule: EgressRule, call: ShownCall): string | undefined {
  const { method, scheme, host, port, path } = call;
  if (!(rule.methods as readonly unknown[]).includes(method)) return 'method';
  if (scheme !== undefined && scheme !== rule.scheme) return 'scheme';
  if (typeof host !== 'string' || !hostMatches(rule.host, host)) return 'host';
  if (port !== rule.port) return 'port';
  if (typeof path !== 'string') return 'path';
  // A host whose full record was refused leaves the path out.
  const whole = path !== '' && path.length < MAX_SHOWN_PATH;
  return whole && !pathMatches(rule.path, path) ? 'path' : undefined;
}
