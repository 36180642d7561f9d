/** `/v1/workspaces/{ws}/approvals` and `…/approval-rules`. */
import type { Context } from '../application/context.ts';
import { decideApproval } from '../application/decide-approval.ts';
import type { ApprovalRules } from '../application/ports/approval-store.ts';
import { setApprovalRules } from '../application/set-approval-rules.ts';
import { approvalSummary, viewApproval } from '../application/view-approval.ts';
import { type Api, type Exchange, unwrap } from './api.ts';
import { etag } from './entity-tag.ts';
import { OPERATIONS } from './operations.ts';
import { refuse } from './problems.ts';
import { route } from './route.ts';

export function approvalRoutes(app: Api, context: Context): void {
  route(app, context, OPERATIONS.listApprovals, async ({ exchange, workspace, query }) => {
    const { limit, cursor, state } = query;
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

  route(app, context, OPERATIONS.getApproval, async ({ exchange, caller, workspace, params }) => {
    const view = await viewApproval(context, caller, workspace, params.id);
    if (!view) refuse('not-found', `The workspace has no approval ${params.id}.`);
    return exchange.json(view);
  });

  route(app, context, OPERATIONS.decideApproval, async (asked) => {
    const { exchange, caller, workspace, params, body } = asked;
    unwrap(await decideApproval(context, caller, workspace, params.id, body));
    return exchange.json((await viewApproval(context, caller, workspace, params.id)) ?? {});
  });

  route(app, context, OPERATIONS.getApprovalRules, async ({ exchange, workspace }) =>
    rulesAnswer(exchange, await context.store.read(workspace, (tx) => tx.approvalRules())),
  );

  route(app, context, OPERATIONS.setApprovalRules, async (asked) => {
    const { exchange, caller, workspace, body, ifMatch } = asked;
    const rules = await setApprovalRules(context, caller, workspace, body, ifMatch);
    return rulesAnswer(exchange, unwrap(rules));
  });
}

function rulesAnswer(exchange: Exchange, rules: ApprovalRules): Response {
  return exchange.json(rules, 200, etag(String(rules.revision)));
}
