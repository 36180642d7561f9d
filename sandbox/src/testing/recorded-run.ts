/**
 * Runs a guest for real, in a cell and behind the broker, and keeps what the Control Plane would: the
 * records of its calls and the bodies that it read.
 */
import type { ActionOrder } from '@portarium/contracts/action-order';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import {
  type JournalArtifactRecord,
  JournalRecordSchema,
} from '@portarium/contracts/journal-artifact';
import * as v from 'valibot';
import { ActionJournal } from '../egress/action-journal.ts';
import type { CallIntent, EgressControl } from '../egress/egress-control.ts';
import { EgressSession } from '../egress/egress-session.ts';
import type { DryRun } from '../egress/withhold-write.ts';
import { type CellCommand, CellProcess } from '../host/cell-process.ts';

export interface RecordedRun {
  readonly attempt: string;
  /** `succeeded`, `lost` or the code of an error. */
  readonly verdict: string;
  readonly output?: Uint8Array;
  /** Of the action, from call 0. */
  readonly records: readonly JournalArtifactRecord[];
  readonly bodies: ReadonlyMap<Digest, Uint8Array>;
}

export interface RunParts {
  readonly attempt: string;
  readonly order: ActionOrder;
  readonly module: Uint8Array;
  readonly input: Uint8Array;
  /** The attempt before, whose records this one repeats. */
  /** What a dry run is answered with. */
  readonly answers?: DryRun['answers'];
  readonly earlier?: RecordedRun;
  /** The cell is killed when the guest asks for the call of this number. */
  readonly loseAt?: number;
  /** The cell is killed after this time. */
  readonly wallMs?: number;
}

export async function recordRun(command: CellCommand, parts: RunParts): Promise<RecordedRun> {
  const { attempt, order, module, input, earlier, loseAt, wallMs } = parts;
  const journal = new ActionJournal(earlier?.records ?? []);
  const control = new GrantingControl(earlier?.bodies ?? new Map());
  const session = new EgressSession(
    {
      workspace: 'local',
      contract: order.contract,
      effect: order.operation.effect,
      limits: order.limits,
      dryRun: order.dryRun && { answers: parts.answers ?? [], credentials: [] },
    },
    { resolve: async () => ['127.0.0.1'], ownAddresses: new Set() },
    journal,
    control,
  );
  const cell = new CellProcess(command);
  await cell.ready;
  const bound = await cell.bind(module, order.limits.memoryMiB);
  if (!bound.ok) throw new Error(bound.message);
  let refusal: string | undefined;
  let asked = 0;
  const late = setTimeout(() => {
    refusal = 'limit.deadline';
    cell.kill();
  }, wallMs ?? 30_000);
  const result = await cell.run({
    export: order.operation.export,
    input,
    config: order.config,
    limits: order.limits,
    seed: order.seed,
    startTime: order.startTime,
    maxRequestBytes: order.limits.egressBytesOut,
    onLog: () => undefined,
    async onRequest(request) {
      if (asked++ !== loseAt) {
        const answer = await session.request(request);
        if (answer.kind === 'response') return answer;
        if (answer.kind === 'failed') return { failed: answer.reason, ms: answer.ms };
        refusal = answer.code;
      }
      cell.kill();
      return new Promise(() => undefined);
    },
  });
  clearTimeout(late);
  await cell.kill();
  await session.close();
  const records = [...(earlier?.records ?? [])];
  const bodies = new Map(earlier?.bodies ?? []);
  for (let place = 0; place < journal.records.length; place++) {
    const entry = journal.entry(place);
    if (!entry) continue;
    records.push(v.parse(JournalRecordSchema, { ...entry.record, attempt }));
    for (const { digest, bytes } of entry.bodies) bodies.set(digest, bytes);
  }
  for (const { bodyDigest, body } of control.intents) {
    if (bodyDigest !== null) bodies.set(await digestOf(body), body);
  }
  const open = control.intents.find(({ call }) => call >= records.length);
  if (open) records.push(openRecord(open, attempt));
  const output = result.kind === 'output' ? { output: result.output } : {};
  const ended = result.kind === 'error' ? result.code : 'lost';
  const verdict = refusal ?? (result.kind === 'output' ? 'succeeded' : ended);
  return { attempt, verdict, ...output, records, bodies };
}

/** Gives leave to every write, as the Control Plane does for what was approved. */
class GrantingControl implements EgressControl {
  readonly intents: CallIntent[] = [];
  readonly #bodies: ReadonlyMap<string, Uint8Array>;

  constructor(bodies: ReadonlyMap<string, Uint8Array>) {
    this.#bodies = bodies;
  }

  async intend(intent: CallIntent) {
    this.intents.push(intent);
    const leave = { status: 'send', sendWithinMs: 5_000, timeoutMs: 5_000 } as const;
    return { kind: 'send', askedAt: performance.now(), leave } as const;
  }

  async body(digest: string) {
    const bytes = this.#bodies.get(digest);
    if (!bytes) throw new Error(`no body ${digest}`);
    return { kind: 'body', bytes } as const;
  }
}

/** What the Control Plane keeps of a write that nobody saw the answer of. */
function openRecord(intent: CallIntent, attempt: string): JournalArtifactRecord {
  const url = new URL(intent.url);
  return v.parse(JournalRecordSchema, {
    attempt,
    call: intent.call,
    method: intent.method,
    scheme: url.protocol.slice(0, -1),
    host: url.hostname,
    port: Number(url.port),
    path: url.pathname,
    rule: 'main',
    verdict: 'open',
    requestDigest: intent.requestDigest,
    ...(intent.bodyDigest === null ? {} : { requestBodyDigest: intent.bodyDigest }),
    bytesOut: 0,
    bytesIn: 0,
    ms: 0,
  });
}
