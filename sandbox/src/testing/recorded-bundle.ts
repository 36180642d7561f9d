/** An action with its attempts as a signed bundle, so that a test can replay what it ran, or lie. */
import {
  type ActionOrder,
  actionOrderBytes,
  ORDER_MEDIA_TYPE,
} from '@portarium/contracts/action-order';
import { buildBundle } from '@portarium/contracts/bundle';
import { type Digest, digestOf, digestOfJson } from '@portarium/contracts/digest';
import { contractStatement, SAFE_METHODS } from '@portarium/contracts/egress-rule';
import type { Artifact } from '@portarium/contracts/evidence-entry';
import { ActionIdSchema } from '@portarium/contracts/ids';
import {
  BODIES_MEDIA_TYPE,
  bodiesBytes,
  JOURNAL_MEDIA_TYPE,
  journalBytes,
} from '@portarium/contracts/journal-artifact';
import { PLATFORM_FLOOR } from '@portarium/contracts/life-cycle';
import { checkpointAt, INSTANCE, logKey, WORKSPACE } from '@portarium/contracts/testing/honest-log';
import { type Draft, LogBuilder } from '@portarium/contracts/testing/log-builder';
import * as v from 'valibot';
import type { RecordedRun } from './recorded-run.ts';

export interface ActionStory {
  readonly order: ActionOrder;
  readonly module: Uint8Array;
  readonly input: Uint8Array;
  readonly runs: readonly (RecordedRun & {
    /** Of another output than the run's own. */
    readonly outputDigest?: Digest;
    /** Nobody was left to report a lost attempt: no journal, and only so many calls are known of. */
    readonly unreported?: { readonly calls?: number };
  })[];
  /** Media types of artifacts that the export leaves out. */
  readonly omit?: readonly string[];
  /** The action goes on; its bundle is not complete. */
  readonly open?: true;
}

const RETENTION = 'operational';
const OCTETS = 'application/octet-stream';

export async function bundleOf(
  story: ActionStory,
  asked: 'action' | 'log' = 'action',
): Promise<Uint8Array> {
  const log = new LogBuilder(WORKSPACE);
  const artifacts = new Map<Digest, Uint8Array>();
  const keep = async (bytes: Uint8Array, mediaType: string): Promise<Artifact> => {
    const digest = await digestOf(bytes);
    if (!story.omit?.includes(mediaType)) artifacts.set(digest, bytes);
    return { digest, bytes: bytes.length, mediaType, retention: RETENTION };
  };
  const { order } = story;
  const tell = (type: Draft['type'], data: Draft['data'], more: Partial<Draft> = {}) =>
    log.append({ type, data, subject: { action: order.action }, ...more });
  const { digest: plugin } = order.plugin;
  await log.append({ type: 'plugin.admitted', subject: { plugin }, data: {} });
  const named = await keep(actionOrderBytes(order), ORDER_MEDIA_TYPE);
  const dry = order.dryRun ? { dryRun: true } : {};
  await tell(
    'action.requested',
    {
      operation: order.operation.name,
      effect: order.operation.effect,
      plugin: order.plugin.name,
      version: order.plugin.version,
      inputDigest: order.inputDigest,
      contractDigest: await digestOfJson(contractStatement(order.contract)),
      orderDigest: named.digest,
      ...dry,
    },
    {
      subject: { action: order.action, plugin },
      artifacts: [
        await keep(story.input, 'text/plain'),
        named,
        await keep(story.module, 'application/wasm'),
      ],
    },
  );
  const reasons = { policyVersion: 1, policies: [], reasons: [] };
  const tier = PLATFORM_FLOOR[order.operation.effect];
  await tell('policy.decided', { decision: 'allow', tier, ...reasons });
  let told = 0;
  for (const [index, run] of story.runs.entries()) {
    const host = { host: 'host-1', isolation: 'process', engine: 'extism-js' };
    await tell('attempt.started', { attempt: run.attempt, ...host, fence: index + 1 });
    for (const record of run.records.slice(told)) {
      const { scheme: _, verdict, responseHeaders: __, ...shown } = record;
      if (verdict === 'denied') await tell('egress.denied', shown);
      else if (verdict === 'withheld') {
        const { request, ...rest } = shown;
        const bodyDigest = request?.bodyDigest ?? undefined;
        const body = bodyDigest && run.bodies.get(bodyDigest);
        const artifacts = body ? [await keep(body, OCTETS)] : [];
        const data = { ...rest, ...(bodyDigest && { bodyDigest }), ...dry };
        await tell('egress.withheld', data, { artifacts });
      } else if (!SAFE_METHODS.has(record.method)) {
        await tell('egress.intended', { ...shown, ms: 0, bytesIn: 0, idempotencyKeyed: false });
        if (verdict !== 'open') await tell('egress.answered', shown);
      }
    }
    told = run.records.length;
    const [end, more] = await finished(run, keep);
    await tell('attempt.finished', { ...end, ...dry }, more);
  }
  const last = story.runs.at(-1);
  if (!story.open && last?.verdict === 'succeeded') {
    await tell('action.succeeded', { outputDigest: await outputOf(last), ...dry });
  } else if (!story.open) {
    const error = { code: last?.verdict ?? '', message: 'as it says' };
    await tell('action.failed', { error, ...dry });
  }
  const key = await logKey();
  return buildBundle({
    instance: INSTANCE,
    workspace: WORKSPACE,
    asked: asked === 'log' ? {} : { action: v.parse(ActionIdSchema, order.action) },
    entries: log.entries,
    checkpoint: await checkpointAt(log, log.entries.length, key),
    verifierKeys: [key.verifierKey],
    artifacts,
    modules: new Map([...artifacts].filter(([digest]) => digest === order.moduleDigest)),
  });
}

type Run = ActionStory['runs'][number];

async function outputOf({ outputDigest, output = new Uint8Array() }: Run): Promise<Digest> {
  return outputDigest ?? digestOf(output);
}

async function finished(
  run: Run,
  keep: (bytes: Uint8Array, mediaType: string) => Promise<Artifact>,
): Promise<[Draft['data'], Partial<Draft>]> {
  const { attempt, verdict, records, bodies, unreported } = run;
  const message = 'as the code says';
  if (unreported) return [{ attempt, verdict: 'lost', ...unreported }, {}];
  const usage = { wallMs: 12 };
  const known = { attempt, usage, calls: records.length };
  const journal = await keep(journalBytes(records), JOURNAL_MEDIA_TYPE);
  const artifacts = [
    ...(records.length > 0 ? [journal] : []),
    ...(bodies.size > 0 ? [await keep(bodiesBytes(bodies), BODIES_MEDIA_TYPE)] : []),
  ];
  const stated = { ...known, journalDigest: journal.digest };
  if (verdict !== 'succeeded') {
    const error = { error: { code: verdict, message } };
    return [
      { ...stated, verdict: verdict === 'lost' ? 'lost' : 'failed', ...error },
      { artifacts },
    ];
  }
  const outputDigest = await outputOf(run);
  if (run.output && !run.outputDigest) artifacts.push(await keep(run.output, OCTETS));
  return [{ ...stated, verdict, outputDigest }, { artifacts }];
}
