/**
 * Checks the story of an action that has an order. Older actions have none, and only the rules of
 * `verify-story.ts` hold for them.
 */
import type { Entry } from './evidence-entry.ts';
import { ApprovalCheck } from './verify-approval.ts';
import type { BundleArtifacts } from './verify-artifacts.ts';
import { EgressCheck } from './verify-egress.ts';
import type { StoryFacts } from './verify-facts.ts';
import { JournalCheck } from './verify-journal.ts';
import { checkFloor, LifeCycleCheck } from './verify-life-cycle.ts';
import { checkOrder } from './verify-order.ts';
import type { Seen } from './verify-report.ts';

export class OrderedStory {
  readonly #facts: StoryFacts;
  readonly #artifacts: BundleArtifacts;
  readonly #approval: ApprovalCheck;
  readonly #egress: EgressCheck;
  readonly #journal: JournalCheck;
  readonly #lifeCycle: LifeCycleCheck;

  /** @param requested the action's first entry */
  constructor(requested: Entry, artifacts: BundleArtifacts) {
    const facts: StoryFacts = { requested };
    const egress = new EgressCheck(facts);
    this.#facts = facts;
    this.#artifacts = artifacts;
    this.#approval = new ApprovalCheck(facts, artifacts);
    this.#egress = egress;
    this.#journal = new JournalCheck(facts, artifacts, egress);
    this.#lifeCycle = new LifeCycleCheck(egress, requested.data.dryRun === true);
  }

  /** Takes the entries in their order, the first one included. */
  async see(seen: Seen): Promise<void> {
    const { entry, say } = seen;
    if (entry === this.#facts.requested) {
      const checked = await checkOrder(seen, this.#artifacts);
      if (checked) Object.assign(this.#facts, checked);
    } else if (entry.type === 'policy.decided') {
      this.#facts.decided ??= entry;
      checkFloor(seen, this.#facts.requested.data.effect);
    } else if (entry.type === 'attempt.started') {
      const { action } = entry.subject;
      if (!this.#artifacts.claim(String(entry.data.attempt), String(action))) {
        say('action.attempts', 'another action had an attempt with that id');
      }
    }
    this.#egress.see(seen);
    this.#lifeCycle.see(seen);
    if (entry.type === 'egress.intended') this.#count(entry);
    const approval = this.#approval.see(seen);
    if (approval) await approval;
    const journal = this.#journal.see(seen);
    if (journal) await journal;
  }

  #count(entry: Entry): void {
    const { contract, order } = this.#facts;
    const rules = contract?.rules(entry.data.rule);
    if (order && rules) this.#artifacts.rates.note(order.plugin.name, rules, entry);
  }
}
