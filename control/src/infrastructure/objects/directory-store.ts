/**
 * `ObjectStore` in a directory: `<workspace>/sha256/<hex>` and `<workspace>/log/<path>`, read-only files, a
 * sidecar with the lock. No method here deletes what is locked; an operating-system administrator can.
 */
import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Clock } from '../../application/ports/clock.ts';
import type {
  ListedArtifact,
  ObjectStore,
  RetentionOf,
} from '../../application/ports/object-store.ts';
import { openDirectoryProbe } from './directory-probe.ts';
import {
  BESIDE,
  holdFile,
  isThere,
  keepFile,
  lockOfFile,
  readWhole,
  removeFile,
  unreadable,
} from './locked-file.ts';
import { artifactKey, logKey } from './object-key.ts';
import { otherBytes } from './other-bytes.ts';
import { classRetention, slackOf } from './retention.ts';

/** The name of an artifact's file. */
const HEX = /^[0-9a-f]{64}$/;

/** Of a folder that is not there: none. */
async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return [];
    throw unreadable(folder, error);
  }
}

export function createDirectoryStore(
  root: string,
  clock: Clock,
  retentionOf: RetentionOf = classRetention,
): ObjectStore {
  const pathOf = (workspace: WorkspaceId, digest: Digest) =>
    join(root, artifactKey(workspace, digest));

  return {
    kind: 'directory',
    place: root,
    identity: `directory ${resolve(root)}`,
    endpoint: undefined,

    async put(workspace, bytes, retention) {
      const digest = await digestOf(bytes);
      const ms = await retentionOf(workspace, retention);
      const until = { class: retention, untilMs: clock.nowMs() + ms };
      await keepFile(pathOf(workspace, digest), bytes, until, slackOf(ms));
      return digest;
    },

    async get(workspace, digest) {
      const bytes = await readWhole(pathOf(workspace, digest));
      if (!bytes) return undefined;
      const actual = await digestOf(bytes);
      if (actual === digest) return bytes;
      throw otherBytes(digest, actual);
    },

    async lockOf(workspace, digest) {
      const path = pathOf(workspace, digest);
      return (await isThere(path)) ? lockOfFile(path) : undefined;
    },

    async setHold(workspace, digest, held) {
      await holdFile(pathOf(workspace, digest), held);
    },

    remove: (workspace, digest) => removeFile(pathOf(workspace, digest), clock.nowMs()),

    async listArtifacts(workspace, after, limit) {
      const folder = dirname(pathOf(workspace, 'sha256:x' as Digest));
      const artifacts: ListedArtifact[] = [];
      for (const name of (await namesIn(folder)).filter((each) => HEX.test(each)).sort()) {
        const digest: Digest = `sha256:${name}`;
        if (digest <= after) continue;
        if (artifacts.length === limit) break;
        const found = await stat(join(folder, name)).catch(() => undefined);
        if (found) artifacts.push({ digest, writtenMs: found.mtimeMs });
      }
      return artifacts;
    },

    async putLog(workspace, path, bytes) {
      const file = join(root, logKey(workspace, path));
      const ms = await retentionOf(workspace, 'forensic');
      const until = { class: 'forensic', untilMs: clock.nowMs() + ms };
      if (await keepFile(file, bytes, until, slackOf(ms))) return;
      const kept = await readWhole(file);
      if (kept && Buffer.compare(kept, bytes) === 0) return;
      throw otherBytes(path);
    },

    getLog: async (workspace, path) => readWhole(join(root, logKey(workspace, path))),

    async listLog(workspace, folder, limit) {
      const names = await namesIn(join(root, logKey(workspace, folder)));
      return names
        .filter((name) => !BESIDE.test(name))
        .sort()
        .slice(0, limit);
    },

    async ping() {
      await mkdir(root, { recursive: true, mode: 0o700 });
    },

    // Not among the workspaces, and on the same disk.
    openProbe: () => openDirectoryProbe(dirname(resolve(root))),
  };
}
