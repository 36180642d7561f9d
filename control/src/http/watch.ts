/** `/v1/workspaces/{ws}/evidence/verification` and `…/reconciliation`: what the watchers found. */
import type { Context } from '../application/context.ts';
import type { KeptFinding } from '../application/ports/watch-store.ts';
import { reconcile, viewReconciliation } from '../application/reconcile.ts';
import { type Verification, viewVerification } from '../application/view-verification.ts';
import { watchLog } from '../application/watch-log.ts';
import type { Api } from './api.ts';
import { OPERATIONS } from './operations.ts';
import { route } from './route.ts';

export function watchRoutes(app: Api, context: Context): void {
  route(app, context, OPERATIONS.getVerification, async ({ exchange, workspace }) =>
    exchange.json(verificationAnswer(await viewVerification(context, workspace))),
  );

  route(app, context, OPERATIONS.verifyNow, async ({ exchange, workspace }) => {
    await watchLog(context, workspace, { now: true });
    return exchange.json(verificationAnswer(await viewVerification(context, workspace)));
  });

  route(app, context, OPERATIONS.getReconciliation, async ({ exchange, workspace }) => {
    const { findings, ...seen } = await viewReconciliation(context, workspace);
    return exchange.json({ ...seen, findings: findings.map(findingAnswer) });
  });

  route(app, context, OPERATIONS.reconcile, async ({ exchange, workspace, body }) => {
    const { findings, ...report } = await reconcile(context, workspace, body);
    return exchange.json({ ...report, findings: findings.map(findingAnswer) });
  });
}

function verificationAnswer({ progress, findings, frozen, ...seen }: Verification) {
  const { checkedAt, roundAt, roundStartedAt, roundFinishedAt, sampled, sampledAt } = progress;
  return {
    ...seen,
    ...(checkedAt === undefined ? {} : { checkedAt }),
    round: {
      ...(roundAt === undefined ? {} : { at: roundAt }),
      ...(roundStartedAt === undefined ? {} : { startedAt: roundStartedAt }),
      ...(roundFinishedAt === undefined ? {} : { finishedAt: roundFinishedAt }),
    },
    artifacts: { sampled, ...(sampledAt === undefined ? {} : { sampledAt }) },
    ...(frozen ? { frozen } : {}),
    findings: findings.map(findingAnswer),
  };
}

function findingAnswer({ told: _told, subject, ...finding }: KeptFinding) {
  return { ...finding, ...(subject === '' ? {} : { subject }) };
}
