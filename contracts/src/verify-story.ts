/**
 * Checks the story of one action: its own chain, its order of events, its count. Knows the life
 * cycle from the entries alone and never looks at an action's neighbours.
 */
import { ORDER_MEDIA_TYPE } from './action-order.ts';
import { type Entry, endsAction } from './evidence-entry.ts';
import type { BundleArtifacts } from './verify-artifacts.ts';
import { OrderedStory } from './verify-ordered-story.ts';
import type { Findings, ReadEntry, Say } from './verify-report.ts';
import { checkDraw } from './verify-versions.ts';

interface Story {
  /** Of an action that has an order; older ones have none. */
  readonly ordered: OrderedStory | undefined;
  readonly dryRun: boolean;
  decision?: { readonly allowed: boolean; readonly tier: unknown };
  approvalDigest?: unknown;
  narrowed: boolean;
  approved: boolean;
  readonly open: Set<string>;
  readonly attempts: Set<string>;
  readonly intended: Set<string>;
  fence: number;
  succeeded: boolean;
  readonly outputs: Set<unknown>;
  ended?: string;
}

/**
 * @param entries those of one action, in the order of the log
 * @returns the type of the entry that ends the action, or undefined
 */
export async function checkStory(
  entries: readonly ReadEntry[],
  artifacts: BundleArtifacts,
  findings: Findings,
): Promise<string | undefined> {
  const story: Story = {
    ordered: orderedStory(entries[0], artifacts),
    dryRun: entries[0]?.entry.data.dryRun === true,
    narrowed: false,
    approved: false,
    open: new Set(),
    attempts: new Set(),
    intended: new Set(),
    fence: 0,
    succeeded: false,
    outputs: new Set(),
  };
  for (const [index, read] of entries.entries()) {
    const seen = findings.about(read);
    const { entry, say } = seen;
    checkOwnChain(entry, index, entries[index - 1], say);
    checkOrder(entry, index, story, say);
    checkEvent(entry, story, say);
    if (entry.data.rollout !== undefined) await checkDraw(seen);
    if (story.ordered) await story.ordered.see(seen);
    checkEnd(entry, index, story, say);
  }
  return story.ended;
}

/** Entries of an action that began before them: they follow one another, and more can not be told. */
export function checkPartOfStory(entries: readonly ReadEntry[], findings: Findings): void {
  let before: ReadEntry | undefined;
  for (const read of entries) {
    const { entry, say } = findings.about(read);
    if (before) checkOwnChain(entry, (before.entry.actionSeq ?? 0) + 1, before, say);
    else if (entry.actionPrev === null || entry.actionPrev === undefined) {
      say('action.chain', 'has no actionPrev, and is not the first of its action');
    }
    before = read;
  }
}

function orderedStory(
  first: ReadEntry | undefined,
  artifacts: BundleArtifacts,
): OrderedStory | undefined {
  if (first?.entry.type !== 'action.requested') return undefined;
  const { entry } = first;
  const has =
    entry.data.orderDigest !== undefined ||
    entry.artifacts.some(({ mediaType }) => mediaType === ORDER_MEDIA_TYPE);
  return has ? new OrderedStory(entry, artifacts) : undefined;
}

function checkOwnChain(entry: Entry, index: number, before: ReadEntry | undefined, say: Say): void {
  if (entry.actionSeq !== index) {
    say('action.chain', `is entry ${entry.actionSeq ?? '?'} of its action, stands as ${index}`);
  }
  if (entry.actionPrev !== (before?.hash ?? null)) {
    say('action.chain', 'its actionPrev is not the hash of the action’s entry before');
  }
}

function checkOrder(entry: Entry, index: number, story: Story, say: Say): void {
  if ((index === 0) !== (entry.type === 'action.requested')) {
    say('action.order', `${entry.type}: action.requested comes first, and once`);
  }
  if ((index === 1) !== (entry.type === 'policy.decided')) {
    say('action.order', `${entry.type}: policy.decided comes second, and once`);
  }
  if (story.ended !== undefined) {
    say('action.order', `${entry.type} after ${story.ended}, which ended the action`);
  }
}

/** What says of itself that it is of a dry run. */
const TELLS_DRY: ReadonlySet<string> = new Set([
  'attempt.finished',
  'egress.withheld',
  'action.succeeded',
  'action.failed',
  'action.cancelled',
]);

function checkEvent(entry: Entry, story: Story, say: Say): void {
  const { data, type } = entry;
  if (TELLS_DRY.has(type) && (data.dryRun === true) !== story.dryRun) {
    say('action.dry-run', 'is of a dry run in one of action.requested and this entry');
  }
  if (type === 'policy.decided') {
    story.decision = { allowed: data.decision === 'allow', tier: data.tier };
    if (data.decision === 'allow' && data.tier === undefined) {
      say('action.order', 'policy.decided allows without a tier');
    }
  } else if (type.startsWith('approval.')) {
    checkApproval(entry, story, say);
  } else if (type === 'attempt.started') {
    startAttempt(entry, story, say);
  } else if (type === 'attempt.finished') {
    const attempt = attemptOf(entry, say);
    if (!story.open.delete(attempt)) {
      say('action.attempts', `${attempt} finished without having started, or twice`);
    }
    if (data.verdict === 'succeeded') {
      story.succeeded = true;
      story.outputs.add(data.outputDigest);
    }
  } else if (type.startsWith('egress.') && type !== 'egress.granted') {
    checkEgress(entry, story, say);
  }
}

function checkApproval({ type, data }: Entry, story: Story, say: Say): void {
  if (type === 'approval.requested') {
    if (!story.decision?.allowed) say('action.approval', 'requested though policy did not allow');
    story.approvalDigest = data.approvalDigest;
  } else if (story.approvalDigest === undefined) {
    say('action.approval', `${type} before approval.requested`);
  } else if (data.narrows !== undefined) {
    narrowApproval(data, story, say);
  } else if (data.approvalDigest !== story.approvalDigest) {
    say('action.approval', `${type} is about another digest than approval.requested`);
  }
  story.approved = type === 'approval.granted';
}

/** What it is narrowed to is what everybody agrees to from there on; `verify-narrowing.ts` compares it. */
function narrowApproval(data: Entry['data'], story: Story, say: Say): void {
  if (story.narrowed) say('action.approval', 'an approval is narrowed once');
  if (data.narrows !== story.approvalDigest) {
    say('action.approval', 'narrows another digest than the one that was asked about');
  }
  story.narrowed = true;
  story.approvalDigest = data.approvalDigest;
}

function startAttempt(entry: Entry, story: Story, say: Say): void {
  const attempt = attemptOf(entry, say);
  if (story.attempts.has(attempt)) say('action.attempts', `${attempt} started twice`);
  const tier = story.decision?.tier;
  if (!story.decision?.allowed) say('action.attempts', 'an attempt though policy did not allow');
  if (tier === 'manual-only') say('action.attempts', 'an attempt of a manual-only action');
  // Nothing of a dry run leaves that anybody would have to agree to.
  if (tier === 'human-approve' && !story.approved && !story.dryRun) {
    say('action.approval', 'an attempt without an approval that was granted');
  }
  const fence = Number(entry.data.fence);
  if (!(fence > story.fence)) say('action.attempts', 'its fence is not above the one before');
  story.fence = fence;
  story.attempts.add(attempt);
  story.open.add(attempt);
}

function checkEgress(entry: Entry, story: Story, say: Say): void {
  const attempt = attemptOf(entry, say);
  const call = `${attempt}/${String(entry.data.call)}`;
  if (!story.open.has(attempt)) {
    say('action.attempts', `${entry.type} of ${attempt}, which is not running`);
  }
  if (story.ordered) return;
  if (entry.type === 'egress.intended') story.intended.add(call);
  if (entry.type === 'egress.answered' && !story.intended.has(call)) {
    say('action.attempts', 'an answer to a call that nobody intended');
  }
}

function checkEnd(entry: Entry, index: number, story: Story, say: Say): void {
  const { type, data } = entry;
  if (!endsAction(type, data)) return;
  story.ended = type;
  const uncounted = data.entries === undefined && !story.ordered;
  if (!uncounted && data.entries !== index + 1) {
    const counts = data.entries === undefined ? 'does not count the' : `counts ${data.entries}`;
    say('action.count', `${counts} entries of the action, there are ${index + 1}`);
  }
  if (story.open.size > 0) {
    say('action.attempts', `ends while ${[...story.open].join(', ')} has not finished`);
  }
  if (type !== 'action.succeeded' || story.decision?.tier === 'manual-only') return;
  if (!story.succeeded) {
    say('action.attempts', 'succeeded without an attempt that succeeded');
  } else if (!story.outputs.has(data.outputDigest)) {
    say('action.attempts', 'its outputDigest is not that of the attempt that succeeded');
  }
}

/** The attempt that an entry is about; its subject, when it names one too, must agree. */
function attemptOf({ data, subject }: Entry, say: Say): string {
  const attempt = String(data.attempt);
  if (subject.attempt !== undefined && subject.attempt !== attempt) {
    say('action.attempts', 'subject.attempt and data.attempt differ');
  }
  return attempt;
}
