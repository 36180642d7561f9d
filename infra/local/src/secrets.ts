/** Random secrets of one data folder, made at the first start and kept with mode 0600. */
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import * as v from 'valibot';
import { readJsonFile, writeFileAtomically } from './atomic-file.ts';
import type { DataFolder } from './data-folder.ts';
import { LocalStackError } from './local-stack-error.ts';

const password = v.pipe(v.string(), v.regex(/^[0-9a-f]{48}$/));

const SecretsSchema = v.object({
  /** Password of the PostgreSQL role that owns everything; for migrations and bootstrap only. */
  postgresOwnerPassword: password,
  /** Password of the Control Plane's role, which `migrate` creates. */
  postgresRuntimePassword: password,
});

export type Secrets = v.InferOutput<typeof SecretsSchema>;

/**
 * Reads the secrets or makes them.
 * @throws LocalStackError when the file is damaged: new passwords would not open the old database
 */
export function ensureSecrets(folder: DataFolder): Secrets {
  const found = readJsonFile(folder.secrets, SecretsSchema);
  if (found !== undefined) return found;
  if (existsSync(folder.secrets)) {
    throw new LocalStackError(
      'data-folder',
      `${folder.secrets} is damaged. Restore it from a backup; without its passwords the database stays closed.`,
    );
  }
  const made: Secrets = {
    postgresOwnerPassword: randomBytes(24).toString('hex'),
    postgresRuntimePassword: randomBytes(24).toString('hex'),
  };
  writeFileAtomically(folder.secrets, `${JSON.stringify(made, null, 2)}\n`, 0o600);
  return made;
}

/** Makes the vault's master key file (64 hexadecimal digits, mode 0600) when there is none. */
export function ensureMasterKey(folder: DataFolder): void {
  if (existsSync(folder.masterKey)) return;
  writeFileSync(folder.masterKey, randomBytes(32).toString('hex'), {
    mode: 0o600,
    flag: 'wx',
    flush: true,
  });
}
