/**
 * Egress rules as somebody may write them today: no wildcard covers a public suffix. The list of those
 * changes with time and is large, so what is kept or verified later does not depend on it.
 */
import { getPublicSuffix } from 'tldts';
import * as v from 'valibot';
import { EgressRuleSchema, haveOwnIds, NetworkSchema, OperatorRuleSchema } from './egress-rule.ts';

const SUFFIX = 'a wildcard may not cover a public suffix; name the registrable domain';

const GrantableRuleSchema = v.pipe(
  EgressRuleSchema,
  v.forward(
    v.check(({ host }) => !coversPublicSuffix(host), SUFFIX),
    ['host'],
  ),
);
const GrantableOperatorRuleSchema = v.pipe(
  OperatorRuleSchema,
  v.forward(
    v.check(({ host }) => !coversPublicSuffix(host), SUFFIX),
    ['host'],
  ),
  v.forward(
    v.check(
      ({ scheme, caCertificates }) => scheme === 'https' || caCertificates === undefined,
      'only a rule with the scheme https checks certificates',
    ),
    ['caCertificates'],
  ),
);

function coversPublicSuffix(host: string): boolean {
  const below = host.startsWith('*.') ? host.slice(2) : undefined;
  return below !== undefined && getPublicSuffix(below, { allowPrivateDomains: true }) === below;
}

/** What a manifest asks for. */
export const GrantableRulesSchema = v.pipe(
  v.array(GrantableRuleSchema),
  v.maxLength(64),
  v.check((rules) => haveOwnIds(rules), 'each rule needs an id of its own'),
);

/** What an operator grants; whether its certificates are any is for whoever can read them to say. */
export const GrantableOperatorRulesSchema = v.pipe(
  v.array(GrantableOperatorRuleSchema),
  v.maxLength(64),
  v.check((rules) => haveOwnIds(rules), 'each rule needs an id of its own'),
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
