/**
 * `WorkspaceStore` on PostgreSQL, tenancy tier A: shared tables under forced row-level security. Units
 * that wait for one workspace share a transaction, each in a savepoint, so that many in flight do not
 * pay a commit each; a unit that is alone is a plain transaction.
 */
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Ids } from '../../application/ports/clock.ts';
import type {
  EntryDraft,
  WorkspaceStore,
  WriteTransaction,
} from '../../application/ports/workspace-store.ts';
import { appendEntries } from './append-entries.ts';
import { asksForRerun, type Sql, type TransactionSql, toInfraError } from './connect.ts';
import { readTransaction } from './read-transaction.ts';
import { writeTransaction } from './write-transaction.ts';

const MAX_RUNS = 5;
/** Units of one transaction at most: a longer one holds its rows' locks for too long. */
const MAX_BATCH = 32;

interface Waiting {
  readonly unit: (tx: WriteTransaction) => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What a unit came to inside its transaction; it counts only once that is committed. */
type Ran = { readonly ok: true; readonly value: unknown } | { readonly ok: false; error: unknown };

export function createWorkspaceStore(sql: Sql, ids: Ids): WorkspaceStore {
  const queues = new Map<WorkspaceId, Waiting[]>();

  async function drain(workspace: WorkspaceId, queue: Waiting[]): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.splice(0, MAX_BATCH);
      const [only] = batch;
      if (batch.length === 1 && only) await runAlone(workspace, only);
      else await runTogether(workspace, batch);
    }
    queues.delete(workspace);
  }

  async function runAlone(workspace: WorkspaceId, waiting: Waiting): Promise<void> {
    try {
      const value = await rerun(() =>
        sql.begin(async (tx) => {
          const drafts: EntryDraft[] = [];
          // Statements of one transaction run in the order in which they are given.
          const bound = bind(tx, workspace);
          const [result] = await Promise.all([
            waiting.unit(writeTransaction(tx, workspace, drafts)),
            bound,
          ]);
          if (drafts.length > 0) await appendEntries(tx, workspace, drafts, ids);
          return { result };
        }),
      );
      waiting.resolve(value.result);
    } catch (error) {
      waiting.reject(toInfraError(error));
    }
  }

  async function runTogether(workspace: WorkspaceId, batch: readonly Waiting[]): Promise<void> {
    let ran: readonly Ran[];
    try {
      ran = await rerun(() => sql.begin((tx) => runUnits(tx, workspace, batch)));
    } catch (error) {
      const away = toInfraError(error);
      // Whether a commit was lost on its way is not known: nothing may run twice.
      if (away !== error) for (const { reject } of batch) reject(away);
      // Rolled back for what one unit did: alone, each gets its own answer.
      else for (const waiting of batch) await runAlone(workspace, waiting);
      return;
    }
    batch.forEach((waiting, i) => {
      const one = ran[i];
      if (one?.ok) waiting.resolve(one.value);
      else waiting.reject(toInfraError(one?.error));
    });
  }

  async function runUnits(
    tx: TransactionSql,
    workspace: WorkspaceId,
    batch: readonly Waiting[],
  ): Promise<readonly Ran[]> {
    await bind(tx, workspace);
    const drafts: EntryDraft[] = [];
    const ran: Ran[] = [];
    for (const { unit } of batch) ran.push(await runUnit(tx, workspace, unit, drafts));
    if (drafts.length > 0) await appendEntries(tx, workspace, drafts, ids);
    return ran;
  }

  return {
    async read(workspace, query) {
      try {
        const result = await sql.begin('READ ONLY', async (tx) => {
          const bound = bind(tx, workspace);
          const [value] = await Promise.all([query(readTransaction(tx, workspace)), bound]);
          return { value };
        });
        return result.value;
      } catch (error) {
        throw toInfraError(error);
      }
    },

    submit<T>(workspace: WorkspaceId, unit: (tx: WriteTransaction) => Promise<T>): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        const waiting = { unit, resolve: resolve as (value: unknown) => void, reject };
        const queue = queues.get(workspace);
        if (queue) queue.push(waiting);
        else {
          const fresh = [waiting];
          queues.set(workspace, fresh);
          drain(workspace, fresh);
        }
      });
    },
  };
}

/** One unit in a savepoint: what fails in it leaves nothing, and the others go on. */
async function runUnit(
  tx: TransactionSql,
  workspace: WorkspaceId,
  unit: Waiting['unit'],
  drafts: EntryDraft[],
): Promise<Ran> {
  const own: EntryDraft[] = [];
  try {
    const ran = await tx.savepoint(async (inner) => ({
      value: await unit(writeTransaction(inner, workspace, own)),
    }));
    drafts.push(...own);
    return { ok: true, value: ran.value };
  } catch (error) {
    if (asksForRerun(error) || toInfraError(error) !== error) throw error;
    return { ok: false, error };
  }
}

/** Runs a transaction again when the database asks for it (deadlock, serialisation). */
async function rerun<T>(transaction: () => Promise<T>): Promise<T> {
  for (let run = 1; ; run++) {
    try {
      return await transaction();
    } catch (error) {
      if (!asksForRerun(error) || run >= MAX_RUNS) throw error;
    }
  }
}

/** Binds the transaction, and nothing beyond it, to the workspace; the policies read this setting. */
async function bind(tx: TransactionSql, workspace: WorkspaceId): Promise<void> {
  await tx`SELECT set_config('portarium.workspace', ${workspace}, true)`;
}
