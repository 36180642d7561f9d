/**
 * `PolicyEngine` on Cedar. Default deny; anything that is not a clean permit with a tier is a
 * denial: a parse failure, a request that does not match the schema, a policy that errs.
 */
import {
  type CedarValueJson,
  policySetTextToParts,
  policyToJson,
  preparsePolicySet,
  preparseSchema,
  type SchemaJson,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs';
import { strictestTier, TIERS, type Tier } from '@portarium/contracts/life-cycle';
import type {
  PolicyDecision,
  PolicyEngine,
  PolicyQuestion,
} from '../../application/ports/outside.ts';
import type { PolicyRecord } from '../../application/ports/records.ts';
import { Slots } from './slots.ts';

interface LoadedPolicy {
  readonly setId: string;
  /** Of each permit, by policy id; a permit without a valid `@tier` has none. */
  readonly tiers: ReadonlyMap<string, Tier | undefined>;
}

/** Parsed policies and schemas that are kept; each takes some kilobytes. */
const MAX_POLICIES = 200;
const MAX_SCHEMAS = 1_000;
/** Longest attribute text that a policy sees, in UTF-16 code units. */
const MAX_ATTRIBUTE = 4_096;

const deny = (...reasons: string[]): PolicyDecision => ({
  decision: 'deny',
  policies: [],
  reasons,
});

export function createCedarEngine(): PolicyEngine {
  const policies = new Slots<LoadedPolicy | string>('policy-', MAX_POLICIES);
  const schemas = new Slots<string>('schema-', MAX_SCHEMAS);

  const load = (policy: PolicyRecord) =>
    policies.get(policy.id, (setId) => parsePolicy(policy, setId));

  // By the manifest: the same module may come with another manifest, in this workspace or in another.
  const schemaOf = (question: PolicyQuestion) =>
    schemas.get(`${question.plugin.manifestDigest}/${question.operation.name}`, (name) => {
      const answer = preparseSchema(name, operationSchema(question));
      if (answer.type === 'failure') throw new Error('the operation has no policy schema');
      return name;
    });

  return {
    decide(question) {
      try {
        const policy = load(question.policy);
        if (typeof policy === 'string') {
          return deny(
            `policy version ${question.policy.version} does not load: ${policy.slice(0, 500)}`,
          );
        }
        return judge(policy, question, schemaOf(question));
      } catch {
        // What was thrown may quote the input, and reasons become evidence.
        return deny('the policy engine failed');
      }
    },
  };
}

function judge(policy: LoadedPolicy, question: PolicyQuestion, schema: string): PolicyDecision {
  const attributes = cedarAttributes(question);
  if (typeof attributes === 'string') return deny(attributes);
  const principal = { type: 'Principal', id: question.principal.id };
  const resource = { type: 'Operation', id: `${question.plugin.name}/${question.operation.name}` };
  const answer = statefulIsAuthorized({
    principal,
    action: { type: 'Action', id: 'invoke' },
    resource,
    context: {
      workspace: question.workspace,
      hosts: [...question.hosts],
      dryRun: question.dryRun,
      input: attributes,
    },
    preparsedSchemaName: schema,
    validateRequest: true,
    preparsedPolicySetId: policy.setId,
    entities: [
      {
        uid: principal,
        attrs: { owner: question.principal.owner, role: question.principal.role },
        parents: [],
      },
      {
        uid: resource,
        attrs: {
          plugin: question.plugin.name,
          operation: question.operation.name,
          effect: question.operation.effect,
        },
        parents: [],
      },
    ],
  });
  // Cedar's own messages quote the input, so they stay out of the reasons.
  if (answer.type === 'failure')
    return deny('the request does not fit the policy schema of the operation');
  const { decision, diagnostics } = answer.response;
  // Cedar skips a policy that errs; a forbid that errs must not be skipped.
  if (diagnostics.errors.length > 0) {
    return deny(
      ...diagnostics.errors.map(
        (error) => `policy ${error.policyId} can not be evaluated on this request`,
      ),
    );
  }
  const matched = [...diagnostics.reason].sort();
  if (decision !== 'allow') {
    return {
      decision: 'deny',
      policies: matched,
      reasons: [matched.length === 0 ? 'no policy permits it' : 'a policy forbids it'],
    };
  }
  const tiers = matched.map((id) => policy.tiers.get(id));
  const untiered = matched.filter((_, index) => tiers[index] === undefined);
  if (untiered.length > 0) return deny(`permit ${untiered.join(', ')} carries no valid @tier`);
  const tier = strictestTier(tiers.flatMap((each) => each ?? []));
  if (tier === undefined) return deny('no permit matched');
  return { decision: 'allow', tier, policies: matched, reasons: [] };
}

/** Gives each policy the id of its `@id` annotation. @returns what is wrong, as text */
function parsePolicy(policy: PolicyRecord, setId: string): LoadedPolicy | string {
  const parts = policySetTextToParts(policy.text);
  if (parts.type === 'failure') return parts.errors.map((error) => error.message).join('; ');
  if (parts.policy_templates.length > 0) return 'templates are not supported';
  const set: Record<string, string> = {};
  const tiers = new Map<string, Tier | undefined>();
  for (const text of parts.policies) {
    const json = policyToJson(text);
    if (json.type === 'failure') return json.errors.map((error) => error.message).join('; ');
    const id = json.json.annotations?.id;
    if (!id) return 'every policy needs an @id';
    if (Object.hasOwn(set, id)) return `the id ${id} stands twice`;
    set[id] = text;
    const tier = json.json.annotations?.tier;
    tiers.set(
      id,
      TIERS.find((known) => known === tier),
    );
  }
  const answer = preparsePolicySet(setId, { staticPolicies: set });
  if (answer.type === 'failure') return answer.errors.map((error) => error.message).join('; ');
  return { setId, tiers };
}

type SchemaAttribute =
  | { readonly type: 'String' | 'Long' | 'Boolean'; readonly required: false }
  | {
      readonly type: 'Set';
      readonly element: { readonly type: 'String' };
      readonly required: false;
    };

/** The closed schema of one operation: only what its input marks `x-policy` exists in the context. */
function operationSchema(question: PolicyQuestion): SchemaJson<string> {
  const attributes: Record<string, SchemaAttribute> = {};
  for (const [name, property] of Object.entries(propertiesOf(question))) {
    if (property['x-policy'] !== true) continue;
    const type = cedarType(property);
    attributes[name] =
      type === 'Set'
        ? { type, element: { type: 'String' }, required: false }
        : { type, required: false };
  }
  return {
    '': {
      entityTypes: {
        Principal: {
          shape: {
            type: 'Record',
            attributes: { owner: { type: 'String' }, role: { type: 'String' } },
          },
        },
        Operation: {
          shape: {
            type: 'Record',
            attributes: {
              plugin: { type: 'String' },
              operation: { type: 'String' },
              effect: { type: 'String' },
            },
          },
        },
      },
      actions: {
        invoke: {
          appliesTo: {
            principalTypes: ['Principal'],
            resourceTypes: ['Operation'],
            context: {
              type: 'Record',
              attributes: {
                workspace: { type: 'String' },
                hosts: { type: 'Set', element: { type: 'String' } },
                dryRun: { type: 'Boolean' },
                input: { type: 'Record', attributes },
              },
            },
          },
        },
      },
    },
  };
}

/** What the schema of the input declares of a property. */
function propertiesOf({
  plugin,
  operation,
}: PolicyQuestion): Record<string, Record<string, unknown>> {
  const declared = plugin.manifest.operations.find(
    (candidate) => candidate.name === operation.name,
  );
  return (declared?.input.properties ?? {}) as Record<string, Record<string, unknown>>;
}

/**
 * Only scalars and sets of strings, in the form that the operation's schema gives them. A `number`
 * is text, because Cedar has no fractions; null is left out. @returns what is wrong, as text
 */
function cedarAttributes(question: PolicyQuestion): Record<string, CedarValueJson> | string {
  const out: Record<string, CedarValueJson> = {};
  const properties = propertiesOf(question);
  for (const [name, value] of Object.entries(question.attributes)) {
    if (value === null) continue;
    const form = cedarType(properties[name] ?? {});
    if (form === 'String' && typeof value === 'number') out[name] = String(value);
    else if (form === 'String' && typeof value === 'string') out[name] = value;
    else if (form === 'Boolean' && typeof value === 'boolean') out[name] = value;
    else if (form === 'Long' && Number.isSafeInteger(value)) out[name] = value as number;
    else if (
      form === 'Set' &&
      Array.isArray(value) &&
      value.every((item) => typeof item === 'string')
    )
      out[name] = value;
    else
      return `the policy attribute ${name} is neither a scalar nor a set of strings of its declared type`;
    if (JSON.stringify(out[name]).length > MAX_ATTRIBUTE)
      return `the policy attribute ${name} is longer than ${MAX_ATTRIBUTE} characters`;
  }
  return out;
}

/** `["string","null"]` counts as `string`: an attribute that is null is left out. */
function cedarType(
  property: Readonly<Record<string, unknown>>,
): 'String' | 'Long' | 'Boolean' | 'Set' {
  const types = [property.type].flat().filter((type) => type !== 'null');
  if (types.length !== 1) return 'String';
  if (types[0] === 'array') return 'Set';
  if (types[0] === 'integer') return 'Long';
  return types[0] === 'boolean' ? 'Boolean' : 'String';
}
