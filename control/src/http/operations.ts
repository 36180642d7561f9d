/**
 * Every public operation of the HTTP API: its route, who may use it, what it takes and how it answers. The
 * routes are made from this table, and so is the OpenAPI document.
 */

import { DigestSchema } from '@portarium/contracts/digest';
import { parseTilePath, type TilePlace } from '@portarium/contracts/entry-bundle';
import type { ApiErrorCode } from '@portarium/contracts/errors';
import { OperatorEgressSchema } from '@portarium/contracts/grantable-rules';
import {
  ActionIdSchema,
  ApprovalIdSchema,
  CredentialIdSchema,
  HoldIdSchema,
  KeyIdSchema,
  WorkspaceIdSchema,
} from '@portarium/contracts/ids';
import { LengthenSchema } from '@portarium/contracts/legal-hold';
import { ACTION_STATES } from '@portarium/contracts/life-cycle';
import { LimitsRequestSchema, MAX_LIMITS, PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { VersionSchema } from '@portarium/contracts/manifest';
import { PluginNameSchema } from '@portarium/contracts/plugin-name';
import * as v from 'valibot';
import { CancelActionSchema } from '../application/cancel-action.ts';
import { CreateKeySchema } from '../application/create-key.ts';
import { CreateWorkspaceSchema } from '../application/create-workspace.ts';
import { DecideApprovalSchema } from '../application/decide-approval.ts';
import { DecidePluginSchema } from '../application/decide-plugin.ts';
import { DisposeSchema } from '../application/dispose.ts';
import {
  CreateCredentialSchema,
  RotateCredentialSchema,
} from '../application/manage-credentials.ts';
import { LiftHoldSchema, PlaceHoldSchema } from '../application/manage-holds.ts';
import { RevokePublisherSchema, TrustPublisherSchema } from '../application/manage-publishers.ts';
import { APPROVAL_STATES } from '../application/ports/approval-store.ts';
import { QuarantineSchema } from '../application/quarantine-version.ts';
import { ReconcileSchema } from '../application/reconcile.ts';
import { RecoverSchema } from '../application/recover-log.ts';
import { RegulationSchema } from '../application/regulated-retention.ts';
import { RequestActionSchema } from '../application/request-action.ts';
import { ResolveActionSchema } from '../application/resolve-action.ts';
import { RotateLogKeySchema } from '../application/rotate-log-key.ts';
import { ApprovalRulesSchema } from '../application/set-approval-rules.ts';
import { SetCurrentVersionSchema } from '../application/set-current-version.ts';
import { PluginRulesSchema } from '../application/set-plugin-rules.ts';
import { UsageQuerySchema } from '../application/view-usage.ts';
import type { Permission } from '../domain/permissions.ts';
import { pageLimit } from './page-limit.ts';

/** What stands in a query is short enough for a request line of 16 KiB, percent-encoded at its worst. */
const ONE_LINE = /^[ -~]*$/;
const NOTE = /^[ -~\n—]*$/;

/** The name of a shape of an answer (`scripts/generate-openapi.ts`), a media type, or no body. */
export type AnswerName = string | null;

export type RequestHeader = 'Idempotency-Key' | 'Prefer' | 'If-Match' | 'Last-Event-ID';

export interface Operation {
  readonly id: string;
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly permission: Permission;
  readonly summary: string;
  /** Schemas of the path's parameters, without `ws`. */
  readonly params?: Readonly<Record<string, v.GenericSchema>>;
  readonly query?: v.GenericSchema;
  readonly body?: v.GenericSchema;
  /** Of a JSON body, when it is not the platform's. */
  readonly maxBytes?: number;
  /** Fields of the body that may hold any text. */
  readonly free?: readonly string[];
  /** Multipart instead of JSON: the parts `manifest` and `module`, and perhaps `signature`. */
  readonly upload?: true;
  /** The body as it is, of that media type; the operation itself reads it. */
  readonly bytes?: string;
  /** Request headers that change what happens. */
  readonly headers?: readonly RequestHeader[];
  /** The answer has an `ETag`, which `If-Match` of a change may name. */
  readonly tagged?: true;
  /** `{ws}` may be `_instance`: the log of the instance itself. */
  readonly instanceLog?: true;
  readonly answers: Readonly<Record<number, AnswerName>>;
  /** Beside those that every operation with its parts has. */
  readonly errors?: readonly ApiErrorCode[];
}

const WS = '/v1/workspaces/{ws}';
const action = { id: ActionIdSchema };
const approval = { id: ApprovalIdSchema };
const credential = { id: CredentialIdSchema };
const hold = { id: HoldIdSchema };
const key = { id: KeyIdSchema };
const plugin = { name: PluginNameSchema };
/** What stands behind `tile/`. */
const tile = v.pipe(
  v.string(),
  v.regex(/^(entries|\d{1,2})\/(x\d{3}\/)*\d{3}(\.p\/[1-9]\d{0,2})?$/),
  v.transform((path) => parseTilePath(`tile/${path}`)),
  v.nonOptional(v.custom<TilePlace | undefined>(() => true)),
);
const sequence = v.pipe(v.string(), v.regex(/^\d{1,15}$/), v.transform(Number));
const pluginVersion = { ...plugin, version: VersionSchema };

export const OPERATIONS = {
  createWorkspace: {
    id: 'createWorkspace',
    method: 'post',
    path: '/v1/workspaces',
    permission: 'workspace.create',
    summary: 'Create a workspace with the starter policy',
    body: CreateWorkspaceSchema,
    answers: { 201: 'Workspace' },
    errors: ['workspace.exists', 'tenancy.unavailable'],
  },
  listWorkspaces: {
    id: 'listWorkspaces',
    method: 'get',
    path: '/v1/workspaces',
    permission: 'workspace.list',
    summary: 'List the workspaces of the instance, by id',
    query: v.strictObject({ limit: pageLimit(100), cursor: v.optional(WorkspaceIdSchema) }),
    answers: { 200: 'WorkspacePage' },
  },
  getWorkspace: {
    id: 'getWorkspace',
    method: 'get',
    path: WS,
    permission: 'workspace.read',
    summary: 'Show a workspace',
    answers: { 200: 'Workspace' },
  },
  getCaller: {
    id: 'getCaller',
    method: 'get',
    path: `${WS}/caller`,
    permission: 'workspace.read',
    summary: 'Show whose key this is, and what it may do in the workspace',
    answers: { 200: 'Caller' },
  },
  createKey: {
    id: 'createKey',
    method: 'post',
    path: `${WS}/keys`,
    permission: 'key.manage',
    summary: 'Create an API key; its secret is in this answer and in no other',
    body: CreateKeySchema,
    answers: { 201: 'CreatedKey' },
  },
  listKeys: {
    id: 'listKeys',
    method: 'get',
    path: `${WS}/keys`,
    permission: 'key.manage',
    summary: 'List the keys of the workspace, without their secrets',
    answers: { 200: 'Keys' },
  },
  revokeKey: {
    id: 'revokeKey',
    method: 'delete',
    path: `${WS}/keys/{id}`,
    permission: 'key.manage',
    summary: 'Revoke a key of the workspace',
    params: key,
    answers: { 204: null },
  },
  listInstanceKeys: {
    id: 'listInstanceKeys',
    method: 'get',
    path: '/v1/keys',
    permission: 'key.manage',
    summary: 'List the keys that reach every workspace',
    answers: { 200: 'Keys' },
  },
  revokeInstanceKey: {
    id: 'revokeInstanceKey',
    method: 'delete',
    path: '/v1/keys/{id}',
    permission: 'key.manage',
    summary: 'Revoke a key that reaches every workspace',
    params: key,
    answers: { 204: null },
    errors: ['not-found'],
  },
  uploadPlugin: {
    id: 'uploadPlugin',
    method: 'post',
    path: `${WS}/plugins`,
    permission: 'plugin.upload',
    summary:
      'Upload a version of a plugin; it is admitted, or refused with findings; one that grew waits for approval',
    upload: true,
    answers: { 201: 'Plugin' },
    errors: [
      'plugin.version-exists',
      'plugin.not-admitted',
      'plugin.not-tried',
      'plugin.signature-required',
      'plugin.signature-refused',
      'store.not-regulated',
    ],
  },
  listPlugins: {
    id: 'listPlugins',
    method: 'get',
    path: `${WS}/plugins`,
    permission: 'plugin.read',
    summary: 'List the versions of all plugins',
    answers: { 200: 'Plugins' },
  },
  getPlugin: {
    id: 'getPlugin',
    method: 'get',
    path: `${WS}/plugins/{name}`,
    permission: 'plugin.read',
    summary: 'Show the current version of a plugin with its manifest',
    params: plugin,
    answers: { 200: 'Plugin' },
  },
  listVersions: {
    id: 'listVersions',
    method: 'get',
    path: `${WS}/plugins/{name}/versions`,
    permission: 'plugin.read',
    summary: 'List the versions of a plugin, the newest first, and which one is current',
    params: plugin,
    tagged: true,
    answers: { 200: 'PluginVersions' },
  },
  getVersion: {
    id: 'getVersion',
    method: 'get',
    path: `${WS}/plugins/{name}/versions/{version}`,
    permission: 'plugin.read',
    summary: 'Show a version of a plugin with its manifest, and what people are asked about it',
    params: pluginVersion,
    answers: { 200: 'PluginVersion' },
  },
  decidePlugin: {
    id: 'decidePlugin',
    method: 'post',
    path: `${WS}/plugins/{name}/versions/{version}/decisions`,
    permission: 'approval.decide',
    summary: 'Decide about a version that could do more than the one that runs',
    params: pluginVersion,
    body: DecidePluginSchema,
    answers: { 200: 'PluginVersion' },
    errors: [
      ...(['approval.excluded', 'approval.closed', 'approval.stale', 'conflict'] as const),
      'plugin.signature-refused',
    ],
  },
  setCurrentVersion: {
    id: 'setCurrentVersion',
    method: 'put',
    path: `${WS}/plugins/{name}/current`,
    permission: 'plugin.choose-version',
    summary: 'Choose the version that runs when an action names none, or several by weight',
    params: plugin,
    body: SetCurrentVersionSchema,
    headers: ['If-Match'],
    tagged: true,
    answers: { 200: 'PluginVersions' },
    errors: ['plugin.not-approved', 'approval.excluded'],
  },
  setQuarantine: {
    id: 'setQuarantine',
    method: 'put',
    path: `${WS}/plugins/{name}/versions/{version}/quarantine`,
    permission: 'plugin.quarantine',
    summary: 'Quarantine a version, so that nothing runs it, or lift that',
    params: pluginVersion,
    body: QuarantineSchema,
    answers: { 200: 'PluginVersion' },
    errors: ['conflict', 'approval.excluded'],
  },
  getPluginRules: {
    id: 'getPluginRules',
    method: 'get',
    path: `${WS}/plugin-rules`,
    permission: 'plugin.read',
    summary: 'Show whether uploads need a signature, and how many crashes quarantine a version',
    tagged: true,
    answers: { 200: 'PluginRules' },
  },
  setPluginRules: {
    id: 'setPluginRules',
    method: 'put',
    path: `${WS}/plugin-rules`,
    permission: 'plugin-rules.manage',
    summary: 'Set whether uploads need a signature, and how many crashes quarantine a version',
    body: PluginRulesSchema,
    headers: ['If-Match'],
    tagged: true,
    answers: { 200: 'PluginRules' },
  },
  trustPublisher: {
    id: 'trustPublisher',
    method: 'post',
    path: `${WS}/publishers`,
    permission: 'publisher.manage',
    summary: 'Trust the key of a publisher: plugins that it signed are taken',
    body: TrustPublisherSchema,
    answers: { 201: 'Publisher' },
    errors: ['conflict'],
  },
  listPublishers: {
    id: 'listPublishers',
    method: 'get',
    path: `${WS}/publishers`,
    permission: 'plugin.read',
    summary: 'List the publishers that the workspace trusts, and those whose keys were revoked',
    answers: { 200: 'Publishers' },
  },
  revokePublisher: {
    id: 'revokePublisher',
    method: 'post',
    path: `${WS}/publishers/{fingerprint}/revocation`,
    permission: 'publisher.manage',
    summary: 'Take no more plugins that this key signed; what runs is kept, or quarantined',
    params: { fingerprint: DigestSchema },
    body: RevokePublisherSchema,
    answers: { 200: 'Publisher' },
  },
  grantEgress: {
    id: 'grantEgress',
    method: 'put',
    path: `${WS}/plugins/{name}/egress`,
    permission: 'egress.grant',
    summary: 'Set what the operator lets a plugin reach',
    params: plugin,
    body: OperatorEgressSchema,
    headers: ['If-Match'],
    tagged: true,
    answers: { 200: 'Egress' },
  },
  getEgress: {
    id: 'getEgress',
    method: 'get',
    path: `${WS}/plugins/{name}/egress`,
    permission: 'egress.read',
    summary: 'Show what a plugin asks to reach and what is granted',
    params: plugin,
    tagged: true,
    answers: { 200: 'Egress' },
  },
  createCredential: {
    id: 'createCredential',
    method: 'post',
    path: `${WS}/credentials`,
    permission: 'credential.manage',
    summary: 'Store a credential for one host; no answer ever holds its value',
    body: CreateCredentialSchema,
    tagged: true,
    answers: { 201: 'Credential' },
    errors: ['credential.exists'],
  },
  listCredentials: {
    id: 'listCredentials',
    method: 'get',
    path: `${WS}/credentials`,
    permission: 'credential.read',
    summary: 'List credentials, without their values',
    answers: { 200: 'Credentials' },
  },
  getCredential: {
    id: 'getCredential',
    method: 'get',
    path: `${WS}/credentials/{id}`,
    permission: 'credential.read',
    summary: 'Show a credential, without its value',
    params: credential,
    tagged: true,
    answers: { 200: 'Credential' },
  },
  rotateCredential: {
    id: 'rotateCredential',
    method: 'post',
    path: `${WS}/credentials/{id}/rotate`,
    permission: 'credential.manage',
    summary:
      'Put another value in the place of a credential’s; approvals that name the old one are void',
    params: credential,
    body: RotateCredentialSchema,
    headers: ['If-Match'],
    tagged: true,
    answers: { 200: 'Credential' },
    errors: ['conflict'],
  },
  revokeCredential: {
    id: 'revokeCredential',
    method: 'delete',
    path: `${WS}/credentials/{id}`,
    permission: 'credential.manage',
    summary: 'Revoke a credential and destroy its values',
    params: credential,
    headers: ['If-Match'],
    answers: { 204: null },
  },
  requestAction: {
    id: 'requestAction',
    method: 'post',
    path: `${WS}/actions`,
    permission: 'action.request',
    summary: 'Ask for an action: policy decides, and people where it says so',
    body: RequestActionSchema,
    maxBytes: MAX_LIMITS.inputBytes * 2 + PLATFORM_LIMITS.bodyBytes,
    free: ['input'],
    headers: ['Idempotency-Key', 'Prefer'],
    tagged: true,
    answers: { 200: 'Action', 202: 'Action' },
    errors: [
      'plugin.not-approved',
      'plugin.quarantined',
      'conflict',
      'idempotency.mismatch',
      'idempotency.in-progress',
      'store.not-regulated',
    ],
  },
  dryRunAction: {
    id: 'dryRunAction',
    method: 'post',
    path: `${WS}/actions/{id}/dry-run`,
    permission: 'action.dry-run',
    summary:
      'Run an action that waits for approval without its writes, and show what it would send',
    params: action,
    headers: ['Idempotency-Key', 'Prefer'],
    tagged: true,
    answers: { 200: 'Action', 202: 'Action' },
    errors: [
      ...(['approval.stale', 'conflict', 'idempotency.mismatch'] as const),
      ...(['idempotency.in-progress', 'store.not-regulated'] as const),
    ],
  },
  listActions: {
    id: 'listActions',
    method: 'get',
    path: `${WS}/actions`,
    permission: 'action.read',
    summary: 'List actions, newest first',
    query: v.strictObject({
      limit: pageLimit(50),
      cursor: v.optional(ActionIdSchema),
      state: v.optional(v.picklist(ACTION_STATES)),
      plugin: v.optional(PluginNameSchema),
    }),
    answers: { 200: 'ActionPage' },
  },
  getAction: {
    id: 'getAction',
    method: 'get',
    path: `${WS}/actions/{id}`,
    permission: 'action.read',
    summary: 'Show an action with its output',
    params: action,
    tagged: true,
    answers: { 200: 'Action' },
  },
  listAttempts: {
    id: 'listAttempts',
    method: 'get',
    path: `${WS}/actions/{id}/attempts`,
    permission: 'action.read',
    summary: 'List the attempts of an action with what the plugin logged',
    params: action,
    answers: { 200: 'Attempts' },
  },
  getJournal: {
    id: 'getJournal',
    method: 'get',
    path: `${WS}/actions/{id}/journal`,
    permission: 'action.read',
    summary: 'Show the egress calls of an action in order, over all its attempts',
    params: action,
    answers: { 200: 'Journal' },
  },
  cancelAction: {
    id: 'cancelAction',
    method: 'post',
    path: `${WS}/actions/{id}/cancel`,
    permission: 'action.cancel',
    summary: 'End an action; what was asked of people is void',
    params: action,
    body: CancelActionSchema,
    headers: ['If-Match'],
    tagged: true,
    answers: { 200: 'Action' },
    errors: ['conflict'],
  },
  resolveAction: {
    id: 'resolveAction',
    method: 'post',
    path: `${WS}/actions/{id}/resolve`,
    permission: 'action.resolve',
    summary: 'Say what came of an action whose outcome only a person can know',
    params: action,
    body: ResolveActionSchema,
    headers: ['If-Match'],
    tagged: true,
    answers: { 200: 'Action' },
    errors: ['conflict'],
  },
  listApprovals: {
    id: 'listApprovals',
    method: 'get',
    path: `${WS}/approvals`,
    permission: 'approval.read',
    summary: 'List approvals, newest first',
    query: v.strictObject({
      limit: pageLimit(50),
      cursor: v.optional(ApprovalIdSchema),
      state: v.optional(v.picklist(APPROVAL_STATES)),
    }),
    answers: { 200: 'ApprovalPage' },
  },
  getApproval: {
    id: 'getApproval',
    method: 'get',
    path: `${WS}/approvals/{id}`,
    permission: 'approval.read',
    summary: 'Show an approval with exactly what would run',
    params: approval,
    answers: { 200: 'Approval' },
  },
  decideApproval: {
    id: 'decideApproval',
    method: 'post',
    path: `${WS}/approvals/{id}/decisions`,
    permission: 'approval.decide',
    summary: 'Decide about what was shown, and nothing else',
    params: approval,
    body: DecideApprovalSchema,
    answers: { 200: 'Approval' },
    errors: ['approval.excluded', 'approval.closed', 'approval.stale', 'conflict'],
  },
  getApprovalRules: {
    id: 'getApprovalRules',
    method: 'get',
    path: `${WS}/approval-rules`,
    permission: 'approval.read',
    summary: 'Show what the workspace asks of approvals',
    tagged: true,
    answers: { 200: 'ApprovalRules' },
  },
  setApprovalRules: {
    id: 'setApprovalRules',
    method: 'put',
    path: `${WS}/approval-rules`,
    permission: 'approval-rules.manage',
    summary: 'Set what the workspace asks of approvals from now on',
    body: ApprovalRulesSchema,
    headers: ['If-Match'],
    tagged: true,
    answers: { 200: 'ApprovalRules' },
  },
  getLimits: {
    id: 'getLimits',
    method: 'get',
    path: `${WS}/limits`,
    permission: 'workspace.read',
    summary: 'Show what the workspace allows each attempt at most',
    tagged: true,
    answers: { 200: 'WorkspaceLimits' },
  },
  setLimits: {
    id: 'setLimits',
    method: 'put',
    path: `${WS}/limits`,
    permission: 'limits.manage',
    summary: 'Set what the workspace allows each attempt at most, for actions from now on',
    body: LimitsRequestSchema,
    headers: ['If-Match'],
    tagged: true,
    answers: { 200: 'WorkspaceLimits' },
  },
  getRegulation: {
    id: 'getRegulation',
    method: 'get',
    path: `${WS}/regulation`,
    permission: 'workspace.read',
    summary: 'Show whether the workspace is under regulated retention',
    tagged: true,
    answers: { 200: 'Regulation' },
  },
  setRegulation: {
    id: 'setRegulation',
    method: 'put',
    path: `${WS}/regulation`,
    permission: 'regulation.manage',
    summary: 'Put the workspace under regulated retention, or lift that',
    body: RegulationSchema,
    headers: ['If-Match'],
    tagged: true,
    answers: { 200: 'Regulation' },
    errors: ['store.not-regulated'],
  },
  probeStore: {
    id: 'probeStore',
    method: 'post',
    path: '/v1/evidence/probes',
    permission: 'store.probe',
    summary: 'Try to break the locks of the evidence store in use, and record which ones held',
    answers: { 200: 'StoreProbe' },
  },
  getRetention: {
    id: 'getRetention',
    method: 'get',
    path: `${WS}/retention`,
    permission: 'workspace.read',
    summary: 'Show for how many days the workspace keeps artifacts of each class',
    tagged: true,
    answers: { 200: 'Retention' },
  },
  setRetention: {
    id: 'setRetention',
    method: 'put',
    path: `${WS}/retention`,
    permission: 'retention.lengthen',
    summary: 'Keep what is written from now on for longer; never for less than before',
    body: LengthenSchema,
    headers: ['If-Match'],
    tagged: true,
    answers: { 200: 'Retention' },
  },
  listHolds: {
    id: 'listHolds',
    method: 'get',
    path: `${WS}/holds`,
    permission: 'hold.read',
    summary: 'List the legal holds, lifted ones too, the newest first',
    answers: { 200: 'Holds' },
  },
  placeHold: {
    id: 'placeHold',
    method: 'post',
    path: `${WS}/holds`,
    permission: 'hold.manage',
    summary: 'Place a legal hold: what it covers is not disposed of, whatever its retention',
    body: PlaceHoldSchema,
    answers: { 201: 'PlacedHold' },
  },
  liftHold: {
    id: 'liftHold',
    method: 'post',
    path: `${WS}/holds/{id}/lift`,
    permission: 'hold.manage',
    summary: 'Lift a legal hold',
    params: hold,
    body: LiftHoldSchema,
    answers: { 200: 'PlacedHold' },
    errors: ['conflict'],
  },
  dispose: {
    id: 'dispose',
    method: 'post',
    path: `${WS}/disposals`,
    permission: 'evidence.dispose',
    summary:
      'Remove artifacts that are past retention and under no hold, or say with dryRun which these are',
    body: DisposeSchema,
    answers: { 200: 'Disposal' },
  },
  listEvidence: {
    id: 'listEvidence',
    method: 'get',
    path: `${WS}/evidence`,
    permission: 'evidence.read',
    summary: 'Read entries of the evidence log as exact bytes',
    query: v.strictObject({
      after: v.optional(v.pipe(v.string(), v.regex(/^(-1|\d{1,15})$/), v.transform(Number)), '-1'),
      limit: pageLimit(100),
      action: v.optional(ActionIdSchema),
    }),
    instanceLog: true,
    answers: { 200: 'EvidencePage' },
  },
  getCheckpoint: {
    id: 'getCheckpoint',
    method: 'get',
    path: `${WS}/evidence/log/checkpoint`,
    permission: 'evidence.read',
    summary: 'Get the newest signed checkpoint of the log',
    instanceLog: true,
    answers: { 200: 'text/plain' },
  },
  getTile: {
    id: 'getTile',
    method: 'get',
    path: `${WS}/evidence/log/tile/{tile}`,
    permission: 'evidence.read',
    summary: 'Get a tile of hashes, or a bundle of entries, of the signed log (C2SP tlog-tiles)',
    params: { tile },
    instanceLog: true,
    answers: { 200: 'application/octet-stream' },
  },
  proveEntry: {
    id: 'proveEntry',
    method: 'get',
    path: `${WS}/evidence/proof`,
    permission: 'evidence.read',
    summary: 'Prove that an entry is in the signed log',
    query: v.strictObject({ seq: sequence, size: v.optional(sequence) }),
    instanceLog: true,
    answers: { 200: 'EntryProof' },
  },
  proveConsistency: {
    id: 'proveConsistency',
    method: 'get',
    path: `${WS}/evidence/consistency`,
    permission: 'evidence.read',
    summary: 'Prove that the log of one size is the beginning of the log of another',
    query: v.strictObject({ from: sequence, to: v.optional(sequence) }),
    instanceLog: true,
    answers: { 200: 'ConsistencyProof' },
  },
  getVerifierKeys: {
    id: 'getVerifierKeys',
    method: 'get',
    path: `${WS}/evidence/vkeys`,
    permission: 'evidence.read',
    summary: 'Get the keys that verify the log, the newest first',
    instanceLog: true,
    answers: { 200: 'text/plain' },
  },
  listLogKeys: {
    id: 'listLogKeys',
    method: 'get',
    path: `${WS}/evidence/keys`,
    permission: 'evidence.read',
    summary:
      'List the keys that sign the log or have signed it, with their validity, the newest first',
    instanceLog: true,
    answers: { 200: 'LogKeys' },
  },
  rotateLogKey: {
    id: 'rotateLogKey',
    method: 'post',
    path: '/v1/evidence/keys',
    permission: 'log-key.rotate',
    summary: 'Hand the signing of checkpoints over to a new key',
    body: RotateLogKeySchema,
    answers: { 200: 'LogKeys' },
    errors: ['conflict'],
  },
  recoverLog: {
    id: 'recoverLog',
    method: 'post',
    path: `${WS}/evidence/recovery`,
    permission: 'evidence.recover',
    summary: 'Put entries back that the database lost, or say with dryRun what would be done',
    body: RecoverSchema,
    instanceLog: true,
    answers: { 200: 'Recovery' },
    errors: ['conflict'],
  },
  getVerification: {
    id: 'getVerification',
    method: 'get',
    path: `${WS}/evidence/verification`,
    permission: 'evidence.read',
    summary: 'Read how far the log is verified in the background, and what does not agree',
    instanceLog: true,
    answers: { 200: 'Verification' },
  },
  verifyNow: {
    id: 'verifyNow',
    method: 'post',
    path: `${WS}/evidence/verification`,
    permission: 'evidence.verify',
    summary: 'Verify the log now, as far as one run goes, with a sample of its artifacts',
    instanceLog: true,
    answers: { 200: 'Verification' },
  },
  getReconciliation: {
    id: 'getReconciliation',
    method: 'get',
    path: `${WS}/reconciliation`,
    permission: 'reconciliation.read',
    summary: 'Read what the reconciler did last, and what it could not repair',
    instanceLog: true,
    answers: { 200: 'Reconciliation' },
  },
  reconcile: {
    id: 'reconcile',
    method: 'post',
    path: `${WS}/reconciliation`,
    permission: 'reconciliation.run',
    summary: 'Compare database, Temporal, evidence store and log now, and repair what is safe',
    body: ReconcileSchema,
    instanceLog: true,
    answers: { 200: 'Reconciliation' },
  },
  exportEvidence: {
    id: 'exportEvidence',
    method: 'get',
    path: `${WS}/evidence/export`,
    permission: 'evidence.export',
    summary: 'Export a bundle that a stranger can verify offline',
    query: v.strictObject({
      action: v.optional(ActionIdSchema),
      /** First and last entry of a range; it is widened to whole entry bundles of 256. */
      from: v.optional(sequence),
      to: v.optional(sequence),
      /** `none` leaves out what guests read; then nothing can be replayed. */
      bodies: v.optional(v.picklist(['all', 'none']), 'all'),
    }),
    instanceLog: true,
    answers: { 200: 'application/x-tar' },
    errors: ['body.too-large', 'not-found'],
  },
  verifyEvidence: {
    id: 'verifyEvidence',
    method: 'post',
    path: `${WS}/evidence/verify`,
    permission: 'evidence.export',
    summary:
      'Verify a bundle, of any log, as the command line does; nothing of it is kept, and no key is believed but the one that is named',
    query: v.strictObject({
      /** The verifier key to believe. */
      pin: v.optional(v.pipe(v.string(), v.maxLength(200), v.regex(ONE_LINE))),
      /** The signed note of a checkpoint from before. */
      since: v.optional(v.pipe(v.string(), v.maxLength(1_000), v.regex(NOTE))),
      /** Verifier keys of publishers, separated by spaces. */
      publishers: v.optional(v.pipe(v.string(), v.maxLength(1_500), v.regex(ONE_LINE))),
    }),
    bytes: 'application/x-tar',
    answers: { 200: 'VerifyReport' },
    errors: ['unavailable'],
  },
  streamEvents: {
    id: 'streamEvents',
    method: 'get',
    path: `${WS}/events`,
    permission: 'event.read',
    summary: 'Follow what happens, as server-sent events that hold CloudEvents',
    query: v.strictObject({ action: v.optional(ActionIdSchema) }),
    headers: ['Last-Event-ID'],
    answers: { 200: 'text/event-stream' },
  },
  getUsage: {
    id: 'getUsage',
    method: 'get',
    path: `${WS}/usage`,
    permission: 'usage.read',
    summary: 'Sum up actions, attempts and egress by day and by operation',
    query: UsageQuerySchema,
    answers: { 200: 'Usage' },
  },
} as const satisfies Readonly<Record<string, Operation>>;

export type OperationId = keyof typeof OPERATIONS;
