/**
 * Runs the lock battery against the store in use and records what it said in the log of the instance, with
 * the report as an artifact. The newest entry about a store is what regulated workspaces go by.
 */
import { canonicalText, type JsonValue } from '@portarium/contracts/canonical-json';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import type { Actor } from '@portarium/contracts/evidence-entry';
import { INSTANCE_WORKSPACE } from '@portarium/contracts/ids';
import * as v from 'valibot';
import { actorOf, type Caller, type Context, SYSTEM_ACTOR } from './context.ts';
import { type Result, success } from './failure.ts';
import { LOCK_CHECKS, LOCK_MEANINGS, type LockCheck, runLockBattery } from './lock-battery.ts';
import { timeText } from './ports/clock.ts';
import type { LockProbe, ObjectStore, StoreKind } from './ports/object-store.ts';
import { InfraError } from './ports/workspace-store.ts';
import { entryOf } from './read-entries.ts';
import { submitAs, type Unit } from './submit-as.ts';

type ProbeContext = Pick<Context, 'store' | 'objects' | 'clock' | 'version'>;

/** Media type of the artifact that `store.probed` names. */
const REPORT_MEDIA_TYPE = 'application/vnd.portarium.store-probe+json';

export interface ProbedCheck extends LockCheck {
  /** What can happen where it did not hold. */
  readonly meaning?: string;
}

export interface StoreProbe {
  readonly adapter: StoreKind;
  readonly endpoint: string | undefined;
  readonly checks: readonly ProbedCheck[];
  /** Digest of the report that evidence names. */
  readonly report: Digest;
  readonly at: string;
}

/** Which checks held when the store in use was probed last. */
export interface StoreVerdict {
  /** Undefined when it was not probed yet, as it is configured now and by all checks of this version. */
  readonly probed: { readonly at: string; readonly failed: readonly string[] } | undefined;
}

/** Of a store, as entries name it: its address may hold names of people. */
export function storeDigest({ identity }: Pick<ObjectStore, 'identity'>): Promise<Digest> {
  return digestOf(new TextEncoder().encode(identity));
}

/** One battery at a time: who asks meanwhile gets its result, however many ask. */
const running = new WeakMap<ObjectStore, Promise<Result<StoreProbe>>>();

/** @param caller who asks; the Control Plane itself when left out */
export async function probeStore(
  context: ProbeContext,
  caller?: Caller,
): Promise<Result<StoreProbe>> {
  const { objects } = context;
  const known = running.get(objects);
  if (known) return known;
  const mine = probe(context, caller).finally(() => running.delete(objects));
  running.set(objects, mine);
  return mine;
}

/** @throws InfraError when the store is away: that says nothing about its locks */
async function probe(
  context: ProbeContext,
  caller: Caller | undefined,
): Promise<Result<StoreProbe>> {
  const { objects } = context;
  await objects.ping();
  const checks = await batteryOf(objects);
  await objects.ping();
  const { kind: adapter, endpoint } = objects;
  const at = timeText(context.clock.nowMs());
  const store = await storeDigest(objects);
  const told = { adapter, ...(endpoint === undefined ? {} : { endpoint }), store };
  const content = { v: 1, at, version: context.version, ...told, checks } as unknown as JsonValue;
  const bytes = new TextEncoder().encode(canonicalText(content));
  const report = await objects.put(INSTANCE_WORKSPACE, bytes, 'compliance');
  const names = (held: boolean) =>
    checks.filter((check) => check.held === held).map(({ name }) => name);
  const actor: Actor = caller ? actorOf(caller) : SYSTEM_ACTOR;
  const unit: Unit<StoreProbe> = async (tx) => {
    tx.append({
      type: 'store.probed',
      actor,
      subject: {},
      data: { ...told, report, passed: names(true), failed: names(false) },
      artifacts: [
        {
          digest: report,
          bytes: bytes.length,
          mediaType: REPORT_MEDIA_TYPE,
          retention: 'compliance',
        },
      ],
      trace: caller?.trace ?? null,
    });
    return success({ adapter, endpoint, checks: checks.map(withMeaning), report, at });
  };
  return caller
    ? submitAs(context, caller, INSTANCE_WORKSPACE, unit)
    : context.store.submit(INSTANCE_WORKSPACE, unit);
}

/** @throws InfraError when the store is away */
export async function batteryOf(
  objects: Pick<ObjectStore, 'openProbe'>,
): Promise<readonly LockCheck[]> {
  let means: LockProbe;
  try {
    means = await objects.openProbe();
  } catch (error) {
    if (!(error instanceof InfraError) || error.retryable) throw error;
    // A store that can not even be tried keeps nothing that one could rely on.
    const detail = error.message;
    return Object.keys(LOCK_CHECKS).map((name) => ({ name, held: false, detail }));
  }
  try {
    return await runLockBattery(means);
  } finally {
    await means[Symbol.asyncDispose]();
  }
}

export function withMeaning(check: LockCheck): ProbedCheck {
  const meaning = check.held ? undefined : LOCK_MEANINGS[check.name];
  return meaning === undefined ? check : { ...check, meaning };
}

const ProbedSchema = v.object({
  store: v.string(),
  passed: v.array(v.string()),
  failed: v.array(v.string()),
});

/** What the log of the instance says of the store in use. */
export async function storeVerdict(
  context: Pick<Context, 'store' | 'objects'>,
): Promise<StoreVerdict> {
  const store = await storeDigest(context.objects);
  const found = await context.store.read(INSTANCE_WORKSPACE, (tx) => tx.lastStoreProbe(store));
  if (!found) return { probed: undefined };
  const { time, data } = entryOf(found.bytes);
  const { passed, failed } = v.parse(ProbedSchema, data);
  const known = new Set([...passed, ...failed]);
  // A battery of an older version may have tried less.
  const whole = Object.keys(LOCK_CHECKS).every((name) => known.has(name));
  return { probed: whole ? { at: time, failed } : undefined };
}
