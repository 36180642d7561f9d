/**
 * What of one attempt's journal the Control Plane still has to learn. Each report carries the records
 * after the last one that was taken, in order, with the bodies behind them.
 */
import { toBase64 } from '@portarium/contracts/base64';
import type { Digest } from '@portarium/contracts/digest';
import type { EgressCall, Report, WorkOrder } from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { ActionJournal, NamedBody } from '../egress/action-journal.ts';
import { reducedCall } from '../egress/safe-call.ts';
import {
  type ControlAnswer,
  type ControlClient,
  type ControlFailure,
  isFinal,
} from './control-client.ts';

/** How much of a record a report carries. */
export type RecordForm = 'full' | 'reduced' | 'none';

/** Records that fit into one report, up to but not with place `to`. */
interface Batch {
  readonly to: number;
  readonly calls: readonly EgressCall[];
  readonly inline: readonly NamedBody[];
  /** Bodies that have to be there before the report. */
  readonly large: readonly NamedBody[];
}

/** Characters of the records in one report; one record alone has at most some 70,000. */
const RECORD_CHARACTERS = 512 * 1024;

export class Reports {
  readonly #control: Pick<ControlClient, 'heartbeat' | 'putBody'>;
  readonly #order: WorkOrder;
  readonly #journal: ActionJournal;
  /** Digests of bodies that the Control Plane has. */
  readonly #durable = new Set<string>();
  /** How many records it has. */
  #taken = 0;
  #putting: Promise<unknown> | undefined;
  readonly #beat = (report: Report) => this.#control.heartbeat(this.#order, report);

  constructor(
    control: Pick<ControlClient, 'heartbeat' | 'putBody'>,
    order: WorkOrder,
    journal: ActionJournal,
  ) {
    this.#control = control;
    this.#order = order;
    this.#journal = journal;
  }

  /** Whether there is anything to report. */
  get pending(): boolean {
    return this.#journal.records.length > this.#taken;
  }

  /**
   * Keeps the lease, and brings the records that can travel at once. Large bodies are put meanwhile: the
   * lease must not wait for them.
   */
  async heartbeat(): Promise<ControlAnswer<{ readonly leaseMs: number }>> {
    const { large } = this.#batch();
    if (large.length > 0) {
      this.#putting ??= this.#put(large).finally(() => {
        this.#putting = undefined;
      });
    }
    return this.#bringBoth(this.#beat, () => this.#batch(true));
  }

  /**
   * Sends the records that fit into one report by `send`; once more in reduced form when the full one
   * is refused, since nothing may hang on what a guest or a server made of its calls.
   */
  bring<T>(
    send: (report: Report) => Promise<ControlAnswer<T>>,
    signal?: AbortSignal,
  ): Promise<ControlAnswer<T>> {
    return this.#bringBoth(send, () => this.#batch(), signal);
  }

  bringAs<T>(
    form: RecordForm,
    send: (report: Report) => Promise<ControlAnswer<T>>,
  ): Promise<ControlAnswer<T>> {
    if (form === 'none') return send({ calls: [], bodies: [] });
    return this.#bringBatch(this.#batch(), form, send);
  }

  /**
   * Heartbeats until what is left fits into one more report.
   * @param skip gives up records that are refused in any form, instead of what comes after them
   * @returns the failure, if there was one
   */
  async makeRoom(skip = false, signal?: AbortSignal): Promise<ControlFailure | undefined> {
    for (;;) {
      const batch = this.#batch();
      if (batch.to >= this.#journal.records.length || signal?.aborted) return undefined;
      const answer = await this.bring(this.#beat, signal);
      if (answer.ok) continue;
      if (!skip || answer.transient || isFinal(answer)) return answer;
      this.#leaveBehind(batch.to);
    }
  }

  /** Nobody reports any more. */
  close(): void {
    this.#journal.forgetBodies();
  }

  async #bringBoth<T>(
    send: (report: Report) => Promise<ControlAnswer<T>>,
    batchOf: () => Batch,
    signal?: AbortSignal,
  ): Promise<ControlAnswer<T>> {
    const batch = batchOf();
    const answer = await this.#bringBatch(batch, 'full', send, signal);
    if (answer.ok || answer.transient || isFinal(answer) || batch.calls.length === 0) return answer;
    return this.#bringBatch(batchOf(), 'reduced', send, signal);
  }

  async #bringBatch<T>(
    batch: Batch,
    form: Exclude<RecordForm, 'none'>,
    send: (report: Report) => Promise<ControlAnswer<T>>,
    signal?: AbortSignal,
  ): Promise<ControlAnswer<T>> {
    const failure = await this.#put(batch.large, signal);
    if (failure) return failure;
    const answer = await send({
      calls: form === 'full' ? [...batch.calls] : batch.calls.map(reducedCall),
      bodies: batch.inline.map(({ digest, bytes }) => ({ digest, bytes: toBase64(bytes) })),
    });
    if (answer.ok) this.#isTaken(batch);
    return answer;
  }

  async #put(
    bodies: readonly NamedBody[],
    signal?: AbortSignal,
  ): Promise<ControlFailure | undefined> {
    for (const { digest, bytes } of bodies) {
      if (this.#durable.has(digest)) continue;
      const put = await this.#control.putBody(this.#order, digest, bytes, signal);
      if (!put.ok) return put;
      this.#durable.add(digest);
    }
    return undefined;
  }

  #isTaken({ to, inline }: Batch): void {
    for (const { digest } of inline) this.#durable.add(digest);
    this.#leaveBehind(to);
  }

  /** A heartbeat and an intent may be on their way at once, with the same records. */
  #leaveBehind(to: number): void {
    this.#taken = Math.max(this.#taken, to);
    this.#journal.forgetBodies(this.#taken);
  }

  /** @param atOnce ends before the first record whose body has to be put before */
  #batch(atOnce = false): Batch {
    const calls: EgressCall[] = [];
    const bodies = new BodySplit();
    let characters = 0;
    for (let to = this.#taken; ; to++) {
      const entry = this.#journal.entry(to);
      characters += entry === undefined ? 0 : JSON.stringify(entry.record).length;
      const full =
        calls.length === PLATFORM_LIMITS.callsPerReport ||
        (calls.length > 0 && characters > RECORD_CHARACTERS);
      if (entry === undefined || full) return { to, calls, ...bodies.split };
      for (const { digest, bytes } of entry.bodies) {
        if (this.#durable.has(digest)) continue;
        const large = bodies.add(digest, bytes);
        if (large && atOnce) return { to, calls, inline: bodies.split.inline, large: [] };
      }
      calls.push(entry.record);
    }
  }
}

/** Small bodies travel in the report while there is room, in the order of their calls. */
class BodySplit {
  readonly #inline = new Map<Digest, Uint8Array>();
  readonly #large = new Map<Digest, Uint8Array>();
  #room: number = PLATFORM_LIMITS.inlineBodyBytes;

  /** @returns whether it has to be put before the report */
  add(digest: Digest, bytes: Uint8Array): boolean {
    if (this.#inline.has(digest)) return false;
    if (bytes.length > this.#room) {
      this.#large.set(digest, bytes);
      return true;
    }
    this.#room -= bytes.length;
    this.#inline.set(digest, bytes);
    return false;
  }

  get split(): Pick<Batch, 'inline' | 'large'> {
    return { inline: listOf(this.#inline), large: listOf(this.#large) };
  }
}

function listOf(bodies: ReadonlyMap<Digest, Uint8Array>): readonly NamedBody[] {
  return [...bodies].map(([digest, bytes]) => ({ digest, bytes }));
}
