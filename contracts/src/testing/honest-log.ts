/** An honest log with every kind of story that an action can have, and bundles of it. */
import { parse } from 'valibot';
import { buildBundle } from '../bundle.ts';
import { checkpointText } from '../checkpoint.ts';
import { type Digest, digestOf } from '../digest.ts';
import { ActionIdSchema } from '../ids.ts';
import { merkleRoot } from '../merkle.ts';
import { signNote } from '../signed-note.ts';
import { type Draft, LogBuilder } from './log-builder.ts';
import { type TestKey, testKey } from './test-key.ts';

export const INSTANCE = 'test';
export const WORKSPACE = 'acme';
export const ORIGIN = `${INSTANCE}/${WORKSPACE}`;

const encoder = new TextEncoder();
const MODULE = encoder.encode('\0asm as far as a verifier cares');
const INPUT = encoder.encode('{"charge":"ch_1"}');
const OUTPUT = encoder.encode('{"id":"re_1","status":"succeeded"}');
const JOURNAL = encoder.encode('[]');

export interface HonestLog {
  readonly log: LogBuilder;
  /** One of each story, in the order of {@link STORIES}. */
  readonly actions: readonly string[];
  readonly artifacts: ReadonlyMap<Digest, Uint8Array>;
  readonly modules: ReadonlyMap<Digest, Uint8Array>;
}

type Step = (type: Draft['type'], data?: Draft['data'], artifacts?: Draft['artifacts']) => void;

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

interface Digests {
  readonly input: Digest;
  readonly output: Digest;
  readonly journal: Digest;
  readonly other: Digest;
}

type Tell = (step: Step, digests: Digests, id: () => string) => void;

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
  ms: 1.5,
});

/** Stories by name; all but `open` come to an end. */
export const STORIES = {
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
    step('egress.answered', { ...egress(first, other), status: 200 });
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
  open: (step, _digests, id) => {
    step('policy.decided', decided('auto'));
    attempt(step, id(), 1, 'succeeded');
  },
} as const satisfies Readonly<Record<string, Tell>>;

export type StoryName = keyof typeof STORIES;

/** @param names stories in order; every story once when left out */
export async function honestLog(
  names: readonly StoryName[] = Object.keys(STORIES) as StoryName[],
): Promise<HonestLog> {
  const log = new LogBuilder(WORKSPACE);
  const digests: Digests = {
    input: await digestOf(INPUT),
    output: await digestOf(OUTPUT),
    journal: await digestOf(JOURNAL),
    other: await digestOf(encoder.encode('other')),
  };
  const module = await digestOf(MODULE);
  await log.append({ type: 'workspace.created', subject: {}, data: { name: 'Acme' } });
  await log.append({ type: 'plugin.admitted', subject: { plugin: module }, data: {} });
  const actions: string[] = [];
  for (const name of names) {
    const action = log.id('action');
    actions.push(action);
    const drafts: Draft[] = [requested(action, digests)];
    const tell: Tell = STORIES[name];
    tell(
      (type, data = {}, artifacts = []) =>
        drafts.push({ type, data, artifacts, subject: { action } }),
      digests,
      () => log.id('attempt'),
    );
    for (const draft of drafts) await log.append(draft);
  }
  return {
    log,
    actions,
    artifacts: new Map([[digests.input, INPUT]]),
    modules: new Map([[module, MODULE]]),
  };
}

function requested(action: string, digests: Digests): Draft {
  const artifact = (digest: Digest, bytes: Uint8Array) =>
    ({
      digest,
      bytes: bytes.length,
      mediaType: 'application/json',
      retention: 'operational',
    }) as const;
  return {
    type: 'action.requested',
    subject: { action },
    data: {
      operation: 'listRefunds',
      effect: 'read',
      plugin: 'stripe-refunds',
      version: '1.2.0',
      inputDigest: digests.input,
      contractDigest: digests.other,
    },
    // The output is left out of the bundles, so that an omission is part of every test.
    artifacts: [artifact(digests.input, INPUT), artifact(digests.output, OUTPUT)],
  };
}

/** The signed note of the log's first `size` entries. */
export async function checkpointAt(log: LogBuilder, size: number, key: TestKey): Promise<string> {
  const root = await merkleRoot((await log.leaves()).slice(0, size));
  const text = checkpointText({ origin: ORIGIN, size, root });
  return signNote(text, key.name, key.privateKey, key.publicKey);
}

/** The key that signs honest bundles; tests pin its verifier key. */
export function logKey(): Promise<TestKey> {
  return testKey(ORIGIN);
}

/** A bundle of the whole log, signed up to `size` (all of it when left out). */
export async function wholeBundle(
  { log, artifacts, modules }: HonestLog,
  size = log.entries.length,
): Promise<Uint8Array> {
  const key = await logKey();
  return buildBundle({
    instance: INSTANCE,
    workspace: WORKSPACE,
    asked: {},
    entries: log.entries,
    checkpoint: await checkpointAt(log, size, key),
    verifierKeys: [key.verifierKey],
    artifacts,
    modules,
  });
}

/** A bundle of one action, with the proofs that the signed size gives. */
export async function actionBundle(
  { log, artifacts, modules }: HonestLog,
  action: string,
  size = log.entries.length,
): Promise<Uint8Array> {
  const key = await logKey();
  return buildBundle({
    instance: INSTANCE,
    workspace: WORKSPACE,
    asked: { action: parse(ActionIdSchema, action) },
    entries: log.entries,
    checkpoint: await checkpointAt(log, size, key),
    verifierKeys: [key.verifierKey],
    artifacts,
    modules,
  });
}
