/**
 * Checks that people agreed to exactly what ran: the approval statement against request, order and
 * policy, the people against the quorum, and the times against what the statement allows.
 */
import {
  type ApprovalStatement,
  contextDigest,
  STATEMENT_MEDIA_TYPE,
} from './approval-statement.ts';
import type { Entry } from './evidence-entry.ts';
import { type BundleArtifacts, differing, named, readDocument } from './verify-artifacts.ts';
import { isTime } from './verify-entries.ts';
import { isAfter, STATEMENT, type StoryFacts } from './verify-facts.ts';
import { checkNarrowing } from './verify-narrowing.ts';
import type { Say, Seen } from './verify-report.ts';

export class ApprovalCheck {
  readonly #facts: StoryFacts;
  readonly #artifacts: BundleArtifacts;
  readonly #people = new Set<unknown>();
  #requested: Entry | undefined;
  #granted = false;
  #narrowed = false;
  #voided = false;
  #used = false;

  constructor(facts: StoryFacts, artifacts: BundleArtifacts) {
    this.#facts = facts;
    this.#artifacts = artifacts;
  }

  /** A promise only where there is something to wait for: most entries are of another kind. */
  see(seen: Seen): Promise<void> | undefined {
    const { type } = seen.entry;
    if (type === 'attempt.started') this.#attempt(seen);
    else if (type === 'approval.requested') return this.#request(seen);
    else if (type.startsWith('approval.')) return this.#decision(seen);
    return undefined;
  }

  async #request(seen: Seen): Promise<void> {
    const { entry, say } = seen;
    if (this.#requested) return say('approval.order', 'an approval was asked for before');
    this.#requested = entry;
    if (!(Number(entry.data.quorum) >= 1)) say('approval.quorum', 'nobody has to agree');
    const artifact = named(seen, STATEMENT_MEDIA_TYPE);
    if (!artifact) return say('approval.artifact', 'names no approval statement as its artifact');
    const read = readDocument(seen, this.#artifacts, artifact.digest, STATEMENT);
    if (!read) return;
    this.#facts.statement = read.value;
    if ((await contextDigest(read.bytes)) !== entry.data.approvalDigest) {
      say('approval.digest', 'its approvalDigest is not the digest of the statement');
    }
    if (!isTime(read.value.executeBefore)) {
      say('approval.schema', 'its statement may be used until a time that there is not');
    }
    checkStatement(seen, read.value, this.#facts);
  }

  async #decision(seen: Seen): Promise<void> {
    const { entry, say } = seen;
    const { type, data } = entry;
    if (!this.#requested) return;
    // A second time is found elsewhere, and nothing is read for it.
    if (data.narrows !== undefined && !this.#narrowed) {
      this.#narrowed = true;
      if (type !== 'approval.endorsed' && type !== 'approval.granted') {
        say('approval.narrowed', `${type} narrows, and only who agrees may`);
      }
      await checkNarrowing(seen, this.#facts, this.#artifacts);
      // Nobody before has agreed to what it is now.
      this.#people.clear();
    }
    if (data.quorum !== this.#requested.data.quorum) {
      say('approval.quorum', 'states another quorum than approval.requested');
    }
    if (entry.subject.approval !== this.#requested.subject.approval) {
      say('approval.agrees', 'is about another approval than approval.requested');
    }
    if (this.#voided) say('approval.order', `${type} after the approval was void`);
    if (type === 'approval.voided') this.#voided = true;
    else if (type === 'approval.expired') {
      if (data.by !== undefined) say('approval.order', 'nobody decides that time is over');
    } else this.#person(entry, say);
  }

  /** Somebody agrees, refuses or asks for changes. */
  #person({ type, data, time }: Entry, say: Say): void {
    if (this.#granted) say('approval.order', `${type} after the approval was granted`);
    if (typeof data.by !== 'string' || data.by === '') {
      say('approval.quorum', 'does not say who decided');
    } else if (this.#people.has(data.by)) {
      say('approval.quorum', 'one person decided twice');
    }
    this.#people.add(data.by);
    if (isLater(time, this.#requested?.data.decideBefore)) {
      say('approval.late', 'decided when the time for decisions was over');
    }
    if (type !== 'approval.granted') return;
    this.#granted = true;
    const quorum = Number(data.quorum);
    if (this.#people.size < quorum) {
      const message = `granted by ${this.#people.size} people, and ${quorum} had to agree`;
      say('approval.quorum', message);
    }
  }

  #attempt({ entry, say }: Seen): void {
    if (this.#voided) say('approval.order', 'an attempt after the approval was void');
    if (!this.#used && isLater(entry.time, this.#facts.statement?.executeBefore)) {
      say('approval.late', 'the first attempt began when the approval could not be used any more');
    }
    this.#used = true;
  }
}

function checkStatement(
  { entry, say }: Seen,
  statement: ApprovalStatement,
  { requested, decided, order }: StoryFacts,
): void {
  const request = {
    workspace: [statement.workspace, entry.workspace],
    action: [statement.action, entry.subject.action],
    plugin: [statement.plugin, requested.subject.plugin],
    operation: [statement.operation, requested.data.operation],
    effect: [statement.effect, requested.data.effect],
    inputDigest: [statement.inputDigest, requested.data.inputDigest],
    contractDigest: [statement.contractDigest, requested.data.contractDigest],
  };
  for (const name of differing(request)) {
    say('approval.agrees', `the statement is about another ${name} than action.requested`);
  }
  const policy = {
    tier: [statement.tier, decided?.data.tier],
    policyVersion: [statement.policyVersion, decided?.data.policyVersion],
  };
  for (const name of differing(policy)) {
    say('approval.agrees', `the statement is about another ${name} than policy.decided`);
  }
  if (!order) return;
  const limits: Readonly<Record<string, number>> = order.limits;
  for (const [name, value] of Object.entries(statement.limits)) {
    if (limits[name] !== value) {
      say('approval.agrees', `the statement is about another limit ${name} than the order`);
    }
  }
}

/** Entries get their time when they are appended, a little after what they tell was decided. */
function isLater(time: string, limit: unknown): boolean {
  return typeof limit === 'string' && isAfter(time, limit);
}
