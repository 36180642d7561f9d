/**
 * `ObjectStore` in a directory: `<workspace>/sha256/<hex>` and `<workspace>/log/<path>`, read-only files, a
 * sidecar with the retention. An operating-system administrator can still delete them; no method here can.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import { RETENTION_DAYS, type RetentionClass } from '@portarium/contracts/evidence-entry';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Clock } from '../../application/ports/clock.ts';
import type { ObjectStore } from '../../application/ports/outside.ts';
import { InfraError } from '../../application/ports/workspace-store.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const RETENTION_SUFFIX = '.retention.json';
/** One name of a path in the log. */
const LOG_NAME = /^[a-z0-9][a-z0-9._-]*$/;

export function createDirectoryStore(root: string, clock: Clock): ObjectStore {
  const made = new Set<string>();

  async function keep(path: string, bytes: Uint8Array, retention: RetentionClass): Promise<void> {
    const folder = dirname(path);
    if (!made.has(folder)) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      made.add(folder);
    }
    const until = clock.nowMs() + RETENTION_DAYS[retention] * DAY_MS;
    // The retention first: an object must never be there without one.
    await extendRetention(`${path}${RETENTION_SUFFIX}`, retention, until);
    await writeOnce(path, bytes);
  }

  return {
    async put(workspace, bytes, retention) {
      const digest = await digestOf(bytes);
      await keep(artifactPath(root, workspace, digest), bytes, retention);
      return digest;
    },

    async get(workspace, digest) {
      const bytes = await read(artifactPath(root, workspace, digest), digest);
      if (!bytes) return undefined;
      const actual = await digestOf(bytes);
      if (actual !== digest) {
        throw new InfraError(
          `the evidence store holds other bytes under ${digest}: they hash to ${actual}`,
          { retryable: false },
        );
      }
      return bytes;
    },

    async putLog(workspace, path, bytes) {
      const file = logPath(root, workspace, path);
      await keep(file, bytes, 'forensic');
      const kept = await read(file, path);
      if (kept && Buffer.compare(kept, bytes) === 0) return;
      throw new InfraError(`the evidence store holds other bytes under ${path}`, {
        retryable: false,
      });
    },

    getLog: (workspace, path) => read(logPath(root, workspace, path), path),

    async listLog(workspace, folder, limit) {
      try {
        const names = await readdir(logPath(root, workspace, folder));
        const objects = names.filter((name) => !/\.(part|retention\.json)$/.test(name));
        return objects.sort().slice(0, limit);
      } catch (error) {
        if ((error as { code?: string }).code === 'ENOENT') return [];
        throw unreadable(folder, error);
      }
    },

    async ping() {
      await mkdir(root, { recursive: true, mode: 0o700 });
    },
  };
}

function artifactPath(root: string, workspace: WorkspaceId, digest: Digest): string {
  return join(root, workspace, 'sha256', digest.slice('sha256:'.length));
}

/** @throws RangeError when the path could lead elsewhere, or to a sidecar */
function logPath(root: string, workspace: WorkspaceId, path: string): string {
  const names = path.split('/');
  if (names.some((name) => !LOG_NAME.test(name) || /\.(part|json)$/.test(name))) {
    throw new RangeError(`no path of the log: ${JSON.stringify(path)}`);
  }
  return join(root, workspace, 'log', ...names);
}

/** @returns undefined when there is no such file */
async function read(path: string, what: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw unreadable(what, error);
  }
}

function unreadable(what: string, cause: unknown): InfraError {
  return new InfraError(`the evidence store can not read ${what}`, { retryable: true, cause });
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
