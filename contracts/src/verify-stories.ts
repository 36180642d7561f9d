/** Groups the signed entries of a bundle by action, and checks each story, as far as the bundle has it. */
import type { BundleFiles } from './bundle-files.ts';
import type { BundleManifest } from './bundle-layout.ts';
import { endsAction } from './evidence-entry.ts';
import { type ToldStory, type ToldTotals, TotalsOfStories, tellStory } from './tell-story.ts';
import { BundleArtifacts } from './verify-artifacts.ts';
import { checkCredentials } from './verify-credentials.ts';
import { DISPOSAL_TYPES } from './verify-disposals.ts';
import { checkPlugins } from './verify-plugins.ts';
import type { Findings, ReadEntry } from './verify-report.ts';
import { checkPartOfStory, checkStory } from './verify-story.ts';

export interface CheckedStories {
  readonly actions: number;
  readonly openActions: number;
  readonly partialActions: number;
  readonly told: ToldTotals;
  readonly stories?: readonly ToldStory[];
}

/** Stories between two pauses. */
const STORIES_A_PAUSE = 32;

export interface StoriesOf {
  readonly manifest: BundleManifest;
  readonly files: BundleFiles;
  /** Artifacts that are gone as the log says. */
  readonly disposed: ReadonlySet<string>;
  /** Whether the bundle is the whole log, in which what came before can be told. */
  readonly whole: boolean;
  /** The place in the log where the bundle begins: before it an action may have begun. */
  readonly first: number;
  /** How many stories are told one by one, of the first actions. */
  readonly stories: number | undefined;
  readonly pause: (() => Promise<void>) | undefined;
}

export async function checkStories(
  entries: readonly ReadEntry[],
  bundle: StoriesOf,
  findings: Findings,
): Promise<CheckedStories> {
  const { manifest, files, disposed, first } = bundle;
  const artifacts = new BundleArtifacts(files, manifest.omitted, disposed);
  if (bundle.whole) {
    await checkPlugins(entries, artifacts, findings);
    checkCredentials(entries, findings);
  }
  let [openActions, partialActions] = [0, 0];
  const actions = storiesOf(entries, manifest, findings);
  const told = new TotalsOfStories();
  const stories: ToldStory[] = [];
  for (const story of actions.values()) {
    if (stories.length % STORIES_A_PAUSE === 0) await bundle.pause?.();
    const begins = story[0]?.entry.actionSeq;
    const partial = first > 0 && begins !== undefined && begins > 0;
    if (partial) checkPartOfStory(story, findings);
    const ended = partial ? endOf(story) : await checkStory(story, artifacts, findings);
    if (partial) partialActions++;
    else if (ended === undefined) openActions++;
    const telling = tellStory(story, ended);
    told.add(telling);
    stories.push(telling);
  }
  artifacts.rates.check(entries, findings);
  const kept = stories.slice(0, bundle.stories ?? 0);
  return {
    ...{ actions: actions.size, openActions, partialActions, told: told.totals },
    ...(kept.length > 0 ? { stories: kept } : {}),
  };
}

function endOf(story: readonly ReadEntry[]): string | undefined {
  return story.find(({ entry }) => endsAction(entry.type, entry.data))?.entry.type;
}

function storiesOf(
  entries: readonly ReadEntry[],
  { asked }: BundleManifest,
  findings: Findings,
): ReadonlyMap<string, readonly ReadEntry[]> {
  const actions = new Map<string, ReadEntry[]>();
  for (const read of entries) {
    const { action } = read.entry.subject;
    if (!belongs(read.entry, asked.action)) {
      findings.add('bundle.asked', 'is not about the action that was asked for', read.entry.seq);
    }
    if (action !== undefined) {
      const story = actions.get(action);
      if (story) story.push(read);
      else actions.set(action, [read]);
    } else if (read.entry.actionSeq !== undefined || read.entry.actionPrev !== undefined) {
      findings.add('action.chain', 'stands in an action’s chain without one', read.entry.seq);
    }
  }
  return actions;
}

/** Beside an action’s own entries stand those that say why an artifact of it is not there any more. */
function belongs(
  { type, subject }: ReadEntry['entry'],
  asked: BundleManifest['asked']['action'],
): boolean {
  return asked === undefined || subject.action === asked || DISPOSAL_TYPES.has(type);
}

/** Nothing signed says how many entries an action has, until its final one does. */
export function checkWholeAction(
  entries: readonly ReadEntry[],
  open: number,
  findings: Findings,
): void {
  const last = entries.findLast(({ entry }) => entry.type.startsWith('action.'));
  if (entries.length === 0) {
    findings.add('bundle.empty', 'no entry of the action that was asked for');
  } else if (open > 0 && last?.entry.type === 'action.outcome-unknown') {
    const message =
      'a write was sent, and nobody has said yet what came of it: resolve the action, then export again once it has ended';
    findings.addMissing('story.open', message);
  } else if (open > 0) {
    const message =
      'the action had not ended when this was exported, or its end was cut off; export again once it has ended';
    findings.addMissing('story.open', message);
  }
}
