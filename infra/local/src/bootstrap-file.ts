/** What the Control Plane's bootstrap wrote: the workspace and its first keys. Secret; mode 0600. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { readJsonFile, writeFileAtomically } from './atomic-file.ts';
import type { DataFolder } from './data-folder.ts';
import { LocalStackError } from './local-stack-error.ts';

/** Roles that bootstrap makes a key for. */
export const KEY_ROLES = ['admin', 'operator', 'approver', 'auditor', 'author', 'agent'] as const;

const BootstrapSchema = v.object({
  workspace: v.string(),
  keys: v.object({
    admin: v.string(),
    operator: v.string(),
    approver: v.string(),
    auditor: v.string(),
    author: v.string(),
    agent: v.string(),
  }),
  /** Key of the sandbox host; never shown. */
  hostKey: v.optional(v.string()),
});

export type Bootstrap = v.InferOutput<typeof BootstrapSchema>;
export type BootstrapKeys = Bootstrap['keys'];

/** `undefined` before the first bootstrap. */
export function findBootstrap(folder: DataFolder): Bootstrap | undefined {
  return readJsonFile(folder.bootstrap, BootstrapSchema);
}

/**
 * Reads it and lays the sandbox host's key in a file of its own, so that the host sees no other key.
 * @throws LocalStackError when bootstrap did not write what it should
 */
export function readBootstrap(folder: DataFolder): Bootstrap {
  const found = findBootstrap(folder);
  if (found?.hostKey === undefined) {
    throw new LocalStackError(
      'part-failed',
      `${folder.bootstrap} is missing, or lacks the workspace, a key of each role or the host key; the Control Plane's bootstrap writes it. Its log is in ${folder.logs}/bootstrap.log.`,
    );
  }
  writeFileAtomically(folder.hostKey, found.hostKey, 0o600);
  return found;
}

/** True for the first caller of a data folder only: whoever gets it shows the keys to the person. */
export function claimFirstShowing(dataDir: string): boolean {
  try {
    writeFileSync(join(dataDir, 'keys-shown'), '', { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}
