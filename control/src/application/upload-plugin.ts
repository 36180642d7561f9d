/**
 * Admits an uploaded module, has a sandbox host try it, and makes its version usable, unless it could do
 * more than the version that runs: then people decide about it first. A rejected upload leaves one evidence entry and nothing else.
 */
import { admit } from '@portarium/admission/admit';
import type { Finding } from '@portarium/admission/finding';
import {
  CanonicalJsonError,
  canonicalText,
  type JsonValue,
  parseStrictJson,
} from '@portarium/contracts/canonical-json';
import { digestOf } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { effectiveLimits, PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { type Manifest, ManifestSchema } from '@portarium/contracts/manifest';
import { violationsOf } from '@portarium/contracts/violations';
import * as v from 'valibot';
import { checkSignature, holdKey } from './check-signature.ts';
import { actorOf, type Caller, type Context } from './context.ts';
import { type Failure, failure, type Result, success } from './failure.ts';
import { compareVersion, growthData } from './plugin-approval.ts';
import type { CandidateHost } from './ports/candidate-store.ts';
import { timeText } from './ports/clock.ts';
import type { PluginApprovalRecord } from './ports/plugin-approval-store.ts';
import type { PluginRecord } from './ports/records.ts';
import type { ReadTransaction, WriteTransaction } from './ports/workspace-store.ts';
import { refusedBy } from './regulated-retention.ts';
import { submitAs } from './submit-as.ts';
import { takeOver } from './take-over.ts';
import { tryModule } from './try-module.ts';

export interface Upload {
  readonly manifestText: string;
  readonly module: Uint8Array;
  /** A signed note of a publisher. */
  readonly signature?: string | undefined;
}

/** Media type of the artifact that `plugin.admitted` names: the manifest as canonical JSON. */
const MANIFEST_MEDIA_TYPE = 'application/vnd.portarium.manifest+json';

export async function uploadPlugin(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  upload: Upload,
): Promise<Result<PluginRecord>> {
  const parsed = parseManifest(upload.manifestText);
  if (!parsed.ok) return parsed;
  const manifest = parsed.value;
  const { name, version } = manifest;
  const manifestText = new TextEncoder().encode(canonicalText(manifest as unknown as JsonValue));
  const manifestDigest = await digestOf(manifestText);
  const digest = await digestOf(upload.module);
  const uploaded = { name, version, digest, manifestDigest };
  const refuse = (refused: Rejection) => reject(context, caller, workspace, uploaded, refused);
  const { signed, earlier, regulation } = await context.store.read(workspace, async (tx) => ({
    signed: await checkSignature(tx, uploaded, upload.signature),
    earlier: await tx.findPlugin(name, version),
    regulation: await tx.regulation(),
  }));
  const unfit = await refusedBy(context, regulation);
  if (unfit) return refuse({ rules: [NOT_REGULATED], failure: unfit });
  if (!signed.ok) return refuse({ rules: [signed.rule], failure: signed.failure });
  const admission = await admit(upload.module, manifest, effectiveLimits(manifest.limits), digest);
  if (!admission.ok) return refuse(notAdmitted(admission.findings));
  if (earlier) return isSame(earlier, uploaded) ? success(earlier) : refuse(another(uploaded));
  const id = context.ids.next('plugin');
  const tried = await tryModule(context, workspace, { plugin: id, ...admission });
  if (!tried.ok) return tried;
  const { host, finding, failure: untried } = tried.value;
  if (untried) {
    return refuse({ rules: [NOT_TRIED], failure: untried, ...(host ? { tried: host } : {}) });
  }
  if (finding) return refuse(notAdmitted([finding]));
  // The bytes before the row that names them; both are content-addressed, so a repeat is harmless.
  await context.objects.put(workspace, upload.module, 'compliance');
  await context.objects.put(workspace, admission.module, 'compliance');
  await context.objects.put(workspace, manifestText, 'compliance');
  const admitted: PluginRecord = {
    id,
    name: manifest.name,
    version: manifest.version,
    digest: admission.digest,
    moduleDigest: admission.moduleDigest,
    rewriter: admission.rewriter,
    manifest,
    manifestDigest,
    admission: { ...admission.report, moduleBytes: admission.module.length },
    state: 'active',
    quarantine: null,
    liftedAt: null,
    signature: signed.signature,
    uploadedBy: caller.key.id,
    createdAt: timeText(context.clock.nowMs()),
  };
  return submitAs(context, caller, workspace, async (tx) => {
    await tx.lockPluginVersions(admitted.name);
    const held = await holdKey(tx, uploaded, admitted.signature);
    if (!held.ok) {
      appendRejection(tx, caller, uploaded, { rules: [held.rule] });
      return held.failure;
    }
    const runs = await tx.findPlugin(admitted.name);
    const approval = await approvalOf(tx, workspace, admitted);
    const plugin: PluginRecord = approval ? { ...admitted, state: 'pending-approval' } : admitted;
    if (!(await tx.insertPlugin(plugin))) {
      const winner = await tx.findPlugin(plugin.name, plugin.version);
      if (!winner) throw new Error(`${plugin.name}@${plugin.version} is neither there nor free`);
      if (isSame(winner, uploaded)) return success(winner);
      const { rules, failure: refused } = another(uploaded);
      appendRejection(tx, caller, uploaded, { rules });
      return refused;
    }
    if (approval) await tx.insertPluginApproval(approval);
    else await takeOver(tx, plugin, runs, { by: caller.key.id, at: plugin.createdAt });
    const sizes = [upload.module.length, manifestText.length] as const;
    appendUpload(tx, caller, plugin, { sizes, approval, tried: host });
    return success(plugin);
  });
}

/** @param told with the bytes of the module and of the manifest */
function appendUpload(
  tx: WriteTransaction,
  caller: Caller,
  plugin: PluginRecord,
  told: {
    readonly sizes: readonly [module: number, manifest: number];
    readonly approval: PluginApprovalRecord | undefined;
    readonly tried: CandidateHost;
  },
): void {
  const { name, version, digest, manifestDigest, moduleDigest, rewriter, signature } = plugin;
  const { approval, tried } = told;
  const [module, manifest] = told.sizes;
  const [actor, subject] = [actorOf(caller), { plugin: digest }];
  tx.append({
    ...{ type: 'plugin.admitted', actor, subject, trace: caller.trace },
    data: {
      ...{ name, version, manifestDigest, moduleDigest, rewriter, tried },
      ...(signature === null ? {} : { signature }),
    },
    artifacts: [
      { digest, bytes: module, mediaType: 'application/wasm', retention: 'compliance' },
      {
        digest: manifestDigest,
        bytes: manifest,
        mediaType: MANIFEST_MEDIA_TYPE,
        retention: 'compliance',
      },
    ],
  });
  if (!approval) return;
  tx.append({
    ...{ type: 'plugin.approval-requested', actor, subject, trace: caller.trace },
    data: {
      ...growthData(approval, approval.quorum),
      growth: approval.statement.growth.map(({ kind, name: what }) => `${kind} ${what}`),
      roles: approval.roles,
    },
  });
}

/** @returns undefined when it may run at once: it can do no more than what runs, or is the first */
async function approvalOf(
  tx: ReadTransaction,
  workspace: WorkspaceId,
  plugin: PluginRecord,
): Promise<PluginApprovalRecord | undefined> {
  const asked = await compareVersion(tx, workspace, plugin);
  if (!asked || asked.statement.growth.length === 0) return undefined;
  const { quorum, roles } = await tx.approvalRules();
  return { plugin: plugin.id, ...asked, quorum, roles };
}

/** A repeated upload answers what is there; versions are immutable. */
function isSame(plugin: PluginRecord, { digest, manifestDigest }: Uploaded): boolean {
  return plugin.digest === digest && plugin.manifestDigest === manifestDigest;
}

function another({ name, version }: Uploaded): Rejection {
  const detail = `${name}@${version} exists with another module or manifest.`;
  return { rules: ['version.exists'], failure: failure('plugin.version-exists', detail) };
}

function parseManifest(text: string): Result<Manifest> {
  if (text.length > PLATFORM_LIMITS.manifestBytes) {
    return failure(
      'body.too-large',
      `The manifest has more than ${PLATFORM_LIMITS.manifestBytes} bytes.`,
    );
  }
  let value: unknown;
  try {
    value = parseStrictJson(text);
  } catch (error) {
    const message =
      error instanceof CanonicalJsonError || error instanceof SyntaxError
        ? error.message
        : 'unreadable';
    return failure('request.malformed', `The part "manifest" is not JSON: ${message}`, {
      errors: [{ pointer: '/manifest', message }],
    });
  }
  const parsed = v.safeParse(ManifestSchema, value);
  if (parsed.success) return success(parsed.output);
  return failure('input.invalid', 'The manifest is not a plugin.json of schema 1.', {
    errors: violationsOf(parsed.issues).map(({ pointer, message }) => ({
      pointer: `/manifest${pointer}`,
      message,
    })),
  });
}

type Uploaded = Pick<PluginRecord, 'name' | 'version' | 'digest' | 'manifestDigest'>;

/** What `plugin.rejected` says beside what was uploaded. */
interface Refused {
  /** What it breaks. */
  readonly rules: readonly string[];
  /** The host that had it when nothing was heard of it any more. */
  readonly tried?: CandidateHost;
}

interface Rejection extends Refused {
  readonly failure: Failure;
}

/** As `plugin.rejected` names it: what a host did not live to tell of has to be on record above all. */
const NOT_TRIED = 'module.not-tried';
const NOT_REGULATED = 'store.not-regulated';

function appendRejection(
  tx: WriteTransaction,
  caller: Caller,
  { name, version, digest }: Uploaded,
  { rules, tried }: Refused,
): void {
  tx.append({
    type: 'plugin.rejected',
    actor: actorOf(caller),
    subject: { plugin: digest },
    data: { name, version, rules, ...(tried ? { tried } : {}) },
    trace: caller.trace,
  });
}

async function reject(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  uploaded: Uploaded,
  refused: Rejection,
): Promise<Failure> {
  await context.store.submit(workspace, async (tx) => {
    appendRejection(tx, caller, uploaded, refused);
  });
  return refused.failure;
}

function notAdmitted(findings: readonly Finding[]): Rejection {
  return {
    rules: [...new Set(findings.map(({ rule }) => rule))],
    failure: failure(
      'plugin.not-admitted',
      `The upload breaks ${findings.length === 1 ? 'a rule' : `${findings.length} rules`} of admission; nothing was stored.`,
      { extensions: { admission: { findings } } },
    ),
  };
}
