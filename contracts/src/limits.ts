/** Every size, count and time that the platform bounds, in one place, with its reason. */
import * as v from 'valibot';

const KiB = 1024;
const MiB = 1024 * KiB;

/** Limits of one attempt. Milliseconds, mebibytes, bytes or counts, as the names say. */
export interface AttemptLimits {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly memoryMiB: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly egressCalls: number;
  readonly egressBytesOut: number;
  readonly egressBytesIn: number;
  readonly logLines: number;
  readonly logBytes: number;
  readonly hostCalls: number;
  readonly allocations: number;
}

/** What an attempt gets when the plugin asks for nothing (`docs/reference/limits.md`). */
export const DEFAULT_LIMITS: AttemptLimits = {
  wallMs: 10_000,
  cpuMs: 5_000,
  memoryMiB: 64,
  inputBytes: 1 * MiB,
  outputBytes: 4 * MiB,
  egressCalls: 32,
  egressBytesOut: 1 * MiB,
  egressBytesIn: 8 * MiB,
  logLines: 200,
  logBytes: 64 * KiB,
  hostCalls: 10_000,
  allocations: 20_000,
};

/** What a plugin may ask for, and a workspace allow, at most. */
export const MAX_LIMITS: AttemptLimits = {
  wallMs: 15 * 60_000,
  cpuMs: 5 * 60_000,
  memoryMiB: 512,
  inputBytes: 8 * MiB,
  outputBytes: 32 * MiB,
  egressCalls: 1_000,
  egressBytesOut: 64 * MiB,
  egressBytesIn: 256 * MiB,
  logLines: 10_000,
  logBytes: 4 * MiB,
  hostCalls: 100_000,
  allocations: 60_000,
};

const limit = (name: keyof AttemptLimits) =>
  v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_LIMITS[name])));

/** What a manifest asks for, and what a workspace allows: any subset, each at most the platform's maximum. */
export const LimitsRequestSchema = v.strictObject({
  wallMs: limit('wallMs'),
  cpuMs: limit('cpuMs'),
  memoryMiB: limit('memoryMiB'),
  inputBytes: limit('inputBytes'),
  outputBytes: limit('outputBytes'),
  egressCalls: limit('egressCalls'),
  egressBytesOut: limit('egressBytesOut'),
  egressBytesIn: limit('egressBytesIn'),
  logLines: limit('logLines'),
  logBytes: limit('logBytes'),
  hostCalls: limit('hostCalls'),
  allocations: limit('allocations'),
});

export type LimitsRequest = v.InferOutput<typeof LimitsRequestSchema>;

/**
 * Defaults with what the plugin asked for in their place, each at most what the workspace and the platform
 * allow.
 */
export function effectiveLimits(
  plugin: LimitsRequest | undefined,
  workspace: LimitsRequest = {},
): AttemptLimits {
  const names = Object.keys(DEFAULT_LIMITS) as (keyof AttemptLimits)[];
  const limits = names.map((name) => {
    const wanted = plugin?.[name] ?? DEFAULT_LIMITS[name];
    return [name, Math.min(wanted, workspace[name] ?? wanted, MAX_LIMITS[name])];
  });
  return Object.fromEntries(limits) as AttemptLimits;
}

/** Limits of the platform itself. */
export const PLATFORM_LIMITS = {
  /** Largest module; bigger ones compile for seconds on the smallest host. */
  moduleBytes: 16 * MiB,
  /** Largest manifest; its schemas are interpreted on each request. */
  manifestBytes: 256 * KiB,
  /** Largest JSON body outside action input and upload. */
  bodyBytes: 256 * KiB,
  /** Largest input or output schema, and its nesting. */
  schemaBytes: 64 * KiB,
  schemaDepth: 10,
  /** Steps (40 ns at worst) that checking one value against its schema may cost. */
  schemaSteps: 10_000_000,
  /** An evidence entry: the length prefix of C2SP tlog-tiles has 16 bits. */
  entryBytes: 65_535,
  /** Largest bundle that is exported at once: what the verifier takes into memory. */
  bundleBytes: 2_048 * MiB,
  /** Largest bundle that the Control Plane verifies, and how many at once: each is held in memory. */
  verifyBytes: 64 * MiB,
  verifications: 2,
  /** Requests in flight of one key and of all: waiting ones hold little, working ones a connection. */
  requestsPerKey: 128,
  requestsTotal: 2_000,
  /** Event streams that one key and all keys may hold open; each costs a read a commit. */
  streamsPerKey: 16,
  streamsTotal: 1_000,
  /** Sequence numbers that a resumed event stream may lie behind; further back it is told to reset. */
  eventReplay: 100_000,
  /** Days that one report of usage covers. */
  usageDays: 92,
  /** From the first byte of a body to its last. */
  bodyTimeoutMs: 30_000,
  /** How long an upload waits until a sandbox host has tried its module, and how many of a workspace do. */
  candidateMs: 30_000,
  candidates: 4,
  /** Uploads under way in one process; each holds its module several times over. */
  uploads: 16,
  /** Rows on one page of a list. */
  pageSize: 200,
  /** Attempts of one action before it fails. */
  attempts: 5,
  /** From dispatch until an action that no host brings to an end is given up. */
  dispatchHours: 24,
  /** Without an attempt or a live lease for this long, an action's workflow is started anew. */
  stalledMs: 60_000,
  /** A lease lapses this long after the last heartbeat; takeover waits for it. */
  leaseMs: 10_000,
  heartbeatMs: 3_000,
  /** Longest `Prefer: wait=N`, in seconds. */
  waitSeconds: 60,
  /** An `Idempotency-Key` is remembered this long. */
  idempotencyHours: 24,
  /** Redirects that a read follows. */
  redirectHops: 5,
  /** One egress call, from connect to the last byte. */
  egressTimeoutMs: 30_000,
  /** How long a connection waits for the next read; many servers end theirs after 5 seconds. */
  idleConnectionMs: 4_000,
  /** Connections that wait in one host, and those of them that the same reads can use: a file each. */
  idleConnections: 256,
  idleConnectionsAlike: 16,
  /** Beyond lease and request timeout, before an open write is taken over. */
  takeoverSlackMs: 2_000,
  /** Response bytes that travel inside a report; larger bodies are put before it, one by one. */
  inlineBodyBytes: 256 * KiB,
  /** Shortest secret of a credential: shorter ones could not be scrubbed without harm. */
  secretCharacters: 16,
  /** Longest secret of a credential. */
  secretBytes: 16 * KiB,
  /** Certificates that one rule of a grant may trust, and characters of all of them. */
  caCertificates: 8,
  caCertificateCharacters: 64 * KiB,
  /** One exchange with an external vault. */
  vaultTimeoutMs: 5_000,
  /** One exchange with an evidence store over S3; the largest artifact travels in it. */
  evidenceStoreTimeoutMs: 20_000,
  /** The longest secret in base64 and JSON, or the list of a credential's versions, with room. */
  vaultAnswerBytes: 256 * KiB,
  /** Labels of one action. */
  labels: 32,
  /** People who must agree, at most. */
  quorum: 10,
  /** Characters of a rationale. */
  rationaleCharacters: 2_000,
  /** Characters of an action's journal over all its attempts, some 2,000 a call beside its headers. */
  journalCharacters: 8 * MiB,
  /** Egress calls that one heartbeat or outcome may carry. */
  callsPerReport: 1_000,
  /** Versions of a plugin that share its actions, and the greatest weight of one: parts of a thousand. */
  rolloutVersions: 10,
  rolloutWeight: 1_000,
  /** Crashes of a version within the window that quarantine it, unless the workspace says otherwise. */
  crashesToQuarantine: 5,
  crashWindowMs: 10 * 60_000,
  /** The most crashes and the longest window that a workspace may choose: what is counted stays small. */
  mostCrashesToQuarantine: 100,
  mostCrashWindowMs: 24 * 60 * 60_000,
  /** Keys of publishers that a workspace has trusted; each is tried at an upload with a signature. */
  publisherKeys: 100,
} as const;

/** Limits of background verification and of the reconciler: how much of a workspace each takes at a time. */
export const WATCH_LIMITS = {
  /** Between two looks at the end of a log. */
  verifyEveryMs: 10_000,
  /** The same for logs that nothing was added to and nothing was found in. */
  verifyIdleEveryMs: 5 * 60_000,
  /** Entries that one step reads into memory, and steps of one verification; the next one goes on there. */
  entriesPerStep: 2_048,
  stepsPerRun: 16,
  /** From the beginning of a round over a whole log to that of the next. */
  roundHours: 24,
  /** Artifacts of a workspace that are read again each day, from a place that nobody foresees. */
  artifactsPerDay: 100,
  /** Open findings about entries that each verification looks at again. */
  recheckedFindings: 16,
  /** Findings of a workspace that are kept by each rule, and those that one entry of evidence tells. */
  findings: 200,
  toldFindings: 20,
  /** Between two reconciliations of a workspace. */
  reconcileEveryMs: 5 * 60_000,
  /** Rows, artifacts and objects that each check of one reconciliation looks at; the next goes on there. */
  reconciledRows: 500,
  /** Running workflows that are listed. */
  listedWorkflows: 2_000,
  /** An object that no entry names may be one that is on its way for so long. */
  objectGraceHours: 24,
  /** An attempt whose lease lapsed, a workflow whose action ended, an event that waits: told of after it. */
  lapsedMs: 10 * 60_000,
  leftOverMs: 60_000,
  unpublishedMs: 5 * 60_000,
} as const;

/** Limits of the patterns in a plugin's schemas. */
export const PATTERN_LIMITS = {
  /** Characters of one pattern. */
  length: 256,
  /** RE2 instructions of one pattern: matching costs text times program. */
  program: 1_000,
  /** Different patterns in one schema, and in all schemas of a manifest; each is compiled. */
  perSchema: 64,
  perManifest: 256,
} as const;
