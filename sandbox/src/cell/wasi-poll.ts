/**
 * `poll_oneoff`: what is ready is told at once, and a guest that only waits for a time is put there,
 * since nothing but its own clock could come to pass meanwhile. Never waits.
 */
import type { ActionClock } from './action-clock.ts';
import { ERRNO, type Errno } from './wasi-errno.ts';
import type { GuestMemory } from './wasi-memory.ts';

export const NANOS_PER_MICRO = 1_000n;

const MAX_SUBSCRIPTIONS = 1_024;
const SUBSCRIPTION_BYTES = 48;
const EVENT_BYTES = 32;
/** The latest time that 63 bits of nanoseconds hold: guests read times with a sign. */
const LAST_MICROS = (2n ** 63n - 1n) / NANOS_PER_MICRO;

const TYPE = { clock: 0, read: 1, write: 2 } as const;
const ABSOLUTE = 1;
const HANGUP = 1;

interface Event {
  readonly userdata: bigint;
  readonly type: number;
  readonly error: Errno;
  /** In microseconds of the action's clock; for all but clocks, which are ready, undefined. */
  readonly due?: bigint;
  readonly hangup?: boolean;
}

interface Places {
  readonly subscriptions: number;
  readonly events: number;
  readonly count: number;
  readonly written: number;
}

/** Real time and monotonic time are one: the action's. Time of a processor is none of a guest's. */
export function isSharedClock(id: number): boolean {
  return id === 0 || id === 1;
}

export function poll(
  memory: GuestMemory,
  clock: ActionClock,
  open: ReadonlySet<number>,
  { subscriptions, events, count, written }: Places,
): Errno {
  if (count === 0 || count > MAX_SUBSCRIPTIONS) return ERRNO.inval;
  const wanted = memory.view(subscriptions, SUBSCRIPTION_BYTES * count);
  memory.bytes(events, EVENT_BYTES * count);
  const now = clock.read();
  const all: Event[] = [];
  for (let index = 0; index < count; index++) {
    const event = readSubscription(wanted, index * SUBSCRIPTION_BYTES, open, now);
    if (!event) return ERRNO.inval;
    all.push(event);
  }
  const [earliest = now] = all.map(({ due = now }) => due).toSorted((a, b) => (a < b ? -1 : 1));
  memory.setU32(written, 0);
  clock.moveTo(earliest);
  const ready = all.filter(({ due = now }) => due <= now || due === earliest);
  const told = memory.view(events, EVENT_BYTES * ready.length);
  for (const [index, event] of ready.entries()) writeEvent(told, index * EVENT_BYTES, event);
  memory.setU32(written, ready.length);
  return ERRNO.success;
}

function readSubscription(
  view: DataView,
  at: number,
  open: ReadonlySet<number>,
  now: bigint,
): Event | undefined {
  const userdata = view.getBigUint64(at, true);
  const type = view.getUint8(at + 8);
  const subject = view.getUint32(at + 16, true);
  if (type === TYPE.clock) {
    if (!isSharedClock(subject)) return { userdata, type, error: ERRNO.inval };
    // Whole microseconds, rounded up: a guest never wakes before its time.
    const timeout = (view.getBigUint64(at + 24, true) + NANOS_PER_MICRO - 1n) / NANOS_PER_MICRO;
    const absolute = (view.getUint16(at + 40, true) & ABSOLUTE) !== 0;
    const due = absolute ? timeout : now + timeout;
    return { userdata, type, error: ERRNO.success, due: due > LAST_MICROS ? LAST_MICROS : due };
  }
  if (type === TYPE.read) {
    const ends = subject === 0 && open.has(subject);
    return { userdata, type, error: ends ? ERRNO.success : ERRNO.badf, hangup: ends };
  }
  if (type === TYPE.write) {
    const takes = subject !== 0 && open.has(subject);
    return { userdata, type, error: takes ? ERRNO.success : ERRNO.badf };
  }
  return undefined;
}

function writeEvent(view: DataView, at: number, { userdata, type, error, hangup }: Event): void {
  view.setBigUint64(at, userdata, true);
  view.setUint16(at + 8, error, true);
  for (let offset = 10; offset < EVENT_BYTES; offset++) view.setUint8(at + offset, 0);
  view.setUint8(at + 10, type);
  view.setUint16(at + 24, hangup ? HANGUP : 0, true);
}
