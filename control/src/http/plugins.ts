/** `/v1/workspaces/{ws}/plugins` and their egress. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { plainText } from '@portarium/contracts/plain-text';
import type { Caller, Context } from '../application/context.ts';
import { decidePlugin } from '../application/decide-plugin.ts';
import { type EgressView, egressRevision, grantEgress } from '../application/grant-egress.ts';
import { type PluginApprovalView, viewPluginApproval } from '../application/plugin-approval.ts';
import type { PluginRecord } from '../application/ports/records.ts';
import type { Quarantine } from '../application/ports/version-store.ts';
import type { ReadTransaction } from '../application/ports/workspace-store.ts';
import { setQuarantine } from '../application/quarantine-version.ts';
import {
  setCurrentVersion,
  type VersionsView,
  viewVersions,
} from '../application/set-current-version.ts';
import { type Upload, uploadPlugin } from '../application/upload-plugin.ts';
import { type Api, type Exchange, unwrap } from './api.ts';
import { etag } from './entity-tag.ts';
import { InFlight } from './in-flight.ts';
import { OPERATIONS } from './operations.ts';
import { ProblemError, refuse } from './problems.ts';
import { readBytes } from './read-body.ts';
import { route } from './route.ts';

/** Room for the multipart frame around module, manifest and signature. */
const MULTIPART_OVERHEAD = 64 * 1024;

/** Parts of an upload that nobody asked for, of which a problem tells. */
const SHOWN_PARTS = 20;

export function pluginRoutes(app: Api, context: Context): void {
  // Before a byte is read: what an upload holds of memory is a multiple of its module.
  const uploads = new InFlight(PLATFORM_LIMITS.candidates, PLATFORM_LIMITS.uploads);
  route(app, context, OPERATIONS.uploadPlugin, async ({ exchange, caller, workspace }) => {
    if (!uploads.enter(workspace)) return tooManyUploads(workspace);
    try {
      const upload = await readUpload(exchange.req.raw);
      const plugin = unwrap(await uploadPlugin(context, caller, workspace, upload));
      return exchange.json(pluginView(plugin), 201);
    } finally {
      uploads.leave(workspace);
    }
  });

  route(app, context, OPERATIONS.listPlugins, async ({ exchange, workspace }) => {
    const plugins = await context.store.read(workspace, (tx) => tx.listPlugins());
    return exchange.json({ items: plugins.map(pluginView) });
  });

  route(app, context, OPERATIONS.getPlugin, async ({ exchange, workspace, params }) => {
    const plugin = await context.store.read(workspace, (tx) => shown(tx, params.name));
    if (!plugin) return noPlugin(params.name);
    return exchange.json({ ...pluginView(plugin), manifest: plugin.manifest });
  });

  route(app, context, OPERATIONS.listVersions, async ({ exchange, workspace, params }) => {
    const view = await context.store.read(workspace, (tx) => viewVersions(tx, params.name));
    return versionsAnswer(exchange, view ?? noPlugin(params.name));
  });

  route(app, context, OPERATIONS.getVersion, async ({ exchange, caller, workspace, params }) =>
    exchange.json(await versionAnswer(context, caller, workspace, params)),
  );

  route(app, context, OPERATIONS.decidePlugin, async (asked) => {
    const { exchange, caller, workspace, params, body } = asked;
    unwrap(await decidePlugin(context, caller, workspace, params, body));
    return exchange.json(await versionAnswer(context, caller, workspace, params));
  });

  route(app, context, OPERATIONS.setCurrentVersion, async (asked) => {
    const { exchange, caller, workspace, params, body, ifMatch } = asked;
    const view = await setCurrentVersion(context, caller, workspace, params.name, body, ifMatch);
    return versionsAnswer(exchange, unwrap(view));
  });

  route(app, context, OPERATIONS.setQuarantine, async (asked) => {
    const { exchange, caller, workspace, params, body } = asked;
    unwrap(await setQuarantine(context, caller, workspace, params, body));
    return exchange.json(await versionAnswer(context, caller, workspace, params));
  });

  route(app, context, OPERATIONS.grantEgress, async (asked) => {
    const { exchange, caller, workspace, params, body, ifMatch } = asked;
    const view = await grantEgress(context, caller, workspace, params.name, body, ifMatch);
    return egressAnswer(exchange, unwrap(view));
  });

  route(app, context, OPERATIONS.getEgress, async ({ exchange, workspace, params }) => {
    const { plugin, grant } = await context.store.read(workspace, async (tx) => ({
      plugin: await shown(tx, params.name),
      grant: await tx.findEgressGrant(params.name),
    }));
    if (!plugin) return noPlugin(params.name);
    return egressAnswer(exchange, { plugin, grant });
  });
}

/** The version that runs; where none may, the newest, so that somebody can see why. */
async function shown(tx: ReadTransaction, name: string): Promise<PluginRecord | undefined> {
  return (await tx.findPlugin(name)) ?? (await tx.listVersions(name))[0];
}

function noPlugin(name: string): never {
  return refuse('not-found', `The workspace has no plugin ${name}.`);
}

async function versionAnswer(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  { name, version }: Pick<PluginRecord, 'name' | 'version'>,
): Promise<Record<string, unknown>> {
  const found = await context.store.read(workspace, async (tx) => {
    const plugin = await tx.findPlugin(name, version);
    return plugin && { plugin, approval: await viewPluginApproval(tx, caller, workspace, plugin) };
  });
  if (!found) return noPlugin(`${name}@${version}`);
  const { plugin, approval } = found;
  return {
    ...pluginView(plugin),
    manifest: plugin.manifest,
    ...(approval === undefined ? {} : { approval: approvalView(approval) }),
  };
}

function approvalView(approval: PluginApprovalView): Record<string, unknown> {
  const { statement, digest, quorum, roles, excluded, decisions, refusal } = approval;
  return {
    ...{ statement, digest, quorum, roles, excluded },
    decisions: decisions.map(({ person, decision, rationale, at }) => ({
      ...{ person, decision, at },
      rationale: plainText(rationale, 2_000),
    })),
    ...(refusal === undefined ? {} : { refusal: { code: refusal.code, detail: refusal.detail } }),
  };
}

function versionsAnswer(exchange: Exchange, { versions, current }: VersionsView): Response {
  const body = {
    current: current.version,
    ...(current.weights === null ? {} : { weights: current.weights }),
    items: versions.map(pluginView),
  };
  return exchange.json(body, 200, etag(String(current.revision)));
}

function tooManyUploads(workspace: WorkspaceId): never {
  const detail = `${workspace}, or this instance, has as many uploads under way as it may have.`;
  throw new ProblemError({ code: 'rate.limited', detail }, { 'retry-after': '1' });
}

async function readUpload(request: Request): Promise<Upload> {
  const contentType = request.headers.get('content-type') ?? '';
  if (!/^multipart\/form-data\s*;/i.test(contentType)) {
    refuse(
      'media.unsupported',
      'This route reads multipart/form-data with the parts manifest and module, and perhaps signature.',
    );
  }
  const maxBytes = PLATFORM_LIMITS.moduleBytes + PLATFORM_LIMITS.manifestBytes + MULTIPART_OVERHEAD;
  const bytes = await readBytes(request, maxBytes);
  let form: FormData;
  try {
    form = await new Response(bytes as Uint8Array<ArrayBuffer>, {
      headers: { 'content-type': contentType },
    }).formData();
  } catch {
    return refuse('request.malformed', 'The body is not multipart/form-data.', [
      { pointer: '', message: 'expected the parts manifest and module' },
    ]);
  }
  const unknown = [...form.keys()].filter(
    (name) => !['manifest', 'module', 'signature'].includes(name),
  );
  const errors = unknown.slice(0, SHOWN_PARTS).map((name) => ({
    pointer: `/${plainText(name, 64)}`,
    message: 'this part is not known here',
  }));
  for (const name of ['manifest', 'module', 'signature']) {
    if (form.getAll(name).length > 1)
      errors.push({ pointer: `/${name}`, message: 'this part stands twice' });
  }
  const manifest = form.get('manifest');
  const module = form.get('module');
  if (manifest === null)
    errors.push({ pointer: '/manifest', message: 'this part is missing; expected plugin.json' });
  if (module === null || typeof module === 'string')
    errors.push({
      pointer: '/module',
      message: 'this part is missing or not a file; expected application/wasm',
    });
  if (errors.length > 0 || manifest === null || module === null || typeof module === 'string') {
    return refuse(
      'input.invalid',
      'The parts of the upload are not what this route reads.',
      errors,
    );
  }
  const manifestText = typeof manifest === 'string' ? manifest : await manifest.text();
  const signature = form.get('signature');
  // Senders of forms write the line ends of a field, unlike those of a file, as CR LF.
  const note =
    typeof signature === 'string' ? signature.replaceAll('\r\n', '\n') : signature?.text();
  return {
    manifestText,
    module: new Uint8Array(await module.arrayBuffer()),
    signature: (await note) ?? undefined,
  };
}

function pluginView(plugin: PluginRecord): Record<string, unknown> {
  return {
    name: plugin.name,
    version: plugin.version,
    digest: plugin.digest,
    state: plugin.state,
    ...(plugin.quarantine === null ? {} : { quarantine: quarantineView(plugin.quarantine) }),
    ...(plugin.signature === null ? {} : { signature: plugin.signature }),
    description: plainText(plugin.manifest.description),
    operations: plugin.manifest.operations.map(({ name, effect, encoding }) => ({
      name,
      effect,
      encoding,
    })),
    admission: {
      ...plugin.admission,
      moduleDigest: plugin.moduleDigest,
      rewriter: plugin.rewriter,
    },
    createdAt: plugin.createdAt,
  };
}

function quarantineView(quarantine: Quarantine): Quarantine {
  if (quarantine.cause === 'crashes') return quarantine;
  return { ...quarantine, rationale: plainText(quarantine.rationale, 2_000) };
}

function egressAnswer(exchange: Exchange, view: EgressView): Response {
  const { plugin, grant, changed } = view;
  const body = {
    plugin: {
      name: plugin.name,
      version: plugin.version,
      rules: plugin.manifest.egress,
      credentials: plugin.manifest.credentials,
    },
    operator: {
      rules: grant?.rules ?? [],
      networks: grant?.networks ?? [],
      revision: grant?.revision ?? 0,
    },
    ...(changed === undefined ? {} : { changed }),
  };
  return exchange.json(body, 200, etag(egressRevision(view)));
}
