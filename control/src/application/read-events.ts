/** The events of a workspace in the order of its log, as far as a role may know of them. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { type Permission, type Principal, permits } from '../domain/permissions.ts';
import type { Context } from './context.ts';
import type { EventRecord } from './ports/workspace-store.ts';

/** What one has to be permitted to read an event, by the beginnings of its type; the first that fits. */
const PERMISSION_OF: readonly (readonly [string, Permission])[] = [
  ['io.portarium.approval.', 'approval.read'],
  ['io.portarium.plugin.', 'plugin.read'],
  ['io.portarium.credential.', 'credential.read'],
  ['io.portarium.egress.granted.', 'egress.read'],
  ['io.portarium.', 'action.read'],
];

export interface EventSlice {
  readonly events: readonly EventRecord[];
  /** Where to go on. */
  readonly after: number;
  /** Whether there is more at once. */
  readonly more: boolean;
}

const PAGE = 200;

/** Events after sequence number `after` that `principal` may read. */
export async function readEvents(
  context: Pick<Context, 'store'>,
  workspace: WorkspaceId,
  principal: Principal,
  after: number,
  action?: string,
): Promise<EventSlice> {
  const rows = await context.store.read(workspace, (tx) => tx.listEvents({ after, limit: PAGE }));
  const events = rows.filter(
    ({ type, subject }) =>
      (action === undefined || subject === action) && mayRead(principal, workspace, type),
  );
  return { events, after: rows.at(-1)?.seq ?? after, more: rows.length === PAGE };
}

function mayRead(principal: Principal, workspace: WorkspaceId, type: string): boolean {
  const permission = PERMISSION_OF.find(([beginning]) => type.startsWith(beginning))?.[1];
  return permission !== undefined && permits(principal, permission, workspace);
}

/**
 * Where a stream begins: at the head of the log, or after the event that the reader has seen last.
 * @returns `reset` when that is not in this log, or too far back to catch up with
 */
export async function beginEvents(
  context: Pick<Context, 'store'>,
  workspace: WorkspaceId,
  lastSeen: number | undefined,
): Promise<{ readonly after: number; readonly reset: boolean }> {
  const head = (await context.store.read(workspace, (tx) => tx.logSize())) - 1;
  if (lastSeen === undefined) return { after: head, reset: false };
  const known = lastSeen <= head && head - lastSeen <= PLATFORM_LIMITS.eventReplay;
  return known ? { after: lastSeen, reset: false } : { after: head, reset: true };
}
