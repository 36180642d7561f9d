/** Whether a workspace is under regulated retention. */
import { uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import type {
  Regulation,
  RegulationReads,
  RegulationWrites,
} from '../../application/ports/regulation-store.ts';
import type { TransactionSql } from './connect.ts';
import { lockName } from './lock-name.ts';
import type { Row } from './rows.ts';

export function readRegulation(tx: TransactionSql, workspace: WorkspaceId): RegulationReads {
  return {
    async regulation() {
      const [row] =
        await tx`SELECT regulated, revision FROM workspace_regulation WHERE workspace_id = ${workspace}`;
      return row ? regulationOf(row) : { regulated: false, revision: 0 };
    },
  };
}

export function writeRegulation(tx: TransactionSql, workspace: WorkspaceId): RegulationWrites {
  return {
    async lockRegulation() {
      await lockName(tx, `workspace-regulation/${workspace}`);
      return readRegulation(tx, workspace).regulation();
    },
    async putRegulation(regulated, by, at) {
      const [row] = await tx`
        INSERT INTO workspace_regulation (workspace_id, regulated, revision, changed_by, changed_at)
        VALUES (${workspace}, ${regulated}, 1, ${uuidOf(by)}, ${at})
        ON CONFLICT (workspace_id) DO UPDATE SET regulated = excluded.regulated, revision = workspace_regulation.revision + 1,
          changed_by = excluded.changed_by, changed_at = excluded.changed_at
        RETURNING regulated, revision`;
      if (!row) throw new Error('the regulation of the workspace was not stored');
      return regulationOf(row);
    },
  };
}

function regulationOf(row: Row): Regulation {
  return { regulated: row.regulated as boolean, revision: Number(row.revision) };
}
