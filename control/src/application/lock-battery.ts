/**
 * The lock battery: everything that whoever holds the store's credentials could try against what is kept.
 * It runs against real objects with short locks, apart from all evidence, and believes no configuration.
 */
import type { LockProbe, ProbeObject } from './ports/object-store.ts';

export interface LockCheck {
  readonly name: string;
  readonly held: boolean;
  /** What happened instead. */
  readonly detail?: string;
}

/** A lock that outlives the battery, and one that it waits for. */
const LONG_MS = 60 * 60 * 1_000;
const SHORT_MS = 2_000;
/** Stores keep time in seconds, some of them, and their clocks differ from ours. */
const EXPIRED_AFTER_MS = SHORT_MS + 1_500;
const DAY_MS = 24 * LONG_MS;
/** Above the smallest part that S3 takes of an object that is uploaded in parts. */
const PARTS_BYTES = 6 * 1024 * 1024;

const text = (value: string) => new TextEncoder().encode(value);
const KEPT = text('kept');

/** Undefined when the lock held, else what happened. */
type Check = (probe: LockProbe) => Promise<string | undefined>;

export const LOCK_CHECKS: Readonly<Record<string, Check>> = {
  'locked when the write returns': async (probe) => {
    const object = await probe.write(KEPT, LONG_MS);
    const lock = await probe.lockOf(object);
    if (lock?.mode !== 'COMPLIANCE') return `its mode is ${lock?.mode ?? 'none'}`;
    const ms = lock.untilMs - Date.now();
    if (ms < LONG_MS / 2) return `it is locked for ${Math.round(ms / 1_000)} s`;
    return broken(await probe.remove(object), 'it was deleted');
  },
  'default retention visible': async (probe) => {
    const lock = await probe.lockOf(await probe.write(KEPT, 'default'));
    if (lock?.mode !== 'COMPLIANCE') return `its mode is ${lock?.mode ?? 'none'}`;
    return broken(lock.untilMs < Date.now() + DAY_MS / 2, 'it lasts less than a day');
  },
  'delete of a version': async (probe) => {
    const object = await probe.write(KEPT, LONG_MS);
    const done = await probe.remove(object);
    return (await lost(probe, object)) ?? broken(done, 'the store says that it deleted it');
  },
  'delete marker': async (probe) => {
    const object = await probe.write(KEPT, LONG_MS);
    await probe.removeName(object);
    await probe.remove(object);
    return lost(probe, object);
  },
  overwrite: async (probe) => {
    const object = await probe.write(KEPT, LONG_MS);
    await probe.overwrite(object, text('other'));
    return lost(probe, object);
  },
  'write only where nothing is': async (probe) => {
    const object = await probe.write(KEPT, LONG_MS);
    return broken(await probe.create(object.name, text('other')), 'it was written over');
  },
  'shorten retention': async (probe) => {
    const object = await probe.write(KEPT, LONG_MS);
    await probe.lockUntil(object, Date.now() + SHORT_MS);
    const until = (await probe.lockOf(object))?.untilMs ?? 0;
    return broken(until < Date.now() + LONG_MS / 2, 'its retention is shorter');
  },
  'lengthen retention': async (probe) => {
    const object = await probe.write(KEPT, LONG_MS);
    await probe.lockUntil(object, Date.now() + 2 * LONG_MS);
    const until = (await probe.lockOf(object))?.untilMs ?? 0;
    return broken(until < Date.now() + 1.5 * LONG_MS, 'its retention is as it was');
  },
  'downgrade to GOVERNANCE': async (probe) => {
    const object = await probe.write(KEPT, LONG_MS);
    await probe.loosen(object);
    const mode = (await probe.lockOf(object))?.mode;
    return broken(mode !== 'COMPLIANCE', `its mode is ${mode ?? 'none'}`);
  },
  'suspend versioning': async (probe) => {
    const object = await probe.write(KEPT, LONG_MS);
    const done = await probe.stopVersions();
    return (await lost(probe, object)) ?? broken(done, 'versions are no longer kept');
  },
  'upload in parts': async (probe) => {
    const bytes = new Uint8Array(PARTS_BYTES).fill(7);
    const object = await probe.writeInParts(bytes);
    const mode = (await probe.lockOf(object))?.mode;
    if (mode !== 'COMPLIANCE') return `its mode is ${mode ?? 'none'}`;
    await probe.remove(object);
    return lost(probe, object, bytes);
  },
  'delete under hold after expiry': async (probe) => {
    const object = await probe.write(KEPT, SHORT_MS);
    if (!(await probe.setHold(object, true))) return 'it takes no legal hold';
    await expired();
    await probe.remove(object);
    const gone = await lost(probe, object);
    if (gone !== undefined) return gone;
    await probe.setHold(object, false);
    return broken(!(await probe.remove(object)), 'it stays when the hold is released');
  },
  'delete after expiry': async (probe) => {
    const object = await probe.write(KEPT, SHORT_MS);
    await expired();
    return broken(!(await probe.remove(object)), 'it can not be disposed of');
  },
  'no way around the store': async (probe) => {
    const object = await probe.write(KEPT, LONG_MS);
    const done = await probe.goAround(object);
    return (await lost(probe, object)) ?? broken(done, 'it was deleted without asking the store');
  },
};

/** What can happen to evidence where the check of that name did not hold. */
export const LOCK_MEANINGS: Readonly<Record<string, string>> = {
  'locked when the write returns':
    'An artifact can be deleted between its write and its lock, while the entry that names it is made.',
  'default retention visible': 'What is written without a date of its own is not locked.',
  'delete of a version': 'Whoever has the store’s credentials can delete what is under retention.',
  'delete marker': 'A deletion by name takes the locked object with it.',
  overwrite: 'Other bytes can take the place of those that evidence names.',
  'write only where nothing is':
    'Two writers of one name do not see each other: the later one wins.',
  'shorten retention': 'A retention can be shortened, and then the object deleted.',
  'lengthen retention': 'What is used again is not kept longer.',
  'downgrade to GOVERNANCE': 'A lock can be put into a mode that somebody with more rights lifts.',
  'suspend versioning': 'Versions can be switched off, and with them what locks hold.',
  'upload in parts': 'Large objects that are uploaded in parts are not locked.',
  'delete under hold after expiry':
    'A legal hold does not outlive the retention, or is never over.',
  'delete after expiry': 'What is over its retention can not be disposed of.',
  'no way around the store':
    'Somebody with rights beyond the store’s own, such as an administrator of the operating system, can delete what it keeps.',
};

/** Runs every check, some at once, each with objects of its own. A check that fails of itself has not held. */
export async function runLockBattery(probe: LockProbe): Promise<readonly LockCheck[]> {
  return Promise.all(
    Object.entries(LOCK_CHECKS).map(async ([name, check]): Promise<LockCheck> => {
      const detail = await check(probe).catch((error: unknown) =>
        error instanceof Error ? error.message : String(error),
      );
      return detail === undefined ? { name, held: true } : { name, held: false, detail };
    }),
  );
}

const broken = (is: boolean, what: string) => (is ? what : undefined);

async function lost(probe: LockProbe, object: ProbeObject, bytes = KEPT) {
  const read = await probe.read(object);
  if (read === undefined) return 'it is gone';
  return broken(Buffer.compare(read, bytes) !== 0, 'it has other bytes');
}

const expired = () => new Promise((resolve) => setTimeout(resolve, EXPIRED_AFTER_MS));
