/**
 * Honest stories of actions that were asked for before actions had orders: their entries name no
 * journal, statement or order, and count calls within an attempt.
 */
import type { Digest } from '../digest.ts';
import type { Draft } from './log-builder.ts';

/** Adds an entry about the action. */
export type Step = (
  type: Draft['type'],
  data?: Draft['data'],
  artifacts?: Draft['artifacts'],
) => void;

const attempt = (step: Step, id: string, fence: number, verdict: string, output?: Digest) => {
  step('attempt.started', {
    attempt: id,
    host: 'host-1',
    isolation: 'process',
    engine: 'extism-js/2.0.0-rc13',
    fence,
  });
  return (journalDigest: Digest) =>
    step('attempt.finished', {
      attempt: id,
      verdict,
      ...(verdict === 'lost' ? {} : { usage: { wallMs: 12.5, cpuMs: 3 }, journalDigest }),
      ...(output ? { outputDigest: output } : {}),
      ...(verdict === 'failed' ? { error: { code: 'guest.trap', message: 'unreachable' } } : {}),
    });
};

export interface Digests {
  readonly input: Digest;
  readonly output: Digest;
  readonly journal: Digest;
  readonly other: Digest;
}

export type OlderTell = (step: Step, digests: Digests, id: () => string) => void;

const decided = (tier: string): Draft['data'] => ({
  decision: 'allow',
  tier,
  policyVersion: 1,
  policies: ['starter-read'],
  reasons: [],
});

const egress = (attemptId: string, requestDigest: Digest): Draft['data'] => ({
  attempt: attemptId,
  call: 0,
  method: 'GET',
  host: 'api.stripe.com',
  port: 443,
  path: '/v1/refunds',
  requestDigest,
  bytesOut: 0,
  bytesIn: 0,
  ms: 0,
});

export const OLDER_STORIES = {
  succeeded: (step, { output, journal }, id) => {
    step('policy.decided', decided('auto'));
    const finish = attempt(step, id(), 1, 'succeeded', output);
    finish(journal);
    step('action.succeeded', { outputDigest: output });
  },
  takenOver: (step, { output, journal, other }, id) => {
    step('policy.decided', decided('auto'));
    attempt(step, id(), 1, 'lost')(journal);
    const second = id();
    const finish = attempt(step, second, 2, 'succeeded', output);
    step('egress.denied', { ...egress(second, other), reason: 'no rule names it' });
    finish(journal);
    step('action.succeeded', { outputDigest: output });
  },
  failed: (step, { journal }, id) => {
    step('policy.decided', decided('assisted'));
    attempt(step, id(), 1, 'failed')(journal);
    step('action.failed', { error: { code: 'guest.trap', message: 'unreachable' } });
  },
  denied: (step) => {
    step('policy.decided', { decision: 'deny', policyVersion: 1, policies: [], reasons: ['none'] });
  },
  approved: (step, { output, journal, other }, id) => {
    step('policy.decided', decided('human-approve'));
    step('approval.requested', { approvalDigest: other, quorum: 1 });
    step('approval.granted', { approvalDigest: other, quorum: 1, by: 'person-1', rationale: 'ok' });
    const first = id();
    const finish = attempt(step, first, 1, 'succeeded', output);
    step('egress.intended', egress(first, other));
    step('egress.answered', { ...egress(first, other), status: 200, ms: 1.5 });
    finish(journal);
    step('action.succeeded', { outputDigest: output });
  },
  expired: (step, { other }) => {
    step('policy.decided', decided('human-approve'));
    step('approval.requested', { approvalDigest: other, quorum: 1 });
    step('approval.expired', { approvalDigest: other, quorum: 1 });
  },
  byHand: (step) => {
    step('policy.decided', decided('manual-only'));
    step('action.succeeded', { by: 'person-1', rationale: 'done by hand' });
  },
  cancelled: (step) => {
    step('policy.decided', decided('auto'));
    step('action.cancelled', { by: 'person-1' });
  },
} as const satisfies Readonly<Record<string, OlderTell>>;
