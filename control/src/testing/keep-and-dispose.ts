/** What tests of holds and disposal do, on either store: actions that have ended, and what became of their artifacts. */
import type { Digest } from '@portarium/contracts/digest';
import type { Entry } from '@portarium/contracts/evidence-entry';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { RetentionOf } from '../application/ports/object-store.ts';
import type { TestInstance } from './test-instance.ts';
import { ask, send } from './writes.ts';

export const LOCAL = 'local' as WorkspaceId;
const SHORT_MS = 2_000;
let periodMs = SHORT_MS;
/** What instances of these tests are started with. */
export const short: RetentionOf = async () => periodMs;

/** What is written by `work` is kept for a minute. */
export async function keptForLonger<T>(work: () => Promise<T>): Promise<T> {
  periodMs = 60_000;
  try {
    return await work();
  } finally {
    periodMs = SHORT_MS;
  }
}

/** Until what was just written is past its retention, by the store's clock in whole seconds. */
export const pastRetention = () => new Promise((resolve) => setTimeout(resolve, SHORT_MS + 1_300));

export interface EndedAction {
  readonly id: string;
  /** Its input, its order and what was asked of people. */
  readonly digests: readonly Digest[];
}

/** For the verifier, which goes by the days of classes: these instances keep nothing for a day. */
export const NO_DAYS = { operational: 0, compliance: 0, forensic: 0 };

let number = 0;

/** An action with artifacts of its own, cancelled. */
export async function endedAction(instance: TestInstance): Promise<EndedAction> {
  const { id } = await ask(instance, { id: `kept-${number++}` });
  const cancel = { rationale: 'only its artifacts count' };
  const { status } = await send(instance, 'operator', 'POST', `/actions/${id}/cancel`, cancel);
  if (status >= 300) throw new Error(`not cancelled: ${status}`);
  return { id, digests: await digestsOf(instance, id) };
}

/** Of the artifacts that belong to the action alone: no module, no manifest. */
async function digestsOf(instance: TestInstance, action: string): Promise<readonly Digest[]> {
  const all = await entries(instance);
  const own = all.filter(({ subject }) => subject.action === action);
  return own.flatMap(({ artifacts }) =>
    artifacts.filter(({ mediaType }) => mediaType !== 'application/wasm').map((one) => one.digest),
  );
}

export async function entries({ composed }: TestInstance): Promise<readonly Entry[]> {
  const found = await composed.context.store.read(LOCAL, (tx) =>
    tx.listEntries({ after: -1, limit: 10_000 }),
  );
  return found.map(({ bytes }) => JSON.parse(new TextDecoder().decode(bytes)) as Entry);
}

/** `[true]` when all of them are there, `[false]` when none is. */
export async function present(
  { composed }: TestInstance,
  { digests }: EndedAction,
): Promise<readonly boolean[]> {
  const { objects } = composed.context;
  const all = digests.map(async (one) => (await objects.get(LOCAL, one)) !== undefined);
  return [...new Set(await Promise.all(all))];
}

export interface Disposed {
  readonly items: readonly { readonly digest: Digest; readonly outcome: string }[];
  readonly resumed: number;
  readonly next?: Digest;
}

export async function dispose(
  instance: TestInstance,
  change: Record<string, unknown> = {},
): Promise<Disposed> {
  const json = { reason: 'the end of the year', limit: 400, ...change };
  const { status, body } = await send<Disposed>(instance, 'admin', 'POST', '/disposals', json);
  if (status !== 200) throw new Error(`not disposed: ${status} ${JSON.stringify(body)}`);
  return body;
}

export async function placeHold(
  instance: TestInstance,
  scope: Record<string, unknown>,
  role = 'auditor',
): Promise<{ readonly id: string; readonly artifacts: number; readonly inStore: boolean }> {
  const answer = await send<{ id: string; artifacts: number; inStore: boolean }>(
    instance,
    role,
    'POST',
    '/holds',
    { scope, reason: 'case 4711' },
  );
  if (answer.status !== 201) throw new Error(`no hold: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

export async function liftHold(instance: TestInstance, id: string): Promise<number> {
  const reason = { reason: 'the case is closed' };
  return (await send(instance, 'auditor', 'POST', `/holds/${id}/lift`, reason)).status;
}

/** The different outcomes of an action's artifacts. */
export function outcomes({ items }: Disposed, { digests }: EndedAction): readonly string[] {
  const of = new Map(items.map(({ digest, outcome }) => [digest, outcome]));
  return [...new Set(digests.map((digest) => of.get(digest) ?? 'not looked at'))];
}
