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

interface LoadedPolicy {
  readonly setId: string;
  /** Of each permit, by policy id; a permit without a valid `@tier` has none. */
  readonly tiers: ReadonlyMap<string, Tier | undefined>;
}

const deny = (...reasons: string[]): PolicyDecision => ({
  decision: 'deny',
  policies: [],
  reasons,
});

export function createCedarEngine(): PolicyEngine {
  const policies = new Map<string, LoadedPolicy | string>();
  const schemas = new Map<string, string>();

  function load(policy: PolicyRecord): LoadedPolicy | string {
    const known = policies.get(policy.id);
    if (known !== undefined) return known;
    const loaded = parsePolicy(policy);
    policies.set(policy.id, loaded);
    return loaded;
  }

  function schemaOf(question: PolicyQuestion): string {
    const name = `${question.plugin.digest}/${question.operation.name}`;
    if (!schemas.has(name)) {
      const answer = preparseSchema(name, operationSchema(question));
      if (answer.type === 'failure')
        throw new Error(`schema: ${answer.errors.map((error) => error.message).join('; ')}`);
      schemas.set(name, name);
    }
    return name;
  }

  return {
    decide(question) {
      try {
        const policy = load(question.policy);
        if (typeof policy === 'string')
          return deny(`policy version ${question.policy.version} does not load: ${policy}`);
        return judge(policy, question, schemaOf(question));
      } catch (error) {
        return deny(`the policy engine failed: ${(error as Error).message}`);
      }
    },
  };
}

function judge(policy: LoadedPolicy, question: PolicyQuestion, schema: string): PolicyDecision {
  const attributes = cedarAttributes(question.attributes);
  if (typeof attributes === 'string') return deny(attributes);
  const principal = { type: 'Principal', id: question.principal.id };
  const resource = { type: 'Operation', id: `${question.plugin.name}/${question.operation.name}` };
  const answer = statefulIsAuthorized({
    principal,
    action: { type: 'Action', id: 'invoke' },
    resource,
    context: { workspace: question.workspace, hosts: [...question.hosts], input: attributes },
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
  if (answer.type === 'failure') return deny(...answer.errors.map((error) => error.message));
  const { decision, diagnostics } = answer.response;
  // Cedar skips a policy that errs; a forbid that errs must not be skipped.
  if (diagnostics.errors.length > 0) {
    return deny(
      ...diagnostics.errors.map(
        (error) => `policy ${error.policyId} failed: ${error.error.message}`,
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
function parsePolicy(policy: PolicyRecord): LoadedPolicy | string {
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
  const answer = preparsePolicySet(policy.id, { staticPolicies: set });
  if (answer.type === 'failure') return answer.errors.map((error) => error.message).join('; ');
  return { setId: policy.id, tiers };
}

/** The closed schema of one operation: only what its input marks `x-policy` exists in the context. */
function operationSchema({ plugin, operation }: PolicyQuestion): SchemaJson<string> {
  const declared = plugin.manifest.operations.find(
    (candidate) => candidate.name === operation.name,
  );
  const properties = (declared?.input.properties ?? {}) as Record<string, Record<string, unknown>>;
  const attributes: Record<
    string,
    | { type: 'String' | 'Long' | 'Boolean'; required: false }
    | { type: 'Set'; element: { type: 'String' }; required: false }
  > = {};
  for (const [name, property] of Object.entries(properties)) {
    if (property['x-policy'] !== true) continue;
    if (property.type === 'array')
      attributes[name] = { type: 'Set', element: { type: 'String' }, required: false };
    else if (property.type === 'integer') attributes[name] = { type: 'Long', required: false };
    else if (property.type === 'boolean') attributes[name] = { type: 'Boolean', required: false };
    else attributes[name] = { type: 'String', required: false };
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
                input: { type: 'Record', attributes },
              },
            },
          },
        },
      },
    },
  };
}

/** Only scalars and sets of strings; a fraction becomes text, because Cedar has no fractions. */
function cedarAttributes(
  attributes: Readonly<Record<string, unknown>>,
): Record<string, CedarValueJson> | string {
  const out: Record<string, CedarValueJson> = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value))
      out[name] = value as CedarValueJson;
    else if (typeof value === 'number') out[name] = String(value);
    else if (Array.isArray(value) && value.every((item) => typeof item === 'string'))
      out[name] = value;
    else return `the policy attribute ${name} is neither a scalar nor a set of strings`;
  }
  return out;
}
