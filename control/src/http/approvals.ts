/** `/v1/workspaces/{ws}/approvals` and `…/approval-rules`. */
import { ApprovalIdSchema } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import * as v from 'valibot';
import type { Context } from '../application/context.ts';
import { DecideApprovalSchema, decideApproval } from '../application/decide-approval.ts';
import { APPROVAL_STATES } from '../application/ports/approval-store.ts';
import { ApprovalRulesSchema, setApprovalRules } from '../application/set-approval-rules.ts';
import { approvalSummary, viewApproval } from '../application/view-approval.ts';
import { type Api, allowInWorkspace, unwrap } from './api.ts';
import { pageLimit } from './page-limit.ts';
import { refuse } from './problems.ts';
import { parseInput, parsePath, readJson } from './read-body.ts';

const ListSchema = v.strictObject({
  limit: pageLimit(50),
  cursor: v.optional(ApprovalIdSchema),
  state: v.optional(v.picklist(APPROVAL_STATES)),
});

export function approvalRoutes(app: Api, context: Context): void {
  app.get('/v1/workspaces/:ws/approvals', async (exchange) => {
    const { workspace } = await allowInWorkspace(context, exchange, 'approval.read');
    const { limit, cursor, state } = parseInput(ListSchema, exchange.req.query());
    const rows = await context.store.read(workspace, async (tx) => {
      const approvals = await tx.listApprovals({
        limit: limit + 1,
        ...(cursor === undefined ? {} : { before: cursor }),
        ...(state === undefined ? {} : { state }),
      });
      const summaries = [];
      for (const approval of approvals) {
        const action = await tx.findAction(approval.action);
        summaries.push({
          id: approval.id,
          ...approvalSummary(approval, await tx.listDecisions(approval.id)),
          plugin: action && `${action.plugin}@${action.version}`,
        });
      }
      return summaries;
    });
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    return exchange.json({ items, ...(rows.length > limit && last ? { next: last.id } : {}) });
  });

  app.get('/v1/workspaces/:ws/approvals/:id', async (exchange) => {
    const { workspace, caller } = await allowInWorkspace(context, exchange, 'approval.read');
    const id = parsePath(ApprovalIdSchema, exchange.req.param('id'), 'approval');
    const view = await viewApproval(context, caller, workspace, id);
    if (!view) refuse('not-found', `The workspace has no approval ${id}.`);
    return exchange.json(view);
  });

  app.post('/v1/workspaces/:ws/approvals/:id/decisions', async (exchange) => {
    const { workspace, caller } = await allowInWorkspace(context, exchange, 'approval.decide');
    const id = parsePath(ApprovalIdSchema, exchange.req.param('id'), 'approval');
    const wanted = await readJson(
      exchange.req.raw,
      DecideApprovalSchema,
      PLATFORM_LIMITS.bodyBytes,
    );
    unwrap(await decideApproval(context, caller, workspace, id, wanted));
    return exchange.json((await viewApproval(context, caller, workspace, id)) ?? {});
  });

  app.get('/v1/workspaces/:ws/approval-rules', async (exchange) => {
    const { workspace } = await allowInWorkspace(context, exchange, 'approval.read');
    return exchange.json(await context.store.read(workspace, (tx) => tx.approvalRules()));
  });

  app.put('/v1/workspaces/:ws/approval-rules', async (exchange) => {
    const { workspace, caller } = await allowInWorkspace(
      context,
      exchange,
      'approval-rules.manage',
    );
    const wanted = await readJson(exchange.req.raw, ApprovalRulesSchema, PLATFORM_LIMITS.bodyBytes);
    return exchange.json(unwrap(await setApprovalRules(context, caller, workspace, wanted)));
  });
}
