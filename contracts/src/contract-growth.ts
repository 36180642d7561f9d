/**
 * What a version of a plugin could do that the one before it could not: its growth. Whoever approves it
 * sees exactly this. When in doubt a difference counts; what only narrows never does.
 */
import * as v from 'valibot';
import { canonicalText, type JsonValue } from './canonical-json.ts';
import { type Digest, DigestSchema, digestOf } from './digest.ts';
import type { EgressRule } from './egress-rule.ts';
import { WorkspaceIdSchema } from './ids.ts';
import type { Effect } from './life-cycle.ts';
import { effectiveLimits } from './limits.ts';
import type { Manifest } from './manifest.ts';
import { plainRecord } from './plain-record.ts';
import { RETENTION_CLASSES, type RetentionClass, retentionOf } from './retention-class.ts';
import { widenedFields } from './rule-growth.ts';

export const GROWTH_KINDS = [
  'rule-added',
  'rule-widened',
  'operation-added',
  /** Downwards as well: what is called less than it was, policy asks fewer people about. */
  'effect-changed',
  /** Policies see fewer of the input's attributes, or can not count on them. */
  'attributes-dropped',
  /** What its actions leave behind may go earlier. */
  'retention-shortened',
  'credential-added',
  'credential-changed',
  'limit-raised',
] as const;
export type GrowthKind = (typeof GROWTH_KINDS)[number];

const rule = plainRecord(v.string(), v.unknown());
const side = v.optional(v.union([rule, v.string(), v.number()]));

export const GrowthSchema = v.strictObject({
  kind: v.picklist(GROWTH_KINDS),
  /** Of the rule, operation, slot or limit. */
  name: v.string(),
  /** What grew in it. */
  fields: v.optional(v.array(v.string())),
  before: side,
  after: side,
});
export type Growth = v.InferOutput<typeof GrowthSchema>;

const version = v.strictObject({
  version: v.string(),
  digest: DigestSchema,
  manifestDigest: DigestSchema,
});

/** What people agree to who approve a version; its digest binds all of it. */
export const GrowthStatementSchema = v.strictObject({
  v: v.literal(1),
  workspace: WorkspaceIdSchema,
  plugin: v.string(),
  ...version.entries,
  /** The version that it is compared with: the one that runs while it waits. */
  from: version,
  /** Empty when a version that can do as much runs by now. */
  growth: v.array(GrowthSchema),
});
export type GrowthStatement = v.InferOutput<typeof GrowthStatementSchema>;

/** Separates these digests from every other use of SHA-256. */
export const GROWTH_CONTEXT = 'portarium/plugin-growth/v1\n';

/** SHA-256 of {@link GROWTH_CONTEXT} ‖ JCS(statement). */
export function growthDigest(statement: GrowthStatement): Promise<Digest> {
  const text = canonicalText(statement as unknown as JsonValue);
  return digestOf(new TextEncoder().encode(`${GROWTH_CONTEXT}${text}`));
}

interface Operation {
  readonly name: string;
  readonly effect: Effect;
  readonly encoding: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly retention?: RetentionClass | undefined;
}

interface Slot {
  readonly slot: string;
  readonly kind: string;
  readonly host: string;
}

/** What of a manifest is compared. */
export interface Comparable extends Pick<Manifest, 'egress' | 'limits'> {
  readonly operations: readonly Operation[];
  readonly credentials: readonly Slot[];
}

/** @returns nothing when `after` can do no more than `before`; in the manifest's order otherwise */
export function growthOf(before: Comparable, after: Comparable): readonly Growth[] {
  return [
    ...ruleGrowth(before.egress, after.egress),
    ...operationGrowth(before.operations, after.operations),
    ...credentialGrowth(before.credentials, after.credentials),
    ...limitGrowth(before, after),
  ];
}

/** One line for people and the log: `rule-widened refunds: host, methods`. */
export function growthLine({ kind, name, fields }: Growth): string {
  return `${kind} ${name}${fields === undefined ? '' : `: ${fields.join(', ')}`}`;
}

/** Rules are compared by id, so budgets can not be multiplied by splitting a rule. */
function ruleGrowth(before: readonly EgressRule[], after: readonly EgressRule[]): Growth[] {
  const old = new Map(before.map((one) => [one.id, one]));
  return after.flatMap((now): Growth[] => {
    const was = old.get(now.id);
    if (was === undefined) return [{ kind: 'rule-added', name: now.id, after: now }];
    const fields = [...widenedFields(was, now)];
    return fields.length === 0
      ? []
      : [{ kind: 'rule-widened', name: now.id, fields, before: was, after: now }];
  });
}

/** A new operation counts even if it reads: policies may not see of it what they saw of one that is gone. */
function operationGrowth(before: readonly Operation[], after: readonly Operation[]): Growth[] {
  const old = new Map(before.map((one) => [one.name, one]));
  return after.flatMap((now): Growth[] => {
    const { name, effect } = now;
    const was = old.get(name);
    if (was === undefined) return [{ kind: 'operation-added', name, after: effect }];
    const fields = droppedAttributes(was, now);
    return [
      ...(was.effect === effect
        ? []
        : [{ kind: 'effect-changed' as const, name, before: was.effect, after: effect }]),
      ...(fields.length === 0 ? [] : [{ kind: 'attributes-dropped' as const, name, fields }]),
      ...(place(now) >= place(was)
        ? []
        : [
            {
              kind: 'retention-shortened' as const,
              name,
              before: retentionOf(was),
              after: retentionOf(now),
            },
          ]),
    ];
  });
}

/** Classes stand in the order of their length. */
const place = (operation: Operation) => RETENTION_CLASSES.indexOf(retentionOf(operation));

/** Attributes that policies no longer see, may miss, or see other values of. */
function droppedAttributes(before: Operation, after: Operation): string[] {
  const now = attributesOf(after);
  return [...attributesOf(before)]
    .filter(([name, was]) => {
      const is = now.get(name);
      return is === undefined || (was.required && !is.required) || was.values !== is.values;
    })
    .map(([name]) => name);
}

interface Attribute {
  readonly required: boolean;
  /** What it may be, as JSON; without words about it. */
  readonly values: string;
}

/** What policies see of the input. */
function attributesOf({ encoding, input }: Operation): ReadonlyMap<string, Attribute> {
  const { properties, required } = input;
  if (encoding !== 'json' || typeof properties !== 'object' || properties === null) {
    return new Map();
  }
  const always = Array.isArray(required) ? required : [];
  const schemas = Object.entries(properties as Record<string, unknown>);
  return new Map(
    schemas.flatMap(([name, schema]): [string, Attribute][] => {
      if ((schema as { 'x-policy'?: unknown } | null)?.['x-policy'] !== true) return [];
      const { title: _title, description: _words, ...values } = schema as Record<string, unknown>;
      return [[name, { required: always.includes(name), values: canonicalText(values) }]];
    }),
  );
}

function credentialGrowth(before: readonly Slot[], after: readonly Slot[]): Growth[] {
  const old = new Map(before.map((one) => [one.slot, one]));
  return after.flatMap(({ slot, kind, host }): Growth[] => {
    const was = old.get(slot);
    const now = { kind, host };
    if (was === undefined) return [{ kind: 'credential-added', name: slot, after: now }];
    const fields = [...(was.kind === kind ? [] : ['kind']), ...(was.host === host ? [] : ['host'])];
    if (fields.length === 0) return [];
    const then = { kind: was.kind, host: was.host };
    return [{ kind: 'credential-changed', name: slot, fields, before: then, after: now }];
  });
}

/** What bounds its egress. Time and memory are the host's to give, and bounded by the platform. */
const EGRESS_LIMITS = ['egressCalls', 'egressBytesOut', 'egressBytesIn'] as const;

function limitGrowth(before: Comparable, after: Comparable): Growth[] {
  const [old, now] = [effectiveLimits(before.limits), effectiveLimits(after.limits)];
  return EGRESS_LIMITS.filter((name) => now[name] > old[name]).map((name) => ({
    kind: 'limit-raised',
    name,
    before: old[name],
    after: now[name],
  }));
}
