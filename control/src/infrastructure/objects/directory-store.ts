/**
 * `ObjectStore` in a directory: `<workspace>/sha256/<hex>`, read-only files, a sidecar with the
 * retention. An operating-system administrator can still delete them; no method here can.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf } from '@portarium/contracts/digest';
import { RETENTION_DAYS, type RetentionClass } from '@portarium/contracts/evidence-entry';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Clock } from '../../application/ports/clock.ts';
import type { ObjectStore } from '../../application/ports/outside.ts';
import { InfraError } from '../../application/ports/workspace-store.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

export function createDirectoryStore(root: string, clock: Clock): ObjectStore {
  const made = new Set<string>();

  async function folderOf(workspace: WorkspaceId): Promise<string> {
    const folder = join(root, workspace, 'sha256');
    if (!made.has(folder)) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      made.add(folder);
    }
    return folder;
  }

  return {
    async put(workspace, bytes, retention) {
      const digest = await digestOf(bytes);
      const path = join(await folderOf(workspace), digest.slice('sha256:'.length));
      const until = clock.nowMs() + RETENTION_DAYS[retention] * DAY_MS;
      // The retention first: an object must never be there without one.
      await extendRetention(`${path}.retention.json`, retention, until);
      await writeOnce(path, bytes);
      return digest;
    },

    async get(workspace, digest) {
      const path = join(root, workspace, 'sha256', digest.slice('sha256:'.length));
      let bytes: Uint8Array;
      try {
        bytes = new Uint8Array(await readFile(path));
      } catch (error) {
        if ((error as { code?: string }).code === 'ENOENT') return undefined;
        throw new InfraError(`the evidence store can not read ${digest}`, {
          retryable: true,
          cause: error,
        });
      }
      const actual = await digestOf(bytes);
      if (actual !== digest) {
        throw new InfraError(
          `the evidence store holds other bytes under ${digest}: they hash to ${actual}`,
          { retryable: false },
        );
      }
      return bytes;
    },

    async ping() {
      await mkdir(root, { recursive: true, mode: 0o700 });
    },
  };
}

/** Writes aside, syncs, and links into place: complete or absent, and never over what is there. */
async function writeOnce(path: string, bytes: Uint8Array): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}.part`;
  const file = await open(aside, 'wx', 0o400);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(aside, path);
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
  } finally {
    await unlink(aside);
  }
}

async function extendRetention(
  path: string,
  retention: RetentionClass,
  untilMs: number,
): Promise<void> {
  const known = await readRetention(path);
  if (known >= untilMs - DAY_MS) return;
  await writeFile(
    path,
    JSON.stringify({ class: retention, until: new Date(Math.max(known, untilMs)).toISOString() }),
    { mode: 0o600 },
  );
}

async function readRetention(path: string): Promise<number> {
  try {
    return Date.parse((JSON.parse(await readFile(path, 'utf8')) as { until: string }).until);
  } catch {
    return 0;
  }
}
