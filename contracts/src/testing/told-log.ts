/** Verifies the bundle of a log that tells one action's story, honest or altered. For tests only. */
import { parse } from 'valibot';
import { buildBundle } from '../bundle.ts';
import { type Digest, digestOf } from '../digest.ts';
import { ActionIdSchema } from '../ids.ts';
import { verifyBundle } from '../verify-bundle.ts';
import type { VerifyReport } from '../verify-report.ts';
import { PLUGIN, REWRITTEN } from './action-parts.ts';
import { ActionTeller, type Alterations } from './action-teller.ts';
import { checkpointAt, INSTANCE, logKey, WORKSPACE } from './honest-log.ts';
import { LogBuilder } from './log-builder.ts';
import type { OrderedTell } from './ordered-stories.ts';
import { type EntryObject, rewritten } from './repackage.ts';

const key = await logKey();
const modules = new Map([
  [await digestOf(PLUGIN), PLUGIN],
  [await digestOf(REWRITTEN), REWRITTEN],
]);

export interface Told {
  readonly report: VerifyReport;
  readonly rules: readonly string[];
}

export interface Lie extends Alterations {
  /** Export the one action that is told alone. */
  readonly alone?: true;
  /** Media types of artifacts that the export leaves out. */
  readonly omit?: readonly string[];
  /** Changes entries after they were written; hashes and signatures are made to fit. */
  readonly rewrite?: (entries: EntryObject[]) => void;
}

export async function verifyTold(
  tells: OrderedTell | readonly OrderedTell[],
  lie: Lie = {},
): Promise<Told> {
  const log = new LogBuilder(WORKSPACE);
  const artifacts = new Map<Digest, Uint8Array>();
  const omitted = new Set<unknown>();
  const told = new Set<unknown>();
  await log.append({
    ...{ type: 'plugin.admitted', subject: { plugin: await digestOf(PLUGIN) }, data: {} },
  });
  for (const tell of [tells].flat()) await tell(new ActionTeller(log, artifacts, lie));
  if (lie.rewrite) log.entries.splice(0, Infinity, ...(await rewritten(log.entries, lie.rewrite)));
  for (const bytes of log.entries) {
    const entry = JSON.parse(new TextDecoder().decode(bytes));
    if (entry.subject.action !== undefined) told.add(entry.subject.action);
    for (const { digest, mediaType } of entry.artifacts) {
      if (lie.omit?.includes(mediaType)) omitted.add(digest);
    }
  }
  const bundle = await buildBundle({
    instance: INSTANCE,
    workspace: WORKSPACE,
    asked: lie.alone ? { action: parse(ActionIdSchema, [...told][0]) } : {},
    entries: log.entries,
    checkpoint: await checkpointAt(log, log.entries.length, key),
    verifierKeys: [key.verifierKey],
    artifacts: new Map([...artifacts].filter(([digest]) => !omitted.has(digest))),
    modules,
  });
  const report = await verifyBundle(bundle, { pin: key.verifierKey });
  return { report, rules: report.findings.map(({ rule }) => rule) };
}
