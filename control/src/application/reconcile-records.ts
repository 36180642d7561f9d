/** State, events and artifacts against the log: what differs is told, and never changed. */
import type { Digest } from '@portarium/contracts/digest';
import { type Entry, EntrySchema } from '@portarium/contracts/evidence-entry';
import type { ActionId } from '@portarium/contracts/ids';
import { WATCH_LIMITS } from '@portarium/contracts/limits';
import { stateOfStory } from '@portarium/contracts/state-of-story';
import * as v from 'valibot';
import { catchUp } from './check-artifacts.ts';
import { isDisposed } from './is-disposed.ts';
import { timeText } from './ports/clock.ts';
import type { ActionRecord } from './ports/records.ts';
import type { ReadTransaction } from './ports/workspace-store.ts';
import { appendedEntry, eachEntry } from './read-entries.ts';
import { CheckFailed, type CheckRun, type Cursors } from './reconciliation-run.ts';

const LAST = 'sha256:~';

/** `action.state`: rows whose state is not that of their entries. @returns the next cursor */
export async function checkStates(
  run: CheckRun,
  { actionAfter }: Cursors,
  open: readonly string[],
): Promise<Partial<Cursors>> {
  const { context, workspace } = run;
  const limit = WATCH_LIMITS.reconciledRows;
  const page = await context.store.read(workspace, (tx) => tx.actionsAfter(actionAfter, limit));
  const actions = new Set([...page, ...open.map((id) => id as ActionId)]);
  run.looked = actions.size;
  for (const action of actions) {
    const differs = await context.store.read(workspace, async (tx) =>
      difference(tx, await tx.findAction(action)),
    );
    // Row and entries are read one after the other: once more, while nothing moves.
    const message =
      differs &&
      (await context.sealerStore.submit(workspace, async (tx) =>
        difference(tx, await tx.lockAction(action)),
      ));
    if (message !== undefined) run.leave('action.state', action, message);
  }
  return { actionAfter: page.length < limit ? null : (page.at(-1) ?? null) };
}

async function difference(
  tx: ReadTransaction,
  action: ActionRecord | undefined,
): Promise<string | undefined> {
  if (!action) return undefined;
  const entries: Entry[] = [];
  const list: ReadTransaction['listEntries'] = (page) => tx.listEntries(page);
  for await (const { bytes, seq } of eachEntry(list, { action: action.id })) {
    const entry = readableEntry(bytes);
    if (!entry) return `entry ${seq} of it can not be read`;
    entries.push(entry);
  }
  const told = stateOfStory(entries);
  if (told === undefined) return `is ${action.state}, and no entry tells of it`;
  return told === action.state ? undefined : `is ${action.state}; its entries say ${told}`;
}

function readableEntry(bytes: Uint8Array): Entry | undefined {
  try {
    return v.parse(EntrySchema, appendedEntry(bytes));
  } catch {
    return undefined;
  }
}

/** `event.unpublished`: events that the bus should have had by now. */
export async function checkEvents(run: CheckRun): Promise<void> {
  const { context, workspace } = run;
  const before = timeText(context.clock.nowMs() - WATCH_LIMITS.unpublishedMs);
  const late = await context.store.read(workspace, (tx) => tx.oldestUnpublished(before));
  run.looked = late?.count ?? 0;
  if (!late) return;
  const message = `${late.count} events wait since before ${before}; the relay sends them in order as soon as it reaches the bus`;
  run.leave('event.unpublished', '', message, late.seq);
}

/**
 * `artifact.missing` and `object.unnamed`: what the log names against what the store has, a part of all
 * digests at a time. @returns the next cursor
 */
export async function checkObjects(
  run: CheckRun,
  { artifactAfter }: Cursors,
  open: readonly string[],
): Promise<Partial<Cursors>> {
  const { context, workspace } = run;
  const limit = WATCH_LIMITS.reconciledRows;
  if (!(await catchUp(context, workspace))) {
    throw new CheckFailed('an entry of the log can not be read, so what it names is not known');
  }
  const listed = await context.objects.listArtifacts(workspace, artifactAfter, limit);
  const named = await context.store.read(workspace, (tx) =>
    tx.namedArtifacts(artifactAfter, limit),
  );
  const ends = [listed, named].map((list) =>
    list.length < limit ? LAST : (list.at(-1)?.digest ?? LAST),
  );
  const end = ends.sort()[0] ?? LAST;
  const stored = listed.filter(({ digest }) => digest <= end);
  const there = new Set(stored.map(({ digest }) => digest));
  const again = open.map((digest) => digest as Digest);
  const missing = named.filter(({ digest }) => digest <= end && !there.has(digest));
  run.looked = stored.length + missing.length;
  for (const digest of new Set([...missing.map((one) => one.digest), ...again])) {
    await lookForArtifact(run, digest);
  }
  const graceMs = WATCH_LIMITS.objectGraceHours * 60 * 60_000;
  const old = stored.filter(({ writtenMs }) => context.clock.nowMs() - writtenMs > graceMs);
  await tellUnnamed(run, [...old.map(({ digest }) => digest), ...again]);
  return { artifactAfter: end === LAST ? '' : end };
}

async function lookForArtifact(run: CheckRun, digest: Digest): Promise<void> {
  const { context, workspace } = run;
  if ((await context.objects.lockOf(workspace, digest)) !== undefined) return;
  const seq = await context.store.read(workspace, async (tx) => {
    const named = (await tx.namedAmong([digest])).get(digest);
    return named === undefined || (await isDisposed(tx, digest, named)) ? undefined : named;
  });
  // What nobody names may be gone.
  if (seq === undefined) return;
  run.leave('artifact.missing', digest, `the log names ${digest}, and the store lacks it`, seq);
}

async function tellUnnamed(run: CheckRun, digests: readonly Digest[]): Promise<void> {
  const { context, workspace } = run;
  const wanted = [...new Set(digests)];
  const named = await context.store.read(workspace, (tx) => tx.namedAmong(wanted));
  for (const digest of wanted.filter((one) => !named.has(one))) {
    if ((await context.objects.lockOf(workspace, digest)) === undefined) continue;
    const message = `the store has ${digest}, and no entry names it: left by something that was cut off, or put there by somebody else`;
    run.leave('object.unnamed', digest, message);
  }
}
