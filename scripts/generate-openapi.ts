/**
 * Writes the OpenAPI 3.1 document of the HTTP API from the table of its operations, the schemas that
 * validate requests, and those by which the client reads answers. With `--check` it writes nothing and
 * fails on drift. Rules that JSON Schema can not say stand in the valibot schemas only.
 */
import { readFile, writeFile } from 'node:fs/promises';
import * as answers from '@portarium/client/answers';
import * as approvals from '@portarium/client/approval-answers';
import { API_ERRORS, type ApiErrorCode } from '@portarium/contracts/errors';
import { WorkspaceIdSchema } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { ManifestSchema } from '@portarium/contracts/manifest';
import { MAX_SIGNATURE_LENGTH } from '@portarium/contracts/plugin-signature';
import { VerifyReportSchema } from '@portarium/contracts/verify-report-schema';
import { PERMISSIONS } from '@portarium/control/domain/permissions';
import { OPERATIONS, type Operation, type OperationId } from '@portarium/control/http/operations';
import { readVersions } from '@portarium/local/repository';
import { toJsonSchema } from '@valibot/to-json-schema';
import * as v from 'valibot';

const FILE = new URL('../control/src/http/openapi.json', import.meta.url);

type Json = Readonly<Record<string, unknown>>;

/** The shapes of answers, by the names that operations use. */
const SHAPES: Readonly<Record<string, v.GenericSchema>> = {
  Workspace: answers.WorkspaceSchema,
  WorkspacePage: answers.WorkspacePageSchema,
  Caller: answers.CallerSchema,
  CreatedKey: answers.CreatedKeySchema,
  Keys: answers.listOf(answers.KeySchema),
  Plugin: answers.PluginSchema,
  Plugins: answers.listOf(answers.PluginSchema),
  PluginVersions: answers.PluginVersionsSchema,
  PluginVersion: answers.PluginVersionSchema,
  PluginRules: answers.PluginRulesSchema,
  Publisher: answers.PublisherSchema,
  Publishers: answers.listOf(answers.PublisherSchema),
  Egress: answers.EgressSchema,
  Credential: answers.CredentialSchema,
  Credentials: answers.listOf(answers.CredentialSchema),
  Action: answers.ActionSchema,
  ActionPage: answers.ActionPageSchema,
  Attempts: answers.AttemptsSchema,
  Journal: answers.JournalSchema,
  Approval: approvals.ApprovalSchema,
  ApprovalPage: approvals.ApprovalPageSchema,
  ApprovalRules: approvals.ApprovalRulesSchema,
  WorkspaceLimits: answers.WorkspaceLimitsSchema,
  Regulation: answers.RegulationSchema,
  StoreProbe: answers.StoreProbeSchema,
  Retention: answers.RetentionSchema,
  Holds: answers.listOf(answers.HoldSchema),
  PlacedHold: answers.PlacedHoldSchema,
  Disposal: answers.DisposalSchema,
  EvidencePage: answers.EvidencePageSchema,
  VerifyReport: VerifyReportSchema,
  LogKeys: answers.listOf(answers.LogKeySchema),
  Recovery: answers.RecoverySchema,
  Verification: answers.VerificationSchema,
  Reconciliation: answers.ReconciliationSchema,
  EntryProof: answers.EntryProofSchema,
  ConsistencyProof: answers.ConsistencyProofSchema,
  Usage: answers.UsageSchema,
};

const ZERO = `sha256:${'0'.repeat(64)}`;

/** A body that each operation takes. */
const BODIES: Partial<Record<OperationId, Json>> = {
  createWorkspace: { id: 'acme', name: 'Acme' },
  createKey: { name: 'ci', owner: 'ada', role: 'agent' },
  decidePlugin: {
    decision: 'approve',
    rationale: 'the new host is ours',
    digest: ZERO,
  },
  setCurrentVersion: { version: '1.0.0', rationale: '1.1.0 fails on refunds of zero' },
  setQuarantine: { quarantined: true, rationale: 'it asks for refunds twice' },
  setPluginRules: { signature: 'required', quarantineAfter: 5, crashWindowMs: 600_000 },
  trustPublisher: {
    verifierKey: 'acme+3cd140eb+AfvuEM2VDoO+wD2c2OLo7Gkm1kHFUA2Isr3Pe1adQ640',
  },
  revokePublisher: { versions: 'quarantine', rationale: 'the key was on a stolen laptop' },
  grantEgress: {
    rules: [
      {
        ...{ id: 'refunds', methods: ['GET'], scheme: 'https', host: 'api.stripe.com', port: 443 },
        path: '/v1/refunds',
      },
    ],
    networks: [],
  },
  createCredential: {
    ...{ name: 'stripe', host: 'api.stripe.com', kind: 'bearer' },
    value: 'sk_test_an_example_and_no_key',
  },
  rotateCredential: { value: 'sk_test_another_example' },
  requestAction: {
    plugin: 'stripe-refunds',
    operation: 'createRefund',
    input: { charge: 'ch_1', amount: 40 },
  },
  cancelAction: { rationale: 'asked for twice' },
  resolveAction: { outcome: 'succeeded', rationale: 'the refund re_1 is there' },
  decideApproval: { decision: 'approve', rationale: 'ticket 4711', digest: ZERO },
  setApprovalRules: {
    ...{ quorum: 2, roles: ['approver'] },
    ...{ decideWithinMs: 86_400_000, executeWithinMs: 3_600_000 },
  },
  setLimits: { wallMs: 30_000, memoryMiB: 128 },
  setRegulation: { regulated: true, rationale: 'records of medical devices' },
  setRetention: { compliance: 2_555 },
  placeHold: {
    scope: { kind: 'plugin', plugin: 'stripe-refunds' },
    reason: 'the case 4711 before the court',
  },
  liftHold: { reason: 'the case is closed' },
  dispose: { dryRun: true, reason: 'the end of the year' },
  rotateLogKey: { rationale: 'once a year' },
  reconcile: { dryRun: true },
  recoverLog: { dryRun: true, rationale: 'the database was restored from the backup of Monday' },
};

const PARAMETERS: Readonly<Record<string, Json>> = {
  'Idempotency-Key': {
    description: 'The same key and body give the same action; kept for a day.',
    schema: { type: 'string', pattern: '^[!-~]{1,255}$' },
  },
  'If-Match': {
    description: 'Change it only if it still has this ETag; 412 otherwise.',
    schema: { type: 'string' },
    example: '"3"',
  },
  'Last-Event-ID': {
    description: 'Go on after the event with this id; -1 begins with the first.',
    schema: { type: 'string', pattern: '^(-1|[0-9]{1,15})$' },
  },
  Prefer: {
    description: 'wait=N: hold the answer for at most N seconds, until the action ends or waits.',
    schema: { type: 'string' },
    example: 'wait=10',
  },
};

export function openApi(): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of Object.values<Operation>(OPERATIONS)) {
    paths[operation.path] ??= {};
    (paths[operation.path] as Record<string, Json>)[operation.method] = describe(operation);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Portarium',
      version: readVersions().product,
      description:
        'Ask for actions on real systems, decide about them, and read the evidence. docs/reference/api.md tells what holds for all operations.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'The Control Plane that serves this document' }],
    security: [{ apiKey: [] }],
    tags: tags(),
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'An API key: ptk_…' },
      },
      schemas: {
        ...Object.fromEntries(Object.entries(SHAPES).map(([name, of]) => [name, schemaOf(of)])),
        Manifest: schemaOf(ManifestSchema),
        Problem: PROBLEM,
      },
    },
  };
}

function tags(): Json[] {
  const names = new Set(Object.values<Operation>(OPERATIONS).map(tagOf));
  return [...names].map((name) => ({ name, description: TAGS[name] ?? name }));
}

const TAGS: Readonly<Record<string, string>> = {
  workspaces: 'Tenants: the boundary of isolation and policy.',
  caller: 'The key that asks.',
  keys: 'API keys, each owned by a person and bound to a role.',
  plugins: 'Adapters as WebAssembly modules, and what they may reach.',
  'plugin-rules': 'What a workspace asks of plugins.',
  publishers: 'Whose signatures over plugins a workspace trusts.',
  credentials: 'Secrets that the broker sets, and nobody reads back.',
  actions: 'Requests to run one operation with one input.',
  approvals: 'Decisions of people, each bound to exactly what would run.',
  'approval-rules': 'What a workspace asks of approvals.',
  limits: 'What a workspace allows each attempt at most.',
  regulation: 'Whether artifacts need a store whose locks were tried.',
  evidence: 'The log that anybody can verify.',
  reconciliation: 'Whether database, Temporal, evidence store and log agree.',
  events: 'What happens, while it happens.',
  usage: 'What was used, in sums.',
};

/** `actions` of `/v1/workspaces/{ws}/actions/{id}`. */
function tagOf({ path }: Operation): string {
  return path.replace('/v1/workspaces/{ws}/', '/v1/').split('/')[2] ?? 'workspaces';
}

function describe(operation: Operation): Json {
  const { id, summary, permission, headers = [] } = operation;
  const roles = PERMISSIONS[permission].join(', ');
  return {
    operationId: id,
    summary,
    description: `Needs the permission ${permission}, which keys of these roles have: ${roles}.`,
    tags: [tagOf(operation)],
    parameters: [
      ...pathParameters(operation),
      ...queryParameters(operation),
      ...headers.map((name) => ({ name, in: 'header', required: false, ...PARAMETERS[name] })),
    ],
    ...bodyOf(operation),
    responses: { ...answersOf(operation), ...refusalsOf(operation) },
  };
}

function pathParameters({ path, params = {} }: Operation): Json[] {
  const ws = path.includes('{ws}') ? { ws: WorkspaceIdSchema } : {};
  return Object.entries({ ...ws, ...params }).map(([name, schema]) => ({
    ...{ name, in: 'path', required: true, schema: schemaOf(schema) },
  }));
}

function queryParameters({ query }: Operation): Json[] {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(query) as {
    properties?: Record<string, Json>;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    ...{ name, in: 'query', required: required.includes(name), schema: NUMBERS[name] ?? schema },
  }));
}

const SEQUENCE: Json = { type: 'integer', minimum: 0, maximum: 999_999_999_999_999 };
/** Parameters that are numbers, which in a query come as text. */
const NUMBERS: Readonly<Record<string, Json>> = {
  limit: { type: 'integer', minimum: 1, maximum: PLATFORM_LIMITS.pageSize },
  after: { type: 'integer', minimum: -1, maximum: 999_999_999_999_999 },
  from: SEQUENCE,
  to: SEQUENCE,
  seq: SEQUENCE,
  size: SEQUENCE,
};

function bodyOf({ id, body, upload, bytes }: Operation): Json {
  if (bytes !== undefined) {
    return {
      requestBody: {
        required: true,
        content: { [bytes]: { schema: { type: 'string', format: 'binary' } } },
      },
    };
  }
  if (upload === true) {
    const binary = { type: 'string', format: 'binary', contentMediaType: 'application/wasm' };
    const signature = { type: 'string', maxLength: MAX_SIGNATURE_LENGTH };
    const manifest = { $ref: '#/components/schemas/Manifest' };
    const properties = { manifest, module: binary, signature };
    const schema = { type: 'object', required: ['manifest', 'module'], properties };
    const encoding = {
      manifest: { contentType: 'application/json' },
      module: { contentType: 'application/wasm' },
      signature: { contentType: 'text/plain' },
    };
    const content = { 'multipart/form-data': { schema, encoding } };
    return { requestBody: { required: true, content } };
  }
  if (body === undefined) return {};
  const example = BODIES[id as OperationId];
  if (example === undefined || !v.is(body, example)) throw new Error(`${id} has no example body`);
  const content = { 'application/json': { schema: schemaOf(body), example } };
  return { requestBody: { required: true, content } };
}

const ANSWERS: Readonly<Record<string, string>> = {
  200: 'Done.',
  201: 'Created.',
  202: 'Taken; it goes on, or waits for somebody.',
  204: 'Done; there is nothing to say.',
};

function answersOf(operation: Operation): Json {
  const entries = Object.entries(operation.answers).map(([status, name]) => {
    const description = ANSWERS[status] ?? '';
    const headers = { ...TRACE, ...RATE, ...(operation.tagged === true ? TAG : {}) };
    return [status, { description, headers, ...contentOf(name) }] as const;
  });
  return Object.fromEntries(entries);
}

const TRACE = {
  'Portarium-Trace': { description: 'Trace id of the request.', schema: { type: 'string' } },
};

const RATE = {
  RateLimit: {
    description: 'What is left of each limit (draft-ietf-httpapi-ratelimit-headers).',
    schema: { type: 'string' },
  },
};

const TAG = {
  ETag: { description: 'Names this state of the resource.', schema: { type: 'string' } },
};

function contentOf(name: string | null): Json {
  if (name === null) return {};
  if (name.includes('/')) return { content: { [name]: { schema: { type: 'string' } } } };
  const schema = { $ref: `#/components/schemas/${name}` };
  return { content: { 'application/json': { schema } } };
}

/** Problem documents, by status, with the codes that each may have. */
function refusalsOf(operation: Operation): Json {
  const byStatus = Map.groupBy(refusalCodes(operation), (code) => API_ERRORS[code][0]);
  const entries = [...byStatus]
    .sort(([a], [b]) => a - b)
    .map(([status, codes]) => {
      const description = codes.map((code) => `\`${code}\`: ${API_ERRORS[code][1]}.`).join(' ');
      const schema = {
        allOf: [{ $ref: '#/components/schemas/Problem' }],
        properties: { code: { enum: codes } },
      };
      return [
        status,
        { description, headers: TRACE, content: { 'application/problem+json': { schema } } },
      ] as const;
    });
  return Object.fromEntries(entries);
}

function refusalCodes({
  path,
  query,
  body,
  upload,
  bytes,
  params,
  headers,
  errors = [],
}: Operation) {
  const codes = new Set<ApiErrorCode>(['auth.missing', 'auth.invalid', 'auth.forbidden']);
  const add = (...more: readonly ApiErrorCode[]) => {
    for (const code of more) codes.add(code);
  };
  if (path.includes('{ws}') || params) add('not-found');
  if (query || headers) add('input.invalid');
  if (headers?.includes('If-Match')) add('precondition.failed');
  if (bytes !== undefined) add('body.too-slow', 'body.too-large', 'media.unsupported');
  if (body || upload) {
    add('request.malformed', 'body.too-slow', 'body.too-large', 'media.unsupported');
    add('input.invalid');
  }
  add(...errors, 'rate.limited', 'internal', 'unavailable');
  return [...codes];
}

const PROBLEM: Json = {
  type: 'object',
  description: 'A problem document (RFC 9457). Its code is stable.',
  required: ['type', 'title', 'status', 'code', 'detail', 'hint', 'trace'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(API_ERRORS) },
    detail: { type: 'string' },
    hint: { type: 'string' },
    trace: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'message'],
        properties: { pointer: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
};

function schemaOf(schema: v.GenericSchema): Json {
  const options = { errorMode: 'ignore', typeMode: 'input', target: 'draft-2020-12' } as const;
  const { $schema: _dialect, ...body } = toJsonSchema(schema, options);
  return withoutTuples(body) as Json;
}

/**
 * Lists of a fixed length, with items of any of their kinds: generators and testers of clients read
 * `prefixItems` as the list of schemas that older drafts had.
 */
function withoutTuples(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutTuples);
  if (typeof value !== 'object' || value === null) return value;
  const { prefixItems, ...rest } = value as Record<string, unknown>;
  const mapped = Object.fromEntries(
    Object.entries(rest).map(([name, one]) => [name, withoutTuples(one)]),
  );
  if (!Array.isArray(prefixItems)) return mapped;
  const kinds = new Map(prefixItems.map((one) => [JSON.stringify(one), withoutTuples(one)]));
  const [only, ...others] = kinds.values();
  const items = others.length === 0 ? only : { anyOf: [...kinds.values()] };
  return { ...mapped, items, minItems: prefixItems.length, maxItems: prefixItems.length };
}

async function main(check: boolean): Promise<void> {
  const text = `${JSON.stringify(openApi(), null, 2)}\n`;
  if (!check) return writeFile(FILE, text);
  if ((await readFile(FILE, 'utf8').catch(() => '')) === text) return;
  process.stderr.write(
    'control/src/http/openapi.json differs from the code; run: bun run scripts/generate-openapi.ts\n',
  );
  process.exitCode = 1;
}

if (import.meta.main) await main(process.argv.includes('--check'));
