/** `/v1/workspaces/{ws}/credentials`. A secret comes in by a request and is in no answer. */
import { CredentialIdSchema } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Context } from '../application/context.ts';
import {
  CreateCredentialSchema,
  createCredential,
  RotateCredentialSchema,
  revokeCredential,
  rotateCredential,
} from '../application/manage-credentials.ts';
import type { CredentialRecord } from '../application/ports/credential-store.ts';
import { type Api, allowInWorkspace, unwrap } from './api.ts';
import { parsePath, readJson } from './read-body.ts';

export function credentialRoutes(app: Api, context: Context): void {
  app.post('/v1/workspaces/:ws/credentials', async (exchange) => {
    const { workspace, caller } = await allowInWorkspace(context, exchange, 'credential.manage');
    const wanted = await readJson(
      exchange.req.raw,
      CreateCredentialSchema,
      PLATFORM_LIMITS.bodyBytes,
    );
    const made = unwrap(await createCredential(context, caller, workspace, wanted));
    return exchange.json(credentialView(made), 201, {
      location: `/v1/workspaces/${workspace}/credentials/${made.id}`,
    });
  });

  app.get('/v1/workspaces/:ws/credentials', async (exchange) => {
    const { workspace } = await allowInWorkspace(context, exchange, 'credential.read');
    const rows = await context.store.read(workspace, (tx) => tx.listCredentials());
    return exchange.json({ items: rows.map(credentialView) });
  });

  app.post('/v1/workspaces/:ws/credentials/:id/rotate', async (exchange) => {
    const { workspace, caller } = await allowInWorkspace(context, exchange, 'credential.manage');
    const id = parsePath(CredentialIdSchema, exchange.req.param('id'), 'credential');
    const { value } = await readJson(
      exchange.req.raw,
      RotateCredentialSchema,
      PLATFORM_LIMITS.bodyBytes,
    );
    return exchange.json(
      credentialView(unwrap(await rotateCredential(context, caller, workspace, id, value))),
    );
  });

  app.delete('/v1/workspaces/:ws/credentials/:id', async (exchange) => {
    const { workspace, caller } = await allowInWorkspace(context, exchange, 'credential.manage');
    const id = parsePath(CredentialIdSchema, exchange.req.param('id'), 'credential');
    unwrap(await revokeCredential(context, caller, workspace, id));
    return exchange.body(null, 204);
  });
}

function credentialView(credential: CredentialRecord): Record<string, unknown> {
  const shown = Object.entries(credential).filter(([, value]) => value !== null);
  return Object.fromEntries(shown);
}
