/** Where the vault's master keys come from: a variable, or a file that only the owner reads. */
import { readFile } from 'node:fs/promises';
import { VaultError } from './sealed-vault.ts';

/**
 * Keys of 64 hexadecimal digits, the newest first, one a line or separated by commas.
 * @throws VaultError when none is given or one has another form; never quotes what it read
 */
export async function readMasterKeys(
  text: string | undefined,
  file: string | undefined,
): Promise<readonly string[]> {
  if ((text === undefined) === (file === undefined)) {
    throw new VaultError('set either PORTARIUM_MASTER_KEY or PORTARIUM_MASTER_KEY_FILE');
  }
  const where = file ?? 'PORTARIUM_MASTER_KEY';
  const given = text ?? (await readFile(where, 'utf8'));
  const keys = given.split(/[\s,]+/).filter((key) => key !== '');
  if (keys.length === 0 || keys.some((key) => !/^[0-9a-f]{64}$/.test(key))) {
    throw new VaultError(
      `${where} does not hold a master key: expected 64 hexadecimal digits in lower case, one key a line, the newest first`,
    );
  }
  return keys;
}
