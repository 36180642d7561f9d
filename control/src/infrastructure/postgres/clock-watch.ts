/**
 * Watches the database's clock, which gives entries their time. A log's time never goes back; that the
 * clock was moved is worth an alarm all the same. Changes nothing, and never holds an append up.
 */
import { getLogger } from '@logtape/logtape';
import type { WorkspaceId } from '@portarium/contracts/ids';

const log = getLogger(['portarium', 'clock']);

/** A step of the clock of more than this raises the alarm. */
export const CLOCK_STEP_MS = 5_000;

/** What an append saw under the head's lock. */
export interface ClockReading {
  readonly workspace: WorkspaceId;
  /** The database's clock. */
  readonly nowMs: number;
  /** The time of the log's newest entry. */
  readonly headMs: number;
  /** This process's monotonic clock, before the question was sent. */
  readonly sentMs: number;
}

export interface ClockAlarm {
  readonly workspace: WorkspaceId;
  /**
   * `stepped`: since this process looked last, the clock went by `byMs` more than time did. `behind`: it
   * is that much behind the log, whose entries keep the log's time until it has caught up.
   */
  readonly kind: 'stepped' | 'behind';
  /** Milliseconds, negative when the clock went back. */
  readonly byMs: number;
}

export interface ClockWatch {
  saw(reading: ClockReading): void;
}

/** What an alarm says to whoever runs the instance. */
function say({ workspace, kind, byMs }: ClockAlarm): void {
  if (kind === 'stepped') {
    log.error(
      'the clock of the database was moved by {byMs} ms; entries go on from the later time',
      {
        byMs,
      },
    );
    return;
  }
  log.error(
    'the log of {workspace} is {byMs} ms ahead of the database’s clock; its entries keep that time until the clock has caught up. Set the clock of the database’s machine right',
    { workspace, byMs: -byMs },
  );
}

/** @param raise told once of each step, and once of each log that is ahead until it no longer is */
export function createClockWatch(
  raise: (alarm: ClockAlarm) => void,
  monotonicMs: () => number = () => performance.now(),
): ClockWatch {
  /** The clock less the monotonic one: between the two, because an answer takes its time. */
  let offset: { readonly least: number; readonly most: number } | undefined;
  const behind = new Set<WorkspaceId>();
  const tell = (alarm: ClockAlarm) => {
    say(alarm);
    raise(alarm);
  };
  return {
    saw({ workspace, nowMs, headMs, sentMs }) {
      const seen = { least: nowMs - monotonicMs(), most: nowMs - sentMs };
      const ahead = offset && Math.max(0, seen.least - offset.most);
      const back = offset && Math.max(0, offset.least - seen.most);
      const byMs = (ahead ?? 0) - (back ?? 0);
      const stepped = Math.abs(byMs) > CLOCK_STEP_MS;
      // Slow drift is followed; what is certain gets narrower with every look.
      offset =
        offset && !stepped && byMs === 0
          ? { least: Math.max(offset.least, seen.least), most: Math.min(offset.most, seen.most) }
          : seen;
      if (stepped) tell({ workspace, kind: 'stepped', byMs: Math.round(byMs) });
      if (headMs - nowMs <= CLOCK_STEP_MS) behind.delete(workspace);
      else if (!behind.has(workspace)) {
        behind.add(workspace);
        tell({ workspace, kind: 'behind', byMs: nowMs - headMs });
      }
    },
  };
}
