/** What is known of credentials beside their secrets, which are in the vault. */
import { type CredentialPlacement, placementOf } from '@portarium/contracts/credential-placement';
import { idFromUuid, uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import type {
  CredentialReads,
  CredentialRecord,
  CredentialWrites,
} from '../../application/ports/credential-store.ts';
import type { TransactionSql } from './connect.ts';
import type { Row } from './rows.ts';

const COLUMNS = [
  'id',
  'name',
  'host',
  'kind',
  'username',
  'header',
  'parameter',
  'version',
  'created_by',
  'created_at',
  'rotated_at',
  'revoked_at',
];

export function readCredentials(tx: TransactionSql, workspace: WorkspaceId): CredentialReads {
  return {
    async findCredential(id) {
      const [row] =
        await tx`SELECT ${tx(COLUMNS)} FROM credentials WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)}`;
      return row && credentialOf(row);
    },
    async findCredentialByName(name) {
      const [row] =
        await tx`SELECT ${tx(COLUMNS)} FROM credentials WHERE workspace_id = ${workspace} AND name = ${name} AND revoked_at IS NULL`;
      return row && credentialOf(row);
    },
    async listCredentials() {
      const rows =
        await tx`SELECT ${tx(COLUMNS)} FROM credentials WHERE workspace_id = ${workspace} ORDER BY name, id DESC LIMIT 1000`;
      return rows.map(credentialOf);
    },
  };
}

export function writeCredentials(tx: TransactionSql, workspace: WorkspaceId): CredentialWrites {
  return {
    async insertCredential(credential) {
      const username = credential.kind === 'basic' ? credential.username : null;
      const header = credential.kind === 'header' ? credential.header : null;
      const parameter = credential.kind === 'query' ? credential.parameter : null;
      const rows = await tx`
        INSERT INTO credentials (workspace_id, id, name, host, kind, username, header, parameter, version, created_by, created_at)
        VALUES (${workspace}, ${uuidOf(credential.id)}, ${credential.name}, ${credential.host}, ${credential.kind},
          ${username}, ${header}, ${parameter}, ${credential.version},
          ${uuidOf(credential.createdBy)}, ${credential.createdAt})
        ON CONFLICT DO NOTHING RETURNING id`;
      return rows.length === 1;
    },
    async lockCredential(id) {
      const [row] =
        await tx`SELECT ${tx(COLUMNS)} FROM credentials WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)} FOR UPDATE`;
      return row && credentialOf(row);
    },
    async rotateCredential(id, version, at) {
      await tx`UPDATE credentials SET version = ${version}, rotated_at = ${at} WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)}`;
    },
    async revokeCredential(id, at) {
      await tx`UPDATE credentials SET revoked_at = ${at} WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)}`;
    },
  };
}

// Rows are our own writes, checked on their way in.
function credentialOf(row: Row): CredentialRecord {
  return {
    id: idFromUuid('credential', row.id as string),
    name: row.name as string,
    host: row.host as string,
    ...placementOf(row as unknown as CredentialPlacement),
    version: Number(row.version),
    createdBy: idFromUuid('key', row.created_by as string),
    createdAt: (row.created_at as Date).toISOString(),
    rotatedAt: (row.rotated_at as Date | null)?.toISOString() ?? null,
    revokedAt: (row.revoked_at as Date | null)?.toISOString() ?? null,
  };
}
