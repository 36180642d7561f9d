/**
 * Egress rules as somebody may write them today: no wildcard covers a public suffix, and nothing stands in them
 * that no request ever has. The list of suffixes changes with time and is large, and rules of before go on:
 * what is kept or verified later does not depend on this.
 */
import { getPublicSuffix, parse } from 'tldts';
import * as v from 'valibot';
import {
  type EgressRule,
  EgressRuleSchema,
  haveOwnIds,
  NetworkSchema,
  type OperatorRule,
  OperatorRuleSchema,
  SUFFIX_COVERED,
} from './egress-rule.ts';
import { neverOpened } from './network.ts';

type Problems = Readonly<Partial<Record<keyof OperatorRule, string | undefined>>>;

/** A check of a rule that tells the problem of each field that has the right shape. */
function without<T extends EgressRule>(problemsOf: (rule: T) => Problems) {
  return v.rawCheck<T>(({ dataset: { typed, value, issues = [] }, addIssue }) => {
    if (!typed) return;
    const told = new Set(issues.map(({ path }) => path?.[0].key));
    for (const [key, message] of Object.entries(problemsOf(value))) {
      if (message === undefined || told.has(key)) continue;
      const at = { type: 'object', origin: 'value', input: { ...value }, key, value } as const;
      addIssue({ message, path: [at] });
    }
  });
}

function problemsOfAny({ host, path, query = [] }: EgressRule): Problems {
  return {
    host: hostProblem(host),
    path: path.split('/').some((segment) => /^:[a-zA-Z_]\w*$/.test(segment))
      ? 'a parameter is written {id}, not :id'
      : undefined,
    query: query.some((name) => name === '' || /[=&*?]/.test(name))
      ? 'expected the name of each parameter alone; there are no values here, and no wildcards'
      : undefined,
  };
}

function problemsOfGranted({ host, scheme, caCertificates }: OperatorRule): Problems {
  const kind = neverOpened(host);
  return {
    host: kind && `this is one of the ${kind}, which can never be opened`,
    caCertificates:
      scheme === 'https' || caCertificates === undefined
        ? undefined
        : 'only a rule with the scheme https checks certificates',
  };
}

/** Requests have hosts as the URL standard writes them (WHATWG): other spellings match none. */
function hostProblem(host: string): string | undefined {
  if (host.startsWith('*.')) {
    const below = host.slice(2);
    const covers = getPublicSuffix(below, { allowPrivateDomains: true }) === below;
    return covers ? SUFFIX_COVERED : undefined;
  }
  if (!URL.canParse(`http://${host}`) || new URL(`http://${host}`).hostname !== host) {
    return 'no request has a host written so: write an address in its usual form, such as 127.0.0.1 or [::1]';
  }
  const { isIcann, publicSuffix } = parse(host);
  return isIcann && publicSuffix === host ? 'this is a public suffix; name a host' : undefined;
}

const GrantableRuleSchema = v.pipe(EgressRuleSchema, without(problemsOfAny));
const GrantableOperatorRuleSchema = v.pipe(
  OperatorRuleSchema,
  without<OperatorRule>(problemsOfAny),
  without(problemsOfGranted),
);

const LIST = 'expected the list of rules itself: [{"id": …}, …]';
const OWN_IDS = 'each rule needs an id of its own';

/** What a manifest asks for. */
export const GrantableRulesSchema = v.pipe(
  v.array(GrantableRuleSchema, LIST),
  v.maxLength(64),
  v.check((rules) => haveOwnIds(rules), OWN_IDS),
);

/** What an operator grants; whether its certificates are any is for whoever can read them to say. */
export const GrantableOperatorRulesSchema = v.pipe(
  v.array(GrantableOperatorRuleSchema, LIST),
  v.maxLength(64),
  v.check((rules) => haveOwnIds(rules), OWN_IDS),
);

/** What an approver narrows one action with. */
export const NarrowingRulesSchema = v.pipe(
  GrantableRulesSchema,
  v.minLength(1, 'expected at least one rule; leave egress out to narrow nothing'),
  v.check(
    (rules) => rules.every(({ maxPerMinute }) => maxPerMinute === undefined),
    'a rate is of the whole workspace and not of one action; leave maxPerMinute out',
  ),
);

/** The body of `PUT /v1/workspaces/{ws}/plugins/{name}/egress`. */
export const OperatorEgressSchema = v.strictObject({
  rules: GrantableOperatorRulesSchema,
  networks: v.pipe(v.array(NetworkSchema), v.maxLength(16)),
});
