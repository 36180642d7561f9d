/** The steps of a write: asked for, shown, approved by somebody else, done once. */

import { checkApproval } from '@portarium/client/approval-check';
import { canonicalText } from '@portarium/contracts/canonical-json';
import { isSettled } from '@portarium/contracts/life-cycle';
import {
  type DemoBench,
  type DemoStep,
  expect,
  expectState,
  refusalOf,
  STRIPE_HOST,
} from './bench.ts';

const INPUT = { charge: 'ch_demo', amount: 40, reason: 'requested_by_customer' };

export function writeSteps(bench: DemoBench): readonly DemoStep[] {
  const { as, run, state } = bench;
  return [
    {
      name: 'refund',
      title: 'an agent asks for a refund, which waits for a person',
      async run() {
        const action = await run('stripe-refunds', 'createRefund', INPUT);
        expectState(action, 'waiting-approval');
        state.refund = action.id;
        const { request, digest, calls } = await waitingApproval(bench);
        const [call] = calls.filter(({ methods }) => methods.includes('POST'));
        expect(canonicalText(request.input) === canonicalText(INPUT), 'another input is shown');
        expect(call?.host === STRIPE_HOST && call.path === '/v1/refunds', 'another call is shown');
        expect(
          request.credentials.some(({ name, id }) => name === 'stripe' && id === state.credential),
          'the credential is not shown',
        );
        expect((await as('operator').actions.journal(action.id)).length === 0, 'a call was made');
        return {
          shown: `${canonicalText(request.input)} by POST to ${call.host}:${call.port}${call.path} with credential stripe; nothing was sent`,
          data: { action: action.id, digest },
        };
      },
    },
    {
      name: 'own-approval',
      title: 'whoever asked tries to approve it',
      async run() {
        const { approval, request, digest } = await waitingApproval(bench);
        const decision = { decision: 'approve', rationale: 'my own', digest } as const;
        const agent = await refusalOf(as('agent').approvals.decide(approval.id, decision));
        const { owner } = request.requestedBy;
        const key = await as('admin').keys.create({ name: 'demo', owner, role: 'approver' });
        const { approvals } = bench.withKey(key.key);
        const error = await refusalOf(approvals.decide(approval.id, decision));
        await as('admin').keys.revoke(key.id);
        expect(agent.code === 'auth.forbidden', `the agent’s key: ${agent.message}`);
        expect(error.code === 'approval.excluded', `another key of ${owner}: ${error.message}`);
        return {
          shown: `refused, also with an approver’s key of ${owner}`,
          data: { codes: [agent.code, error.code] },
        };
      },
    },
    {
      name: 'approve',
      title: 'another person approves exactly that',
      async run() {
        const { approval, digest } = await waitingApproval(bench);
        const decision = { decision: 'approve', rationale: 'the demo checked it', digest } as const;
        const { approvals, actions } = as('approver');
        expect((await approvals.decide(approval.id, decision)).state === 'granted', 'not granted');
        const again = await refusalOf(approvals.decide(approval.id, decision));
        expect(again.status === 409, `a second decision: ${again.message}`);
        const action = await actions.waitFor(state.refund);
        expectState(action, 'succeeded');
        const journal = await actions.journal(action.id);
        const [call] = journal;
        expect(
          journal.length === 1 && call?.method === 'POST' && call.verdict === 'allowed',
          `the journal is not one refund: ${JSON.stringify(journal)}`,
        );
        const { items } = await as('auditor').evidence.page({ action: action.id });
        const count = (type: string) => items.filter(({ entry }) => entry.type === type).length;
        for (const type of ['approval.granted', 'egress.intended', 'egress.answered']) {
          expect(count(type) === 1, `the evidence has ${count(type)} entries ${type}`);
        }
        const { id, amount } = action.output as { id: string; amount: number };
        return {
          shown: `${id} over ${amount}, asked of Stripe once; intent and answer are in the evidence`,
          data: { action: action.id, calls: journal.length, refund: id },
        };
      },
    },
    {
      name: 'changed-input',
      title: 'the agent changes what it asked for while it waits',
      async run() {
        const first = await run('stripe-refunds', 'createRefund', { ...INPUT, amount: 50 });
        const changed = { ...INPUT, amount: 51 };
        const second = await run('stripe-refunds', 'createRefund', changed, first.id);
        expectState(second, 'waiting-approval');
        const [before, after] = [first.approval, second.approval];
        expect(before !== undefined && after !== undefined, 'an approval is missing');
        expect(before.digest !== after.digest, 'both have one digest');
        const { approvals, actions } = as('approver');
        expectState(await actions.get(first.id), 'cancelled');
        const { digest } = before;
        const decision = { decision: 'approve', rationale: 'seen before', digest } as const;
        const old = await refusalOf(approvals.decide(before.id, decision));
        const other = await refusalOf(approvals.decide(after.id, decision));
        expect(old.status === 409 && other.status === 409, `${old.message} ${other.message}`);
        const left = await actions.get(second.id);
        if (!isSettled(left.state)) await as('agent').actions.cancel(second.id);
        return {
          shown: `the approval of before is void (${old.code}), and its digest does not pass for the other (${other.code})`,
          data: { codes: [old.code, other.code], replaced: first.id },
        };
      },
    },
  ];
}

/** The approval that the refund waits for, as `portarium approve` checks and shows it. */
async function waitingApproval({ as, stack, state }: DemoBench) {
  const { actions, approvals } = as('approver');
  const { approval } = await actions.get(state.refund);
  expect(approval?.state === 'open', 'the refund does not wait for an approval');
  return checkApproval(await approvals.get(approval.id), stack.workspace);
}
