/** `/v1/workspaces/{ws}/credentials`. A secret comes in by a request and is in no answer. */
import type { Context } from '../application/context.ts';
import {
  createCredential,
  credentialRevision,
  revokeCredential,
  rotateCredential,
} from '../application/manage-credentials.ts';
import type { CredentialRecord } from '../application/ports/credential-store.ts';
import { type Api, unwrap } from './api.ts';
import { etag } from './entity-tag.ts';
import { OPERATIONS } from './operations.ts';
import { refuse } from './problems.ts';
import { route } from './route.ts';

export function credentialRoutes(app: Api, context: Context): void {
  route(app, context, OPERATIONS.createCredential, async (asked) => {
    const { exchange, caller, workspace, body } = asked;
    const made = unwrap(await createCredential(context, caller, workspace, body));
    return exchange.json(credentialView(made), 201, {
      location: `/v1/workspaces/${workspace}/credentials/${made.id}`,
      ...etag(credentialRevision(made)),
    });
  });

  route(app, context, OPERATIONS.listCredentials, async ({ exchange, workspace }) => {
    const rows = await context.store.read(workspace, (tx) => tx.listCredentials());
    return exchange.json({ items: rows.map(credentialView) });
  });

  route(app, context, OPERATIONS.getCredential, async ({ exchange, workspace, params }) => {
    const found = await context.store.read(workspace, (tx) => tx.findCredential(params.id));
    if (!found) refuse('not-found', `The workspace has no credential ${params.id}.`);
    return exchange.json(credentialView(found), 200, etag(credentialRevision(found)));
  });

  route(app, context, OPERATIONS.rotateCredential, async (asked) => {
    const { exchange, caller, workspace, params, body, ifMatch } = asked;
    const rotated = unwrap(
      await rotateCredential(context, caller, workspace, params.id, body.value, ifMatch),
    );
    return exchange.json(credentialView(rotated), 200, etag(credentialRevision(rotated)));
  });

  route(app, context, OPERATIONS.revokeCredential, async (asked) => {
    const { exchange, caller, workspace, params, ifMatch } = asked;
    unwrap(await revokeCredential(context, caller, workspace, params.id, ifMatch));
    return exchange.body(null, 204);
  });
}

function credentialView(credential: CredentialRecord): Record<string, unknown> {
  const shown = Object.entries(credential).filter(([, value]) => value !== null);
  return Object.fromEntries(shown);
}
