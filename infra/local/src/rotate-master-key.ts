/**
 * Puts a new master key in the place of a stopped stack's. In three steps, each of which may be the last
 * before a crash: both keys stand in the file, every entry is sealed under the new one, the old one goes.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { writeFileAtomically } from './atomic-file.ts';
import { bunArguments } from './bun-arguments.ts';
import { dataFolderAt } from './data-folder.ts';
import { inheritedVariables, readEnvironment } from './environment.ts';
import { LocalStackError } from './local-stack-error.ts';
import { alreadyRunning, recordedSupervisor } from './process/folder-owner.ts';
import { tryLock } from './process/owned-lock.ts';
import { runCommand } from './process/run-command.ts';
import { REPOSITORY_ROOT } from './repository.ts';

const REWRAP_TIMEOUT_MS = 60_000;

/** @throws LocalStackError when the stack runs, or has no vault, or the vault does not open */
export async function rotateMasterKey(dataDir: string): Promise<{ readonly entries: number }> {
  const folder = dataFolderAt(dataDir);
  if (!existsSync(folder.masterKey)) {
    throw new LocalStackError(
      'data-folder',
      `${folder.masterKey} is missing: no stack was started on ${folder.path} yet.`,
    );
  }
  const lock = tryLock(folder.lock);
  if (!lock.ok) throw alreadyRunning(folder, lock.owner);
  try {
    const other = recordedSupervisor(folder);
    if (other !== undefined) throw alreadyRunning(folder, other);
    const keys = readFileSync(folder.masterKey, 'utf8').split(/\s+/).filter(Boolean);
    // Two keys are left by a change that was interrupted: it goes on with the newer one.
    if (keys.length === 1) keys.unshift(randomBytes(32).toString('hex'));
    writeFileAtomically(folder.masterKey, `${keys.join('\n')}\n`, 0o600);
    const entries = await rewrap(folder.vault, folder.masterKey);
    writeFileAtomically(folder.masterKey, `${keys[0]}\n`, 0o600);
    return { entries };
  } finally {
    lock.release();
  }
}

async function rewrap(vault: string, masterKey: string): Promise<number> {
  const result = await runCommand(process.execPath, bunArguments('control/src/main.ts', 'rewrap'), {
    cwd: REPOSITORY_ROOT,
    env: {
      ...inheritedVariables(readEnvironment()),
      PORTARIUM_VAULT_DIR: vault,
      PORTARIUM_MASTER_KEY_FILE: masterKey,
    },
    timeoutMs: REWRAP_TIMEOUT_MS,
  });
  const line = result.output.trim().split('\n').at(-1) ?? '';
  if (!result.ok) {
    throw new LocalStackError('part-failed', `The vault was not sealed anew: ${line}`);
  }
  return (JSON.parse(line) as { entries?: number }).entries ?? 0;
}
