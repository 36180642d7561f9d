import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalEnvironment, readEnvironment } from '../environment.ts';
import { runCommand } from '../process/run-command.ts';
import { BinaryCache } from './binary-cache.ts';
import { resolveServerBinary } from './resolve-binary.ts';
import { SERVER_BINARIES, type ServerBinary } from './server-binary.ts';

const root = mkdtempSync(join(tmpdir(), 'portarium-resolver-'));
let server: Server;
let archiveUrl = '';
let archiveSha256 = '';
let downloads = 0;

/** A tool that says its version, as the real servers do. */
function script(version: string): string {
  return `#!/bin/sh\necho "nats-server: v${version}"\n`;
}

function place(path: string, version: string): string {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, script(version));
  chmodSync(path, 0o755);
  return path;
}

beforeAll(async () => {
  place(join(root, 'archive/nats-server'), '2.11.4');
  const file = join(root, 'release.tar.gz');
  await runCommand('tar', ['-czf', file, '-C', join(root, 'archive'), 'nats-server'], {
    timeoutMs: 10_000,
  });
  const bytes = readFileSync(file);
  archiveSha256 = createHash('sha256').update(bytes).digest('hex');
  server = createServer((_request, response) => {
    downloads += 1;
    response.end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  archiveUrl = `http://127.0.0.1:${address.port}/release.tar.gz`;
});

afterAll(() => {
  server.close();
  rmSync(root, { recursive: true, force: true });
});

/** A fresh cache, with tools on PATH but no Go unless a test puts one there. */
function environment(name: string, more: Record<string, string> = {}): LocalEnvironment {
  return readEnvironment({
    HOME: root,
    PORTARIUM_CACHE: join(root, name),
    PATH: join(root, name, 'path'),
    ...more,
  });
}

function binary(sha256 = archiveSha256): ServerBinary {
  const release = { url: archiveUrl, sha256, member: 'nats-server' };
  return {
    ...SERVER_BINARIES['nats-server'],
    releases: { [`${process.platform}-${process.arch}`]: release },
  };
}

test('a configured path wins over PATH, cache and release', async () => {
  const configured = place(join(root, 'configured/nats-server'), '9.9.9');
  place(join(root, 'order/path/nats-server'), '2.11.4');
  const found = await resolveServerBinary(binary(), {
    environment: environment('order', { PORTARIUM_NATS_SERVER_BIN: configured }),
  });
  expect(found).toEqual({ path: configured, source: 'configured' });
});

test('a configured path that is no executable is refused by name', async () => {
  const resolving = resolveServerBinary(binary(), {
    environment: environment('refused', { PORTARIUM_NATS_SERVER_BIN: join(root, 'nothing') }),
  });
  await expect(resolving).rejects.toThrow('PORTARIUM_NATS_SERVER_BIN names');
});

test('a binary on PATH counts only when it is the pinned version', async () => {
  const good = place(join(root, 'pinned/path/nats-server'), '2.11.4');
  expect(await resolveServerBinary(binary(), { environment: environment('pinned') })).toEqual({
    path: good,
    source: 'path',
  });
  place(join(root, 'other/path/nats-server'), '2.10.0');
  const other = await resolveServerBinary(binary(), { environment: environment('other') });
  expect(other.source).toBe('release');
});

test('a release is installed once and then comes from the cache', async () => {
  const before = downloads;
  const first = await resolveServerBinary(binary(), { environment: environment('cached') });
  const second = await resolveServerBinary(binary(), { environment: environment('cached') });
  expect([first.source, second.source]).toEqual(['release', 'cache']);
  expect(second.path).toBe(join(root, 'cached/bin/nats-server-2.11.4'));
  expect(downloads).toBe(before + 1);
  // Nothing but the binary and its record stays behind.
  expect(readdirSync(join(root, 'cached/bin')).sort()).toEqual([
    'nats-server-2.11.4',
    'nats-server-2.11.4.json',
  ]);
});

test('a cached binary whose bytes changed is installed anew', async () => {
  const { path } = await resolveServerBinary(binary(), { environment: environment('damaged') });
  appendFileSync(path, '# changed\n');
  const details: string[] = [];
  const again = await resolveServerBinary(binary(), {
    environment: environment('damaged'),
    onProgress: (event) => details.push(event.detail ?? ''),
  });
  expect(again.source).toBe('release');
  expect(details.join('\n')).toContain('its record says');
  expect(readFileSync(path, 'utf8')).toBe(script('2.11.4'));
});

test('a cached binary without its record is not run', async () => {
  const cache = new BinaryCache(join(root, 'recordless'));
  place(cache.pathOf(binary()), '2.11.4');
  expect((await cache.lookUp(binary())).found).toBe('damaged');
});

test('a release whose checksum differs is never unpacked, and the reason is told', async () => {
  const resolving = resolveServerBinary(binary('0'.repeat(64)), {
    environment: environment('mismatch'),
  });
  await expect(resolving).rejects.toThrow(/expected 0{64}; it was not unpacked/);
  await expect(resolving).rejects.toThrow('PORTARIUM_NATS_SERVER_BIN');
  expect(existsSync(join(root, 'mismatch/bin/nats-server-2.11.4'))).toBe(false);
});

test('without a pinned checksum the release is skipped and Go builds the pinned version', async () => {
  const go = join(root, 'build/path/go');
  const log = join(root, 'build/go.log');
  mkdirSync(join(root, 'build/path'), { recursive: true });
  // Stands for the Go toolchain: records its arguments and puts a binary where GOBIN says.
  writeFileSync(
    go,
    `#!/bin/sh\necho "$GOFLAGS|$*" >> ${log}\ncase $1 in install) cp ${join(root, 'archive/nats-server')} "$GOBIN/nats-server" ;; esac\n`,
  );
  chmodSync(go, 0o755);
  const details: string[] = [];
  const found = await resolveServerBinary(
    { ...binary(), releases: {} },
    {
      environment: environment('build', {
        PATH: `${join(root, 'build/path')}:/usr/bin:/bin`,
        GOFLAGS: '-mod=vendor',
      }),
      onProgress: (event) => details.push(event.detail ?? ''),
    },
  );
  expect(found.source).toBe('go');
  expect(details.join('\n')).toContain('skipped, no checksum is pinned');
  const calls = readFileSync(log, 'utf8');
  expect(calls).toContain('|install -ldflags -s -w github.com/nats-io/nats-server/v2@v2.11.4');
  expect(calls).not.toContain('vendor');
});

test('two resolvers at once install once', async () => {
  const before = downloads;
  const both = await Promise.all([
    resolveServerBinary(binary(), { environment: environment('twice') }),
    resolveServerBinary(binary(), { environment: environment('twice') }),
  ]);
  expect(new Set(both.map((one) => one.path)).size).toBe(1);
  expect(downloads).toBe(before + 1);
});
