/**
 * The cache of server binaries: `<cache>/bin/<name>-<version>` with a `.json` beside it that holds
 * the digest written at install. A binary whose bytes differ from it is never run.
 */
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { readJsonFile, writeFileAtomically } from '../atomic-file.ts';
import { sha256OfFile } from './file-digest.ts';
import type { ServerBinary } from './server-binary.ts';

const SidecarSchema = v.object({
  name: v.string(),
  version: v.string(),
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  source: v.string(),
  installedAt: v.string(),
});

export type CacheLookup =
  | { readonly found: 'valid'; readonly path: string }
  | { readonly found: 'missing' }
  | { readonly found: 'damaged'; readonly reason: string };

export class BinaryCache {
  readonly folder: string;

  constructor(cacheDir: string) {
    this.folder = join(cacheDir, 'bin');
  }

  pathOf(binary: ServerBinary): string {
    return join(this.folder, `${binary.name}-${binary.version}`);
  }

  /** One lock for all installs: two builds at once on a small machine only slow each other. */
  get lockPath(): string {
    return join(this.folder, 'install.lock');
  }

  /** An empty folder on the cache's file system, so that an install ends in one rename. */
  makeWorkFolder(binary: ServerBinary): string {
    const folder = join(this.folder, `.work-${binary.name}-${process.pid}`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** Looks the binary up and checks its bytes. */
  async lookUp(binary: ServerBinary): Promise<CacheLookup> {
    const path = this.pathOf(binary);
    if (!existsSync(path)) return { found: 'missing' };
    const sidecar = readJsonFile(`${path}.json`, SidecarSchema);
    if (sidecar === undefined) {
      return { found: 'damaged', reason: `${path}.json is missing or unreadable` };
    }
    const actual = await sha256OfFile(path);
    if (actual !== sidecar.sha256) {
      return {
        found: 'damaged',
        reason: `${path} has SHA-256 ${actual.slice(0, 12)}…, its record says ${sidecar.sha256.slice(0, 12)}…`,
      };
    }
    return { found: 'valid', path };
  }

  /** Moves a finished file into the cache. The digest is written first, so a crash is noticed. */
  async install(binary: ServerBinary, file: string, source: string): Promise<string> {
    const path = this.pathOf(binary);
    chmodSync(file, 0o755);
    const sidecar = {
      name: binary.name,
      version: binary.version,
      sha256: await sha256OfFile(file),
      source,
      installedAt: new Date().toISOString(),
    };
    writeFileAtomically(`${path}.json`, `${JSON.stringify(sidecar, null, 2)}\n`);
    renameSync(file, path);
    return path;
  }
}
