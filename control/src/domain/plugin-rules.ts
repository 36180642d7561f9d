/** What a workspace asks of plugins when it says nothing else, and when crashes speak against a version. */
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';

export const DEFAULT_PLUGIN_RULES = {
  /** Whether an upload needs a trusted publisher's signature. */
  signature: 'optional',
  /** Crashes within the window that quarantine a version; 0 never does. */
  quarantineAfter: PLATFORM_LIMITS.crashesToQuarantine,
  crashWindowMs: PLATFORM_LIMITS.crashWindowMs,
  revision: 0,
} as const;

/** How often a version crashed for one person within the window, and with how many different inputs. */
export interface CrashesOf {
  readonly person: string;
  readonly crashes: number;
  readonly inputs: number;
}

/** With how many different inputs a version worked for one person within the window. */
export interface WorksFor {
  readonly person: string;
  readonly inputs: number;
}

/**
 * Whether several people's crashes quarantine a version. Whoever chooses the input may make it crash, so
 * nobody's crashes count for more than a part that is too small by itself, nor one input twice; and it
 * has to crash for more people than it works for. For a person, too, most inputs decide.
 * @param least how many crashes it takes
 * @param works empty asks whether it could, whomever it works for
 */
export function severalSuffer(
  crashed: readonly CrashesOf[],
  works: readonly WorksFor[],
  least: number,
): boolean {
  const worked = new Map(works.map(({ person, inputs }) => [person, inputs]));
  const suffer = crashed.filter(({ person, inputs }) => inputs > (worked.get(person) ?? 0));
  const most = Math.max(1, Math.ceil(least / 2));
  const counted = suffer.reduce((sum, { inputs }) => sum + Math.min(inputs, most), 0);
  const people = new Set([...crashed, ...works].map(({ person }) => person));
  return suffer.length >= 2 && counted >= least && suffer.length > people.size / 2;
}

/** Whether one person's crashes may quarantine a version that nobody else uses: it mostly crashes. */
export function soleSuffers(
  [crashed]: readonly CrashesOf[],
  works: readonly WorksFor[],
  least: number,
): boolean {
  if (!crashed) return false;
  const worked = works.find(({ person }) => person === crashed.person)?.inputs ?? 0;
  return crashed.crashes >= least && crashed.crashes > worked;
}
