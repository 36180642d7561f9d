/**
 * Checks the journal that an attempt's end names: that it only grows, that it tells of writes and denials
 * exactly what the entries tell, that it stays within the contract, and that the bodies are there.
 */
import { canonicalText } from './canonical-json.ts';
import { type Digest, digestOf } from './digest.ts';
import { SAFE_METHODS } from './egress-rule.ts';
import {
  BODIES_MEDIA_TYPE,
  bodyDigests,
  JOURNAL_MEDIA_TYPE,
  type JournalArtifactRecord,
  JournalArtifactSchema,
  journalBytes,
} from './journal-artifact.ts';
import { parseRequest } from './outbound-request.ts';
import { quickCheck } from './quick-check.ts';
import { requestDigest } from './request-digest.ts';
import { type BundleArtifacts, named, readDocument } from './verify-artifacts.ts';
import { MAX_SHOWN_PATH } from './verify-contract.ts';
import { type EgressCheck, SAME_PARTS } from './verify-egress.ts';
import { credentialProblem, type StoryFacts } from './verify-facts.ts';
import type { Say, Seen } from './verify-report.ts';

type Records = readonly JournalArtifactRecord[];

/** What an answer leaves as it was in an open record. */
const KEPT = [...SAME_PARTS, 'scheme', 'rule', 'attempt', 'requestBodyDigest'] as const;

export class JournalCheck {
  readonly #facts: StoryFacts;
  readonly #artifacts: BundleArtifacts;
  readonly #egress: EgressCheck;
  /** Attempts that have started, and as which. */
  readonly #attempts = new Map<unknown, number>();
  #records: Records = [];
  #digest: unknown;
  /** Digests of the bodies that the records name. */
  #bodies: ReadonlySet<string> = new Set();
  /** Pairs of journal and bodies that were compared: a hostile log may name them without end. */
  readonly #compared = new Set<string>();
  /** After one contradiction the rest of an action's journals would only repeat it. */
  #broken = false;

  constructor(facts: StoryFacts, artifacts: BundleArtifacts, egress: EgressCheck) {
    this.#facts = facts;
    this.#artifacts = artifacts;
    this.#egress = egress;
  }

  /** A promise only where there is something to wait for. */
  see(seen: Seen): Promise<void> | undefined {
    const { type, data } = seen.entry;
    if (type === 'attempt.started') {
      if (!this.#attempts.has(data.attempt)) this.#attempts.set(data.attempt, this.#attempts.size);
    } else if (type === 'attempt.finished') return this.#named(seen, data.journalDigest);
    else if (type === 'action.resolved') {
      // A person's word may leave the journal of a lost attempt, which nobody reported.
      const digest = named(seen, JOURNAL_MEDIA_TYPE)?.digest;
      if (digest !== undefined) return this.#named(seen, digest);
    }
    return undefined;
  }

  async #named(seen: Seen, digest: unknown): Promise<void> {
    if (this.#broken) return;
    const say: Say = (rule, message) => {
      this.#broken = true;
      seen.say(rule, message);
    };
    await this.#compare({ ...seen, say }, digest);
  }

  /** @param digest of the journal that the entry names */
  async #compare(seen: Seen, digest: unknown): Promise<void> {
    const { data } = seen.entry;
    const records = await this.#readRecords(seen, digest);
    if (!records) return;
    if (data.calls !== undefined && data.calls !== records.length) {
      seen.say('journal.calls', `counts ${String(data.calls)} calls, there are ${records.length}`);
    }
    if (digest === this.#digest) {
      for (const call of this.#egress.fresh) this.#compareCall(records, call, seen.say);
    } else {
      this.#checkGrowth(records, seen.say);
      for (const record of records) await this.#checkRecord(record, seen.say);
      for (const call of this.#egress.fresh) this.#checkHeld(records, call, seen.say);
      this.#bodies = bodyDigests(records);
    }
    this.#egress.fresh.clear();
    this.#records = records;
    this.#digest = digest;
    await this.#checkBodies(seen);
  }

  /** The journal's records; undefined when there is nothing to compare. */
  async #readRecords(seen: Seen, digest: unknown): Promise<Records | undefined> {
    // An empty journal need not be stored, and belongs to no one action.
    if (digest === (await EMPTY_JOURNAL)) return [];
    const artifact = named(seen, JOURNAL_MEDIA_TYPE);
    if (!artifact) return this.#unnamed(seen);
    if (artifact.digest !== digest) {
      seen.say('journal.artifact', 'its journalDigest is not the digest of its journal');
      return undefined;
    }
    if (artifact.digest === this.#digest) return this.#records;
    return readDocument(seen, this.#artifacts, artifact.digest, JOURNAL)?.value;
  }

  /** Of an attempt that was lost, or that a person ended, nobody may have reported. */
  #unnamed({ entry: { data }, say }: Seen): undefined {
    const { code } = (data.error ?? {}) as { readonly code?: unknown };
    if (data.verdict !== 'lost' && code !== 'action.cancelled') {
      say('journal.artifact', 'names no journal as its artifact');
    }
  }

  /** Numbers without gaps, by attempts that ran, and nothing changed but that an open record closed. */
  #checkGrowth(records: Records, say: Say): void {
    if (records.length < this.#records.length) {
      say('journal.extends', 'is shorter than the journal of the attempt before');
      return;
    }
    let newest = 0;
    for (const [call, record] of records.entries()) {
      if (record.call !== call) {
        say('journal.calls', `record ${call} has the number ${record.call}`);
        return;
      }
      const attempt = this.#attempts.get(record.attempt);
      if (attempt === undefined || attempt < newest) {
        say('journal.attempts', `record ${call} is of an attempt that did not run then`);
        return;
      }
      newest = attempt;
      const before = this.#records[call];
      if (before && !extendsRecord(before, record)) {
        say('journal.extends', `record ${call} is not what the attempt before left`);
        return;
      }
    }
  }

  async #checkRecord(record: JournalArtifactRecord, say: Say): Promise<void> {
    this.#compareRecord(record, say);
    if (record.verdict === 'denied') return;
    const other =
      record.verdict === 'withheld'
        ? await requestProblem(record)
        : record.request && 'it has a request, and it was not withheld';
    if (other) say('journal.withheld', `call ${record.call}: ${other}`);
    // A host whose full record was refused leaves out which rules allowed it.
    if (record.rule !== undefined || record.verdict === 'allowed') {
      const problem = this.#facts.contract?.problem(record);
      if (problem)
        say('journal.contract', `call ${record.call} is outside the contract: ${problem}`);
    }
    // What never left used no credential, whatever it says.
    const left = record.verdict !== 'failed' || record.sent === true;
    const wrong = left && credentialProblem(this.#facts, record.rule, record.credential);
    if (wrong) say('journal.credential', `call ${record.call}: ${wrong}`);
  }

  /** Journal and entries tell the same of one call. */
  #compareCall(records: Records, call: number, say: Say): void {
    const record = records[call];
    if (record) this.#compareRecord(record, say);
    else this.#checkHeld(records, call, say);
  }

  #checkHeld(records: Records, call: number, say: Say): void {
    if (call < records.length) return;
    const { denied, withheld } = this.#egress;
    const rule = denied.has(call)
      ? 'journal.denied'
      : withheld.has(call)
        ? 'journal.withheld'
        : 'journal.intended';
    say(rule, `the log tells of call ${call}, and the journal does not have it`);
  }

  #compareRecord(record: JournalArtifactRecord, say: Say): void {
    const { call, verdict } = record;
    const told = this.#egress.calls.get(call);
    const denied = this.#egress.denied.get(call);
    const write = !SAFE_METHODS.has(record.method);
    const left = verdict === 'open' || verdict === 'allowed' || record.sent === true;
    if ((verdict === 'denied') !== (denied !== undefined)) {
      say('journal.denied', `call ${call} is denied in one of journal and log`);
    }
    if (told ? verdict === 'denied' || !write : write && left) {
      say('journal.intended', `call ${call} is a write in one of journal and log`);
    }
    const withheld = this.#egress.withheld.get(call);
    if ((verdict === 'withheld') !== (withheld !== undefined)) {
      say('journal.withheld', `call ${call} is withheld in one of journal and log`);
    } else if (withheld) compareWithheld(record, withheld, say);
    const other = told?.intended ?? denied ?? withheld;
    const changed = other && SAME_PARTS.find((part) => other[part] !== record[part]);
    if (changed) {
      const rule = told ? 'journal.intended' : denied ? 'journal.denied' : 'journal.withheld';
      say(rule, `call ${call} has another ${changed} in the journal than in the log`);
    }
    if (told?.intended.rule !== undefined && told.intended.rule !== record.rule) {
      say('journal.intended', `call ${call} has another rule in the journal than in the log`);
    }
    if (told && told.intended.requestBodyDigest !== record.requestBodyDigest) {
      say('journal.intended', `call ${call} has another body in the journal than in the log`);
    }
    if (told) compareAnswer(record, told.answered, say);
  }

  /** An export may leave bodies out; those that are here are whole, and all that the journal names. */
  async #checkBodies(seen: Seen): Promise<void> {
    const artifact = named(seen, BODIES_MEDIA_TYPE);
    const pair = `${String(this.#digest)} ${artifact?.digest}`;
    if (!artifact || this.#compared.has(pair)) return;
    this.#compared.add(pair);
    const bytes = this.#artifacts.find(artifact.digest);
    if (typeof bytes === 'string') return;
    const { digests, problem } = await this.#artifacts.bodies(artifact.digest, bytes);
    if (problem) seen.say(problem.rule, `its bodies: ${problem.message}`);
    else if ([...this.#bodies].some((digest) => !digests.has(digest))) {
      seen.say('bodies.missing', 'a body that its journal names is not among its bodies');
    }
  }
}

const JOURNAL = {
  rule: 'journal',
  name: 'journal',
  schema: JournalArtifactSchema,
  quick: quickCheck(JournalArtifactSchema),
} as const;

const EMPTY_JOURNAL: Promise<Digest> = digestOf(journalBytes([]));

function compareAnswer(
  record: JournalArtifactRecord,
  answered: Readonly<Record<string, unknown>> | undefined,
  say: Say,
): void {
  const { call, verdict } = record;
  if ((verdict === 'open') === (answered !== undefined)) {
    say('journal.answered', `call ${call} is answered in one of journal and log`);
  } else if (answered) {
    const parts = ['status', 'responseDigest', 'sent', 'tlsPeerKeyHash'] as const;
    const changed = parts.find((part) => answered[part] !== record[part]);
    if (changed) {
      say('journal.answered', `call ${call} has another ${changed} in the journal than in the log`);
    }
  }
}

function compareWithheld(
  { call, status, responseDigest, credential, request }: JournalArtifactRecord,
  told: Readonly<Record<string, unknown>>,
  say: Say,
): void {
  const body = request?.bodyDigest ?? undefined;
  const parts = { status, responseDigest, credential, bodyDigest: body };
  const changed = Object.entries(parts).find(([part, value]) => told[part] !== value);
  if (!changed) return;
  say('journal.withheld', `call ${call} has another ${changed[0]} in the journal than in the log`);
}

/** A withheld request is the one that its digest, and what is shown of it, says. */
async function requestProblem(record: JournalArtifactRecord): Promise<string | undefined> {
  const { method, request, rule = null } = record;
  if (!request) return 'it was withheld, and its request is not there';
  const { url, headers, bodyDigest } = request;
  const digest = await requestDigest({ method, url, headers, bodyDigest, rule });
  if (digest !== record.requestDigest) return 'its request is not the one that its digest names';
  const parsed = parseRequest({ method, url, headers, body: new Uint8Array() });
  const target = parsed.ok ? parsed.request.target : undefined;
  const same =
    target?.scheme === record.scheme &&
    target.host === record.host &&
    target.port === record.port &&
    (record.path === '' || target.path.slice(0, MAX_SHOWN_PATH) === record.path);
  return same ? undefined : 'its request is to another place than the record says';
}

/** Whether `after` is `before`, or its answer. */
function extendsRecord(before: JournalArtifactRecord, after: JournalArtifactRecord): boolean {
  if (before.verdict !== 'open') return canonicalText(before) === canonicalText(after);
  return (
    !['denied', 'withheld'].includes(after.verdict) &&
    KEPT.every((part) => before[part] === after[part])
  );
}
