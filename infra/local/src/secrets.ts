/** Random secrets of one data folder, made at the first start and kept with mode 0600. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { readJsonFile, writeFileAtomically } from './atomic-file.ts';
import type { DataFolder } from './data-folder.ts';
import { LocalStackError, messageOf } from './local-stack-error.ts';

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
 * @throws LocalStackError when the file is damaged, or missing beside an existing database: new
 *   passwords would not open it
 */
export function ensureSecrets(folder: DataFolder): Secrets {
  const found = checkSecrets(folder);
  if (found !== undefined) return found;
  const made: Secrets = {
    postgresOwnerPassword: randomBytes(24).toString('hex'),
    postgresRuntimePassword: randomBytes(24).toString('hex'),
  };
  writeFileAtomically(folder.secrets, `${JSON.stringify(made, null, 2)}\n`, 0o600);
  return made;
}

/**
 * Makes nothing.
 * @returns undefined while there are none, and nothing that would need them
 * @throws LocalStackError as {@link ensureSecrets}
 */
export function checkSecrets(folder: DataFolder): Secrets | undefined {
  const found = readJsonFile(folder.secrets, SecretsSchema);
  if (found !== undefined) return found;
  if (existsSync(folder.secrets)) {
    throw new LocalStackError(
      'data-folder',
      `${folder.secrets} is damaged. Restore it from a backup; without its passwords the database stays closed.`,
    );
  }
  const cluster = join(folder.postgres, 'PG_VERSION');
  if (existsSync(cluster)) throw lost(folder.secrets, 'the database', folder.postgres);
  return undefined;
}

/**
 * Makes the vault's master key file (64 hexadecimal digits, mode 0600) when there is none.
 * @throws LocalStackError when the key has another form, or is missing beside an existing vault
 */
export function ensureMasterKey(folder: DataFolder): void {
  if (checkMasterKey(folder)) return;
  writeFileAtomically(folder.masterKey, randomBytes(32).toString('hex'), 0o600);
}

/**
 * Makes nothing.
 * @returns whether there is one; without it there is nothing that would need it
 * @throws LocalStackError as {@link ensureMasterKey}
 */
export function checkMasterKey(folder: DataFolder): boolean {
  if (existsSync(folder.masterKey)) {
    assertKeyForm(folder.masterKey);
    return true;
  }
  const vault = join(folder.vault, 'vault.json');
  if (existsSync(vault)) throw lost(folder.masterKey, 'the vault', vault);
  return false;
}

function assertKeyForm(path: string): void {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new LocalStackError('data-folder', `${path} can not be read: ${messageOf(error)}.`);
  }
  // Two keys stand there when a change of it was interrupted; the Control Plane opens both.
  if (/^[0-9a-f]{64}(\n[0-9a-f]{64})?$/.test(text.trim())) return;
  throw new LocalStackError(
    'data-folder',
    `${path} is damaged: expected 64 hexadecimal digits. Restore it from a backup; without it the vault stays closed.`,
  );
}

function lost(file: string, what: string, where: string): LocalStackError {
  return new LocalStackError(
    'data-folder',
    `${file} is missing, and ${what} in ${where} opens with nothing else. Restore it from a backup, or name an empty data folder with --data.`,
  );
}
