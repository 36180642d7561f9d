/** `WorkspaceStore` on PostgreSQL, tenancy tier A: shared tables under forced row-level security. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Ids } from '../../application/ports/clock.ts';
import type { EntryDraft, WorkspaceStore } from '../../application/ports/workspace-store.ts';
import { appendEntries } from './append-entries.ts';
import { asksForRerun, type Sql, type TransactionSql, toInfraError } from './connect.ts';
import { readTransaction } from './read-transaction.ts';
import { writeTransaction } from './write-transaction.ts';

const MAX_RUNS = 5;

export function createWorkspaceStore(sql: Sql, ids: Ids): WorkspaceStore {
  return {
    async read(workspace, query) {
      try {
        const result = await sql.begin('READ ONLY', async (tx) => {
          await bind(tx, workspace);
          return { value: await query(readTransaction(tx, workspace)) };
        });
        return result.value;
      } catch (error) {
        throw toInfraError(error);
      }
    },

    async submit(workspace, unit) {
      for (let run = 1; ; run++) {
        try {
          const result = await sql.begin(async (tx) => {
            await bind(tx, workspace);
            const drafts: EntryDraft[] = [];
            const value = await unit(writeTransaction(tx, workspace, drafts));
            if (drafts.length > 0) await appendEntries(tx, workspace, drafts, ids);
            return { value };
          });
          return result.value;
        } catch (error) {
          if (asksForRerun(error) && run < MAX_RUNS) continue;
          throw toInfraError(error);
        }
      }
    },
  };
}

/** Binds the transaction, and nothing beyond it, to the workspace; the policies read this setting. */
async function bind(tx: TransactionSql, workspace: WorkspaceId): Promise<void> {
  await tx`SELECT set_config('portarium.workspace', ${workspace}, true)`;
}
