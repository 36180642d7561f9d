/**
 * Tells the story of one action with all its artifacts, as the Control Plane does, or as a lying one
 * would: every part can be altered before it is hashed and named. For tests only.
 */
import * as v from 'valibot';
import { type ActionOrder, ActionOrderSchema, ORDER_MEDIA_TYPE } from '../action-order.ts';
import {
  type ApprovalStatement,
  ApprovalStatementSchema,
  contextDigest,
  STATEMENT_MEDIA_TYPE,
} from '../approval-statement.ts';
import { canonicalBytes } from '../canonical-json.ts';
import { type Digest, digestOf, digestOfJson } from '../digest.ts';
import { contractStatement, type EgressRule } from '../egress-rule.ts';
import type { Artifact } from '../evidence-entry.ts';
import {
  BODIES_MEDIA_TYPE,
  bodiesBytes,
  JOURNAL_MEDIA_TYPE,
  type JournalArtifactRecord,
  JournalRecordSchema,
} from '../journal-artifact.ts';
import type { Tier } from '../life-cycle.ts';
import { requestDigest } from '../request-digest.ts';
import { CALLS, CONTRACT, LIMITS, OUTPUT, PLUGIN, REWRITTEN } from './action-parts.ts';
import type { Draft, LogBuilder } from './log-builder.ts';

/** What a lying Control Plane changes before it hashes, names and signs; bytes stay as they are. */
export interface Alterations {
  readonly order?: (order: ActionOrder) => unknown;
  readonly statement?: (statement: ApprovalStatement) => unknown;
  readonly journal?: (records: readonly JournalArtifactRecord[]) => unknown;
  readonly bodies?: (bodies: Map<Digest, Uint8Array>) => Uint8Array;
  /** Undefined leaves the entry out. */
  readonly draft?: (draft: Draft) => Draft | undefined;
}

export type CallName = keyof typeof CALLS;
type Data = Draft['data'];

const encoder = new TextEncoder();
const INPUT = encoder.encode('{"charge":"ch_1"}');

export class ActionTeller {
  readonly action: string;
  readonly records: JournalArtifactRecord[] = [];
  readonly credential: string;
  readonly #log: LogBuilder;
  readonly #artifacts: Map<Digest, Uint8Array>;
  readonly #alter: Alterations;
  readonly #bodies = new Map<Digest, Uint8Array>();
  readonly #subject: { readonly action: string; readonly plugin?: string };
  #requested: Data = {};
  #order: ActionOrder | undefined;
  #statement: ApprovalStatement | undefined;
  #approval: Data = {};
  #approvalId = '';
  #dry: { readonly dryRun?: true } = {};
  #tier: Tier = 'auto';
  #attempt = '';
  #fence = 0;

  constructor(log: LogBuilder, artifacts: Map<Digest, Uint8Array>, alter: Alterations = {}) {
    this.#log = log;
    this.#artifacts = artifacts;
    this.#alter = alter;
    this.action = log.id('action');
    this.credential = log.id('credential');
    this.#subject = { action: this.action };
  }

  async tell(type: Draft['type'], data: Data, more: Partial<Draft> = {}): Promise<void> {
    const draft = { type, data, subject: this.#subject, ...more };
    const altered = this.#alter.draft ? this.#alter.draft(draft) : draft;
    if (altered) await this.#log.append(altered);
  }

  /** Asks for the action and lets policy allow it. */
  async request(effect: 'read' | 'write', tier: Tier, dryRun?: true): Promise<void> {
    this.#dry = dryRun ? { dryRun } : {};
    const plugin = await digestOf(PLUGIN);
    const moduleDigest = await digestOf(REWRITTEN);
    const [name, version, operation] = ['stripe-refunds', '1.2.0', 'createRefund'];
    const inputDigest = await digestOf(INPUT);
    const order = v.parse(ActionOrderSchema, {
      v: 1,
      workspace: this.#log.workspace,
      action: this.action,
      plugin: { name, version, digest: plugin },
      moduleDigest,
      rewriter: 'portarium-rewriter/1',
      operation: { name: operation, export: 'create_refund', effect, encoding: 'json' },
      inputDigest,
      config: { currency: 'eur' },
      contract: CONTRACT,
      limits: LIMITS,
      seed: '5e'.repeat(32),
      ...this.#dry,
      startTime: '2026-01-01T00:00:00.000Z',
    });
    this.#order = order;
    const bytes = bytesOf(this.#alter.order ? this.#alter.order(order) : order);
    const artifacts = [
      await this.#keep(INPUT, 'application/json'),
      await this.#keep(bytes, ORDER_MEDIA_TYPE),
      await artifactOf(REWRITTEN, 'application/wasm'),
    ];
    const contractDigest = await digestOfJson(contractStatement(CONTRACT));
    const orderDigest = await digestOf(bytes);
    const digests = { inputDigest, contractDigest, orderDigest };
    this.#requested = { operation, effect, plugin: name, version, ...digests, ...this.#dry };
    const subject = { ...this.#subject, plugin };
    await this.tell('action.requested', this.#requested, { artifacts, subject });
    this.#tier = tier;
    const reasons = { policyVersion: 7, policies: ['starter'], reasons: [] };
    await this.tell('policy.decided', { decision: 'allow', tier, ...reasons });
  }

  /** Asks people to approve. */
  async ask(quorum = 1): Promise<void> {
    const { operation, effect, inputDigest, contractDigest } = this.#requested;
    const statement = v.parse(ApprovalStatementSchema, {
      v: 1,
      workspace: this.#log.workspace,
      action: this.action,
      plugin: await digestOf(PLUGIN),
      ...{ operation, effect, inputDigest, contractDigest },
      credentials: [{ slot: 'stripe', id: this.credential, version: 3 }],
      limits: LIMITS,
      tier: this.#tier,
      policyVersion: 7,
      executeBefore: '2026-01-03T00:00:00.000Z',
    });
    this.#statement = statement;
    const bytes = this.#stated(statement);
    this.#approval = { approvalDigest: await contextDigest(bytes), quorum };
    this.#approvalId = this.#log.id('approval');
    const times = { roles: ['approver'], decideBefore: '2026-01-02T00:00:00.000Z' };
    const artifacts = [await this.#keep(bytes, STATEMENT_MEDIA_TYPE)];
    const subject = { ...this.#subject, approval: this.#approvalId };
    await this.tell('approval.requested', { ...this.#approval, ...times }, { artifacts, subject });
  }

  #stated(statement: ApprovalStatement): Uint8Array {
    return bytesOf(this.#alter.statement ? this.#alter.statement(statement) : statement);
  }

  /** A person agrees to less than was asked for. */
  async narrow(
    decision: 'endorsed' | 'granted',
    by: string,
    approval: EgressRule[],
  ): Promise<void> {
    if (!this.#order || !this.#statement) throw new Error('nothing was asked for');
    this.#order = { ...this.#order, contract: { ...this.#order.contract, approval } };
    const contractDigest = await digestOfJson(contractStatement(this.#order.contract));
    this.#statement = { ...this.#statement, contractDigest };
    const statement = this.#stated(this.#statement);
    const order = bytesOf(this.#alter.order ? this.#alter.order(this.#order) : this.#order);
    const narrows = this.#approval.approvalDigest;
    this.#approval = { ...this.#approval, approvalDigest: await contextDigest(statement) };
    const data = {
      ...{ ...this.#approval, by, rationale: 'less will do', narrows, contractDigest },
      ...{ orderDigest: await digestOf(order), egress: approval.map(({ id }) => id) },
    };
    const artifacts = [
      await this.#keep(statement, STATEMENT_MEDIA_TYPE),
      await this.#keep(order, ORDER_MEDIA_TYPE),
    ];
    const subject = { ...this.#subject, approval: this.#approvalId };
    await this.tell(`approval.${decision}`, data, { artifacts, subject });
  }

  /** A person, or nobody, decides. */
  decide(decision: string, by?: string): Promise<void> {
    const person = by === undefined ? {} : { by, rationale: 'checked' };
    const reason = decision === 'voided' ? { reason: 'the grant has changed' } : {};
    const data = { ...this.#approval, ...person, ...reason };
    const subject = { ...this.#subject, approval: this.#approvalId };
    return this.tell(`approval.${decision}` as Draft['type'], data, { subject });
  }

  /** Asks and lets one person approve. */
  async approve(): Promise<void> {
    await this.ask();
    await this.decide('granted', 'person-1');
  }

  async start(): Promise<void> {
    this.#attempt = this.#log.id('attempt');
    const host = { host: 'host-1', isolation: 'process', engine: 'extism-js/2.0.0-rc13' };
    const data = { attempt: this.#attempt, ...host, fence: ++this.#fence };
    await this.tell('attempt.started', data);
  }

  /** A call that needs no entry of its own: a read, or what failed before anything was sent. */
  async quiet(name: CallName, more: Partial<JournalArtifactRecord> = {}): Promise<void> {
    const answer = name === 'read' ? await this.#read(`answer ${this.records.length}`) : {};
    this.records.push(await this.#record(name, { verdict: 'allowed', ...answer, ...more }));
  }

  async deny(name: CallName): Promise<void> {
    const denied = { verdict: 'denied', reason: 'no rule names it', layer: 'plugin' } as const;
    const record = await this.#record(name, denied);
    this.records.push(record);
    await this.tell('egress.denied', this.#about(record));
  }

  /** A write of a dry run, answered from an example or, with `false`, by none. */
  async withhold(name: 'keyed' | 'unkeyed', isAnswered = true): Promise<void> {
    const body = encoder.encode('{"amount":40}');
    const bodyDigest = await digestOf(body);
    const { method, scheme, host, path } = CALLS[name];
    const url = `${scheme}://${host}${path}`;
    const headers: [string, string][] = [['content-type', 'application/json']];
    const rule = this.#ruleOf(CALLS[name].rule);
    const answer = isAnswered
      ? await this.#read(`example ${this.records.length}`)
      : { reason: 'no example answers it' };
    const record = await this.#record(name, {
      verdict: 'withheld',
      ...answer,
      request: { url, headers, bodyDigest, bodyBytes: body.length },
      requestDigest: await requestDigest({ method, url, headers, bodyDigest, rule }),
    });
    this.records.push(record);
    const { request: _, ...shown } = this.#about(record);
    const data = { ...shown, bodyDigest, dryRun: true };
    const artifacts = [await this.#keep(body, 'application/octet-stream')];
    await this.tell('egress.withheld', data, { artifacts });
  }

  /** Makes a write durable before it leaves, with its body; with a number it is sent again. */
  async intend(name: CallName, again?: number, body?: string): Promise<number> {
    const known = again === undefined ? undefined : this.records[again];
    const sent = body === undefined ? {} : { requestBodyDigest: await this.#body(body) };
    const record = known ?? (await this.#record(name, { verdict: 'open', ...sent }));
    if (!known) this.records.push(record);
    const { idempotencyKeyed } = CALLS[name];
    const resend = known ? { resend: true } : {};
    await this.tell('egress.intended', { ...this.#about(record), idempotencyKeyed, ...resend });
    return record.call;
  }

  async answer(call: number, failed?: Partial<JournalArtifactRecord>): Promise<void> {
    const open = this.records[call];
    if (!open) throw new RangeError(`no call ${call}`);
    const how = { reason: 'connection refused', ...failed };
    const answered: JournalArtifactRecord = failed
      ? { ...open, verdict: 'failed', ...how, ms: 3 }
      : { ...open, verdict: 'allowed', ...(await this.#read(`created ${call}`)), ms: 41 };
    this.records[call] = answered;
    await this.tell('egress.answered', this.#about(answered));
  }

  /** @param code of the error, when the attempt did not succeed */
  async finish(verdict: 'succeeded' | 'failed' | 'lost', code = 'guest.error'): Promise<void> {
    const reported = verdict !== 'lost' || code === 'answer.lost';
    const bytes = bytesOf(this.#alter.journal?.(this.records) ?? this.records);
    const output = verdict === 'succeeded' ? { outputDigest: await digestOf(OUTPUT) } : {};
    const error = verdict === 'succeeded' ? {} : { error: { code, message: 'as the code says' } };
    const journalDigest = await digestOf(bytes);
    const counts = { journalDigest, calls: this.records.length };
    const data = {
      ...{ attempt: this.#attempt, verdict, usage: { wallMs: 12.5 }, ...counts },
      ...this.#dry,
    };
    const artifacts: Artifact[] = [];
    if (verdict === 'succeeded') artifacts.push(await artifactOf(OUTPUT, 'application/json'));
    if (reported) artifacts.push(...(await this.#keepJournal(bytes)));
    await this.tell('attempt.finished', { ...data, ...output, ...error }, { artifacts });
  }

  async succeed(): Promise<void> {
    await this.finish('succeeded');
    await this.tell('action.succeeded', { outputDigest: await digestOf(OUTPUT), ...this.#dry });
  }

  /** Of an outcome that nobody saw. */
  async unknown(): Promise<void> {
    const error = { code: 'outcome.unknown', message: 'call 0 was never answered' };
    await this.tell('action.outcome-unknown', { error });
  }

  async resolve(outcome: 'succeeded' | 'failed' | 'dispatched'): Promise<void> {
    const data = { outcome, by: 'person-2', rationale: 'looked at the system' };
    const journal = bytesOf(this.#alter.journal?.(this.records) ?? this.records);
    const artifacts = outcome === 'dispatched' ? [] : await this.#keepJournal(journal);
    await this.tell('action.resolved', data, { artifacts });
  }

  async #keepJournal(journal: Uint8Array): Promise<Artifact[]> {
    const artifacts =
      this.records.length > 0 ? [await this.#keep(journal, JOURNAL_MEDIA_TYPE)] : [];
    if (this.#bodies.size === 0) return artifacts;
    const make = this.#alter.bodies ?? bodiesBytes;
    return [...artifacts, await this.#keep(make(new Map(this.#bodies)), BODIES_MEDIA_TYPE)];
  }

  async #record(
    name: CallName,
    more: Partial<JournalArtifactRecord>,
  ): Promise<JournalArtifactRecord> {
    const { credential, idempotencyKeyed: _, ...request } = CALLS[name];
    const call = this.records.length;
    return v.parse(JournalRecordSchema, {
      ...request,
      rule: this.#ruleOf(request.rule),
      call,
      attempt: this.#attempt,
      requestDigest: await digestOf(encoder.encode(`${name} ${call}`)),
      ...(credential ? { credential: this.credential } : {}),
      address: '203.0.113.9',
      bytesOut: request.method === 'GET' ? 40 : 120,
      bytesIn: 0,
      ms: 0,
      ...more,
    });
  }

  /** Of a narrowed action with one rule of the approval. */
  #ruleOf(name: string): string {
    const [narrowed] = this.#order?.contract.approval ?? [];
    if (!narrowed) return name;
    const [plugin, operator = plugin] = name.split(' ');
    return `${plugin} ${operator} ${narrowed.id}`;
  }

  async #read(text: string): Promise<Partial<JournalArtifactRecord>> {
    const responseDigest = await this.#body(text);
    const responseHeaders = { 'content-type': 'text/plain' };
    return { status: 200, responseDigest, responseHeaders, bytesIn: encoder.encode(text).length };
  }

  async #body(text: string): Promise<Digest> {
    const body = encoder.encode(text);
    const digest = await digestOf(body);
    this.#bodies.set(digest, body);
    return digest;
  }

  /** The data of an entry about a record. */
  #about(record: JournalArtifactRecord): Data {
    const { scheme: _, verdict: __, responseHeaders: ___, ...shown } = record;
    return { ...shown, attempt: this.#attempt };
  }

  async #keep(bytes: Uint8Array, mediaType: string): Promise<Artifact> {
    const artifact = await artifactOf(bytes, mediaType);
    this.#artifacts.set(artifact.digest, bytes);
    return artifact;
  }
}

function bytesOf(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : canonicalBytes(value);
}

async function artifactOf(bytes: Uint8Array, mediaType: string): Promise<Artifact> {
  const digest = await digestOf(bytes);
  return { digest, bytes: bytes.length, mediaType, retention: 'operational' };
}
