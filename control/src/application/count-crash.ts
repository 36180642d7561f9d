/**
 * Counts an attempt that the guest's own failure ended, and quarantines the version once it has crashed too
 * often, over all hosts. Whoever may ask for an action chooses its input, so one person's crashes stop
 * nothing that others use (ADR 0157).
 */
import { type AttemptErrorCode, CRASH_ERRORS } from '@portarium/contracts/errors';
import { severalSuffer, soleSuffers } from '../domain/plugin-rules.ts';
import { timeText } from './ports/clock.ts';
import type { ActionRecord, AttemptRecord, PluginRecord } from './ports/records.ts';
import type { Since } from './ports/version-store.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';
import { quarantineLocked } from './quarantine-version.ts';

/** To be called in the transaction that ends the attempt, after its entries. */
export async function countCrash(
  tx: WriteTransaction,
  action: ActionRecord,
  attempt: Pick<AttemptRecord, 'id'>,
  code: string,
  at: string,
): Promise<void> {
  // What examples answer in a dry run says nothing of the version's work.
  if (action.dryRun || !CRASH_ERRORS.has(code as AttemptErrorCode)) return;
  const rules = await tx.pluginRules();
  const person = (await tx.findKeyPeople(action.requestedBy))?.owner;
  if (rules.quarantineAfter === 0 || person === undefined) return;
  const { plugin: name, version, inputDigest } = action;
  // Reports of one plugin's crashes pass here one by one, so that the last of them sees all others.
  await tx.lockPluginVersions(name);
  const since = timeText(Date.parse(at) - rules.crashWindowMs);
  const crash = { plugin: name, version, attempt: attempt.id, person, inputDigest, code, at };
  await tx.recordCrash(crash, since);
  const plugin = await tx.findPlugin(name, version);
  if (plugin?.state !== 'active') return;
  const window = { plugin: name, version, since: later(since, plugin.liftedAt) };
  if (!(await speaksAgainst(tx, plugin, window, rules.quarantineAfter))) return;
  const report = await tx.crashReport(window);
  const crashes = { ...report, windowMs: rules.crashWindowMs };
  await quarantineLocked(tx, plugin, { at, cause: 'crashes', crashes });
}

async function speaksAgainst(
  tx: WriteTransaction,
  { name, liftedAt }: PluginRecord,
  window: Since,
  least: number,
): Promise<boolean> {
  const crashed = await tx.crashesByPerson(window);
  const [first] = crashed;
  if (!first) return false;
  // A person who lifted a quarantine has looked: from then on it takes several people.
  const sole = crashed.length === 1 && liftedAt === null;
  if (!(sole ? soleSuffers(crashed, [], least) : severalSuffer(crashed, [], least))) return false;
  // One person's flood of crashes does not get here unless nobody else uses the plugin.
  if (sole && (await tx.othersUse(name, first.person))) return false;
  const works = await tx.worksByPerson(window);
  return sole ? soleSuffers(crashed, works, least) : severalSuffer(crashed, works, least);
}

/** Times in one form sort as text. */
function later(since: string, liftedAt: string | null): string {
  return liftedAt !== null && liftedAt > since ? liftedAt : since;
}
