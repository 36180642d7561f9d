/**
 * `WorkspaceStore` on PostgreSQL, in every tenancy tier: the place of a workspace says how it is bound. Units
 * that wait for one workspace share a transaction, and while it appends and commits the next one runs its
 * units already. A unit that is alone is a plain transaction.
 */
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Ids } from '../../application/ports/clock.ts';
import {
  type EntryDraft,
  InfraError,
  type WorkspaceStore,
  type WriteTransaction,
} from '../../application/ports/workspace-store.ts';
import { appendEntries, COMMIT_CHANNEL, commitNotice, type Sent } from './append-entries.ts';
import { type ClockAlarm, createClockWatch } from './clock-watch.ts';
import { asksForRerun, isDatabaseError, type TransactionSql, toInfraError } from './connect.ts';
import { readTransaction } from './read-transaction.ts';
import type { Place, Places } from './tenancy/places.ts';
import { writeTransaction } from './write-transaction.ts';

const MAX_RUNS = 5;
/** Units of one transaction at most: a longer one holds its rows' locks for too long. */
const MAX_BATCH = 32;
/** Transactions of a workspace at once: one runs units while the other appends and commits. */
const MAX_OPEN = 2;

interface Waiting {
  readonly unit: (tx: WriteTransaction) => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  runs: number;
  /** Its batch was rolled back for what one unit of it did: alone, each gets its own answer. */
  alone: boolean;
}

/** A unit that ran, and what it came to; that counts only once it is committed. */
interface Ran {
  readonly waiting: Waiting;
  readonly value: unknown;
}

/** What a workspace's units go through in this process. */
interface Lane {
  readonly waiting: Waiting[];
  /** Whether a transaction runs units; one at a time, so that they never wait for each other's locks in a ring. */
  running: boolean;
  /** Transactions whose units have run. */
  committing: number;
}

/** The units of one transaction. */
interface Batch {
  readonly taken: Waiting[];
  readonly ran: Ran[];
  /** The transaction has ended, whatever its units still do. */
  over: boolean;
}

/** @param alarm told when the database's clock was moved */
export function createWorkspaceStore(
  places: Places,
  ids: Ids,
  alarm: (alarm: ClockAlarm) => void = () => undefined,
): WorkspaceStore {
  const parts = { ids, clock: createClockWatch(alarm) };
  const lanes = new Map<WorkspaceId, Lane>();

  /** Starts the next transaction of a workspace, unless it has to wait; whatever it waits for calls again. */
  function advance(workspace: WorkspaceId, lane: Lane): void {
    if (lane.running || lane.committing >= MAX_OPEN) return;
    if (lane.waiting.length === 0) {
      if (lane.committing === 0) lanes.delete(workspace);
      return;
    }
    lane.running = true;
    let unitsRun = false;
    const unitsOver = () => {
      if (unitsRun) return;
      unitsRun = true;
      lane.running = false;
      lane.committing += 1;
      advance(workspace, lane);
    };
    runBatch(workspace, lane.waiting, unitsOver).then(() => {
      unitsOver();
      lane.committing -= 1;
      advance(workspace, lane);
    });
  }

  /** Takes what waits, as long as more comes while it runs, and answers each. Never rejects. */
  async function runBatch(
    workspace: WorkspaceId,
    queue: Waiting[],
    unitsOver: () => void,
  ): Promise<void> {
    const batch: Batch = { taken: [], ran: [], over: false };
    try {
      const place = await places.of(workspace);
      const { sent, drafts } = await place.sql.begin(async (tx) => {
        const drafts = await runUnits(tx, place, workspace, queue, batch);
        unitsOver();
        // The commit goes behind the statement that appends, without waiting for its answer. Where nothing is
        // appended, the answer to this is waited for: the commit of a transaction that failed says nothing.
        const sent: Sent =
          drafts.length === 0
            ? { stored: Promise.resolve(await tx.unsafe('SELECT 1')) }
            : await appendEntries(tx, workspace, drafts, parts);
        return { sent, drafts };
      });
      await sent.stored;
      // Who waits for commits listens at the instance’s database; polling is the net.
      if (place.instance && drafts.length > 0) {
        const notice = commitNotice(workspace, drafts);
        ahead(place.instance`SELECT pg_notify(${COMMIT_CHANNEL}, ${notice})`);
      }
      for (const { waiting, value } of batch.ran) waiting.resolve(value);
    } catch (error) {
      batch.over = true;
      if (batch.taken.length > 0) failed(error, batch.taken, queue);
      // It did not begin.
      else for (const { reject } of queue.splice(0)) reject(toInfraError(error));
    }
  }

  return {
    async read(workspace, query) {
      for (let run = 1; ; run++) {
        try {
          const { sql, bind, instance } = await places.of(workspace);
          const result = await sql.begin('READ ONLY', async (tx) => {
            const bound = bind(tx);
            const [value] = await Promise.all([
              query(readTransaction(tx, workspace, instance)),
              bound,
            ]);
            return { value };
          });
          return result.value;
        } catch (error) {
          if (run < MAX_RUNS && asksForRerun(error)) continue;
          throw toInfraError(error);
        }
      }
    },

    submit<T>(workspace: WorkspaceId, unit: (tx: WriteTransaction) => Promise<T>): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        const lane = lanes.get(workspace) ?? { waiting: [], running: false, committing: 0 };
        lanes.set(workspace, lane);
        const answer = { resolve: resolve as (value: unknown) => void, reject };
        lane.waiting.push({ unit, ...answer, runs: 0, alone: false });
        advance(workspace, lane);
      });
    },
  };
}

/**
 * Runs units of the queue one after the other. The first needs no savepoint: while it is the only one, a
 * rollback undoes it and nothing else. Statements around units are sent without waiting for their answers.
 * @returns the entries that those ask for which did not fail
 */
async function runUnits(
  tx: TransactionSql,
  { bind, instance }: Place,
  workspace: WorkspaceId,
  queue: Waiting[],
  batch: Batch,
): Promise<EntryDraft[]> {
  const { taken, ran } = batch;
  const drafts: EntryDraft[] = [];
  ahead(bind(tx));
  let savepoint = false;
  for (let next = queue[0]; next && mayJoin(next, taken); next = queue[0]) {
    queue.shift();
    taken.push(next);
    next.runs += 1;
    const shared = ran.length > 0;
    if (shared) ahead(tx.unsafe(savepoint ? 'RELEASE unit; SAVEPOINT unit' : 'SAVEPOINT unit'));
    savepoint = shared;
    const own: EntryDraft[] = [];
    const scope = scopeOf(tx, batch);
    try {
      const value = await next.unit(writeTransaction(scope.tx, workspace, own, instance));
      ran.push({ waiting: next, value });
      drafts.push(...own);
    } catch (error) {
      // What the database refused may have ended the transaction for all.
      if (!shared || isDatabaseError(error)) throw error;
      if (!batch.over) ahead(tx.unsafe('ROLLBACK TO unit'));
      taken.pop();
      next.reject(error);
    } finally {
      scope.close();
    }
    if (batch.over) throw new Error('the transaction ended while one of its units ran');
  }
  return drafts;
}

function mayJoin(next: Waiting, taken: readonly Waiting[]): boolean {
  if (taken.length === 0) return true;
  return taken.length < MAX_BATCH && !next.alone && !taken[0]?.alone;
}

/** Answers the units of a transaction that was not committed, or puts them back in front of the queue. */
function failed(error: unknown, taken: readonly Waiting[], queue: Waiting[]): void {
  const reason = toInfraError(error);
  // Whether a commit was lost on its way is not known: nothing may run twice.
  const away = reason instanceof InfraError && reason !== error;
  const again = asksForRerun(error);
  const rest = taken.filter((waiting) => {
    if (!away && (again ? waiting.runs < MAX_RUNS : taken.length > 1)) return true;
    waiting.reject(reason);
    return false;
  });
  for (const waiting of rest) waiting.alone = true;
  queue.unshift(...rest);
}

/** A statement whose answer nobody waits for: if it fails, so does the transaction. */
function ahead(statement: PromiseLike<unknown>): void {
  statement.then(undefined, () => undefined);
}

/** The transaction as one unit has it: a statement that comes after its end would be another unit's. */
function scopeOf(tx: TransactionSql, batch: Batch): { readonly tx: TransactionSql; close(): void } {
  let open = true;
  return {
    tx: new Proxy(tx, {
      apply(target, self, args) {
        if (!open || batch.over) throw new Error('a statement came after the end of its unit');
        return Reflect.apply(target, self, args);
      },
    }),
    close: () => {
      open = false;
    },
  };
}
