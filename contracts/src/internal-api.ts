/**
 * What passes between a sandbox host and the Control Plane (`/internal/v1`).
 * The Control Plane gives orders; what a host says is a claim, checked before it is believed.
 *
 * Every call carries `Authorization: Bearer <host key>`; all but the claim also carry the ticket in
 * `Portarium-Ticket`.
 */
import * as v from 'valibot';
import { placedSchema } from './credential-placement.ts';
import { DigestSchema } from './digest.ts';
import { EgressRuleSchema, OperatorRuleSchema } from './egress-rule.ts';
import { ATTEMPT_ERRORS, type AttemptErrorCode } from './errors.ts';
import { ExampleAnswerSchema } from './example-answer.ts';
import {
  ActionIdSchema,
  AttemptIdSchema,
  CredentialIdSchema,
  PluginIdSchema,
  WorkspaceIdSchema,
} from './ids.ts';
import { EFFECTS } from './life-cycle.ts';
import { PLATFORM_LIMITS } from './limits.ts';
import { plainRecord } from './plain-record.ts';

export const TICKET_HEADER = 'portarium-ticket';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const shortText = v.pipe(v.string(), v.maxLength(512));
/** The largest `integer` of PostgreSQL. */
const MAX_INTEGER = 2_147_483_647;
const integer = v.pipe(count, v.maxValue(MAX_INTEGER));
/** Text that PostgreSQL can store. */
const storable = (maxLength: number) =>
  v.pipe(
    v.string(),
    v.maxLength(maxLength),
    v.check((text) => !text.includes('\0'), 'U+0000 can not be stored; leave it out'),
  );
const base64 = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]*={0,2}$/, 'expected base64'));

/** Temporal's payload for the workflow and the attempt activity: ids, nothing with authority. */
export const DispatchSchema = v.strictObject({
  workspace: WorkspaceIdSchema,
  action: ActionIdSchema,
});
export type Dispatch = v.InferOutput<typeof DispatchSchema>;

export const ISOLATION_LEVELS = ['process', 'seccomp', 'namespaces+seccomp'] as const;

export const ClaimRequestSchema = v.strictObject({
  workspace: WorkspaceIdSchema,
  action: ActionIdSchema,
  isolation: v.picklist(ISOLATION_LEVELS),
  /** Engine and runtime with versions, such as `extism-js/2.0.0-rc13 bun/1.4.5`. */
  engine: shortText,
});
export type ClaimRequest = v.InferOutput<typeof ClaimRequestSchema>;

/** Temporal's payload for trying a module that was uploaded: the id that its version will have. */
export const CandidateDispatchSchema = v.strictObject({
  workspace: WorkspaceIdSchema,
  plugin: PluginIdSchema,
});
export type CandidateDispatch = v.InferOutput<typeof CandidateDispatchSchema>;

/** Answered with the bytes that cells would run. */
export const CandidateClaimSchema = v.strictObject({
  ...CandidateDispatchSchema.entries,
  isolation: v.picklist(ISOLATION_LEVELS),
  /** As of a {@link ClaimRequestSchema}. */
  engine: shortText,
});
export type CandidateClaim = v.InferOutput<typeof CandidateClaimSchema>;

/** Rules of admission that only an engine can find broken. */
export const SMOKE_RULES = ['module.invalid', 'module.costly', 'module.instantiate'] as const;

const SmokeFindingSchema = v.strictObject({
  rule: v.picklist(SMOKE_RULES),
  message: storable(2_000),
});
export type SmokeFinding = v.InferOutput<typeof SmokeFindingSchema>;

/** Without a finding the module compiles, and an instance of it could be made. */
export const CandidateVerdictSchema = v.strictObject({
  ...CandidateDispatchSchema.entries,
  /** Of the bytes that were tried. */
  moduleDigest: DigestSchema,
  finding: v.optional(SmokeFindingSchema),
});
export type CandidateVerdict = v.InferOutput<typeof CandidateVerdictSchema>;

/** Header names in lower case and values as the guest reads them, in bytes together. */
const MAX_HEADER_TEXT = 64 * 1024;
const responseHeaders = v.pipe(
  plainRecord(storable(256), storable(16_384)),
  v.check(
    (headers) =>
      Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length, 0) <=
      MAX_HEADER_TEXT,
    `headers have at most ${MAX_HEADER_TEXT} characters`,
  ),
);

const requestHeaders = v.pipe(
  v.array(v.strictTuple([storable(256), storable(16_384)])),
  v.maxLength(64),
);

/**
 * One record of the action's journal, as the host saw it; `call` counts from 0 over all attempts.
 * A call with an intent stands as `open` from its acknowledgement to its answer.
 */
export const EgressCallSchema = v.strictObject({
  call: integer,
  method: storable(16),
  scheme: storable(16),
  host: storable(255),
  port: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535)),
  /** Without the query, which may carry personal data. */
  path: storable(2_048),
  /** `withheld`: a write of a dry run, which was recorded in its place and did not leave. */
  verdict: v.picklist(['open', 'allowed', 'denied', 'failed', 'withheld']),
  /** Ids of the rules that allowed it. */
  rule: v.optional(storable(512)),
  /** What refused or broke it. */
  reason: v.optional(storable(512)),
  /** `request`, `plugin`, `operator`, `approval`, `address`, `credential`, `budget` or `rate`. */
  layer: v.optional(storable(32)),
  /** The address that was connected to, after the check. */
  address: v.optional(storable(64)),
  /** SHA-256 of the public key (SubjectPublicKeyInfo) of the server that TLS was spoken with. */
  tlsPeerKeyHash: v.optional(DigestSchema),
  status: v.optional(v.pipe(v.number(), v.integer(), v.minValue(100), v.maxValue(599))),
  requestDigest: DigestSchema,
  /** Of the body that was let leave, as the guest wrote it; absent without a body, or without an intent. */
  requestBodyDigest: v.optional(DigestSchema),
  /** Of the body that the guest read, unpacked and scrubbed; absent without a response. */
  responseDigest: v.optional(DigestSchema),
  /** What the guest read, after scrubbing. */
  responseHeaders: v.optional(responseHeaders),
  /** Of a `failed` call with an intent: whether a byte of the request may have left. */
  sent: v.optional(v.boolean()),
  /** The credential that was set into the request, or would have been. */
  credential: v.optional(CredentialIdSchema),
  /** Of a `withheld` call: everything that would have been sent, but for what the broker sets. */
  request: v.optional(
    v.strictObject({
      url: storable(8_192),
      /** What the guest set: lower-case names, sorted. */
      headers: requestHeaders,
      /** Null without a body; the bytes are an artifact of `egress.withheld`. */
      bodyDigest: v.nullable(DigestSchema),
      bodyBytes: integer,
    }),
  ),
  bytesOut: integer,
  /** Of the body: the larger of what the guest read and what came packed. */
  bytesIn: integer,
  /** Whole milliseconds from intent to the last byte; the action's clock advances by them. */
  ms: integer,
});
export type EgressCall = v.InferOutput<typeof EgressCallSchema>;

/** A record as a host may report it. */
const ReportedCallSchema = v.pipe(
  EgressCallSchema,
  v.check(
    ({ verdict, sent }) => sent === undefined || verdict === 'failed',
    'only a failed call says whether it was sent',
  ),
  v.check(
    ({ verdict, rule }) => verdict !== 'allowed' || rule !== undefined,
    'an allowed call names its rule',
  ),
  v.check(
    ({ scheme, verdict, tlsPeerKeyHash }) =>
      tlsPeerKeyHash === undefined || (scheme === 'https' && verdict !== 'denied'),
    'only a call that left by https has the key of a server',
  ),
  v.check(
    ({ verdict, rule, request }) =>
      (verdict === 'withheld') === (request !== undefined) &&
      (verdict !== 'withheld' || rule !== undefined),
    'a withheld call, and no other, has its request, and it names its rule',
  ),
);

const calls = v.pipe(
  v.array(ReportedCallSchema),
  v.maxLength(PLATFORM_LIMITS.callsPerReport),
  v.check(
    (list) => new Set(list.map(({ call }) => call)).size === list.length,
    'each call of a report has a number of its own',
  ),
);

export const AttemptLimitsSchema = v.strictObject({
  wallMs: count,
  cpuMs: count,
  memoryMiB: count,
  inputBytes: count,
  outputBytes: count,
  egressCalls: count,
  egressBytesOut: count,
  egressBytesIn: count,
  logLines: count,
  logBytes: count,
  hostCalls: count,
  allocations: count,
});

/** Everything a host needs to run one attempt. */
export const WorkOrderSchema = v.strictObject({
  ticket: v.string(),
  attempt: AttemptIdSchema,
  fence: count,
  leaseMs: count,
  heartbeatMs: count,
  plugin: v.strictObject({ name: v.string(), version: v.string(), digest: DigestSchema }),
  /** Digest of the rewritten bytes, which `GET …/module` returns. */
  moduleDigest: DigestSchema,
  operation: v.strictObject({
    name: v.string(),
    export: v.string(),
    effect: v.picklist(EFFECTS),
    encoding: v.picklist(['json', 'text', 'bytes']),
  }),
  /** The exact bytes that the guest reads. */
  input: base64,
  config: plainRecord(v.string(), v.string()),
  /** 64 hexadecimal digits that the action's random stream starts from. */
  seed: v.string(),
  /** When the action's clock starts: RFC 3339 UTC with milliseconds. */
  startTime: v.string(),
  /** W3C trace id that the action was requested under. */
  trace: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))),
  /** What earlier attempts recorded, from call 0 without gaps; bodies are fetched by digest. */
  journal: v.array(EgressCallSchema),
  contract: v.strictObject({
    plugin: v.array(EgressRuleSchema),
    operator: v.array(OperatorRuleSchema),
    networks: v.array(v.string()),
    approval: v.array(EgressRuleSchema),
  }),
  limits: AttemptLimitsSchema,
  /** There when the plugin asks for it: the attempt's process runs no other. */
  isolation: v.optional(v.literal('attempt')),
  /** There for a dry run: no write leaves, and no leave for one is given. */
  dryRun: v.optional(
    v.strictObject({
      answers: v.array(ExampleAnswerSchema),
      /** Which credential would be set for a slot; never a secret. */
      credentials: v.array(v.strictObject({ slot: v.string(), id: CredentialIdSchema })),
    }),
  ),
});
export type WorkOrder = v.InferOutput<typeof WorkOrderSchema>;

export const ClaimResponseSchema = v.variant('status', [
  v.strictObject({ status: v.literal('run'), order: WorkOrderSchema }),
  /** The action is finished or may not run: nothing to do. */
  v.strictObject({ status: v.literal('finished'), state: v.string() }),
]);
export type ClaimResponse = v.InferOutput<typeof ClaimResponseSchema>;

/**
 * The bytes behind `responseDigest` of calls in the same report, and behind `bodyDigest` of an intent;
 * larger ones are put before it.
 */
const bodies = v.pipe(
  v.array(v.strictObject({ digest: DigestSchema, bytes: base64 })),
  v.maxLength(PLATFORM_LIMITS.callsPerReport),
);

/** Records that are new or answered since the last report, in order: always a prefix. */
const report = { calls, bodies: v.optional(bodies, []) };

export const HeartbeatSchema = v.strictObject(report);
export type Report = v.InferInput<typeof HeartbeatSchema>;
export const HeartbeatResponseSchema = v.strictObject({ leaseMs: count });

export const UsageSchema = v.strictObject({
  wallMs: v.pipe(v.number(), v.minValue(0)),
  cpuMs: v.pipe(v.number(), v.minValue(0)),
  /** Peak resident memory of the cell. */
  memoryBytes: count,
  egressCalls: count,
  egressBytesOut: count,
  egressBytesIn: count,
  logLines: count,
  hostCalls: count,
});
export type Usage = v.InferOutput<typeof UsageSchema>;

export const OutcomeSchema = v.strictObject({
  verdict: v.picklist(['succeeded', 'failed']),
  /** The guest's output bytes, when it succeeded. */
  output: v.optional(base64),
  /** `code` is an attempt error; `host.lost` and `host.resource` lead to another attempt. */
  error: v.optional(
    v.strictObject({
      code: v.pipe(v.string(), v.maxLength(64)),
      message: v.pipe(v.string(), v.maxLength(4_096)),
    }),
  ),
  usage: UsageSchema,
  logs: v.optional(
    v.pipe(
      v.array(
        v.strictObject({
          level: v.pipe(v.string(), v.maxLength(8)),
          message: v.pipe(v.string(), v.maxLength(8_192)),
        }),
      ),
      v.maxLength(10_001),
    ),
    [],
  ),
  ...report,
});
export type Outcome = v.InferInput<typeof OutcomeSchema>;

/** `again` means that another attempt must follow. */
export const OutcomeResponseSchema = v.strictObject({ state: v.string(), again: v.boolean() });

/**
 * Asks for leave to send a write, or a call with a credential or under a rate. Carries the request itself, so that the
 * Control Plane matches it against the contract on its own, and every earlier record.
 */
export const IntentSchema = v.strictObject({
  call: integer,
  method: storable(16),
  /** Absolute, as it will be sent. */
  url: storable(8_192),
  /** What the guest set: lower-case names, sorted. */
  headers: requestHeaders,
  /** Null without a body; the body itself is among `bodies`, or was put before. */
  bodyDigest: v.nullable(DigestSchema),
  bodyBytes: integer,
  /** The host's own; refused when it is not what the Control Plane computes. */
  requestDigest: DigestSchema,
  /** The checked address that will be connected to. */
  address: storable(64),
  ...report,
});
export type Intent = v.InferInput<typeof IntentSchema>;

/** The answer to an intent; its record is durable when `send` arrives. */
export const IntentResponseSchema = v.variant('status', [
  v.strictObject({
    status: v.literal('send'),
    /** The first byte may leave within this time, counted from before the host asked. */
    sendWithinMs: count,
    /** The whole exchange has to be over this long after the first byte. */
    timeoutMs: count,
    /** Set by the broker; absent when the rule has none. */
    idempotency: v.optional(v.strictObject({ header: v.string(), key: v.string() })),
    /** Set by the broker in the one place that its kind allows; never shown to a guest. */
    credential: v.optional(
      placedSchema({
        id: CredentialIdSchema,
        slot: v.string(),
        version: count,
        secret: v.string(),
      }),
    ),
  }),
  /** The attempt ends with this error; nothing may leave. */
  v.strictObject({
    status: v.literal('refused'),
    code: v.picklist(Object.keys(ATTEMPT_ERRORS) as [AttemptErrorCode, ...AttemptErrorCode[]]),
    message: v.string(),
    layer: v.optional(v.string()),
    /** Of a rate: asked again after this long, there may be leave, and the attempt goes on. */
    retryAfterMs: v.optional(count),
  }),
]);
export type IntentResponse = v.InferOutput<typeof IntentResponseSchema>;
