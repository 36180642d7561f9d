/** Kill matrix of the sealer: at each step of its work the process is killed, and another one goes on. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toHex } from '@portarium/contracts/digest';
import { entryBundles, hashTiles } from '@portarium/contracts/entry-bundle';
import { leafHash } from '@portarium/contracts/evidence-entry';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { childEnvironment } from '../testing/child-environment.ts';
import { fillLog } from '../testing/fill-log.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { sealLog } from './seal-log.ts';

const CHILD = fileURLToPath(new URL('../testing/seal-until-killed.ts', import.meta.url));
const TIMEOUT_MS = 180_000;
/** What is killed at: paths by their beginning, `cas` the signature, `mark` what is noted of a stored checkpoint. */
const STEPS: readonly (readonly [string, string, number])[] = [
  ['tile/entries/', 'before', 1],
  ['tile/entries/', 'during', 2],
  ['tile/entries/', 'after', 2],
  ['tile/0/', 'before', 2],
  ['tile/0/', 'during', 1],
  ['tile/0/', 'after', 2],
  ['cas', 'before', 1],
  ['cas', 'during', 1],
  ['cas', 'after', 1],
  ['checkpoints/', 'before', 1],
  ['checkpoints/', 'during', 1],
  ['checkpoints/', 'after', 1],
  ['mark', 'before', 1],
];

let instance: TestInstance;
let number = 0;
beforeAll(async () => {
  instance = await startTestInstance();
}, 60_000);
afterAll(() => instance[Symbol.asyncDispose](), 30_000);

/** A sealer in a process of its own. @returns how it ended */
async function child(workspace: WorkspaceId, what: string, when: string, count: number) {
  const env = { ...process.env, ...childEnvironment(instance.configuration) };
  const args = [process.execPath, CHILD, workspace, what, when, String(count)];
  const running = Bun.spawn(args, { env, stdout: 'pipe', stderr: 'pipe' });
  const [out, err] = await Promise.all([
    new Response(running.stdout).text(),
    new Response(running.stderr).text(),
  ]);
  await running.exited;
  return { signal: running.signalCode, out, err };
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => !name.endsWith('.retention.json'));
}

for (const [what, when, count] of STEPS) {
  test(
    `killed ${when} ${what} number ${count}, the log is complete or as before, and the next sealer goes on`,
    async () => {
      const workspace = `killed-${number++}` as WorkspaceId;
      const json = { id: workspace, name: workspace };
      await instance.call('POST', '/v1/workspaces', { role: 'admin', json });
      const { context } = instance.composed;
      await fillLog(context, workspace, 40);
      const before = await sealLog(context, workspace, { keep: true });
      await fillLog(context, workspace, 700);
      const ended = await child(workspace, what, when, count);
      expect([ended.signal, ended.out, ended.err]).toEqual(['SIGKILL', '', ended.err]);
      // What is signed is whole: the tiles came first, and no object is half there.
      const signed = await context.store.read(workspace, (tx) => tx.checkpoint());
      expect(signed?.size === before?.size || signed?.size === (before?.size ?? 0) + 700).toBe(
        true,
      );
      const entries = await context.store.read(workspace, (tx) =>
        tx.listEntries({ after: -1, limit: 1_000 }),
      );
      const bytes = entries.map((entry) => entry.bytes);
      const expected = new Map(
        [...entryBundles(bytes), ...(await hashTiles(await Promise.all(bytes.map(leafHash))))].map(
          (file) => [file.path, toHex(file.bytes)],
        ),
      );
      const folder = join(instance.configuration.PORTARIUM_EVIDENCE_DIR, workspace, 'log');
      for (const path of await filesBelow(folder)) {
        if (!path.startsWith('tile/') || path.endsWith('.part')) continue;
        const kept = await context.objects.getLog(workspace, path).catch(() => undefined);
        if (kept) expect([path, toHex(kept)]).toEqual([path, expected.get(path) ?? '']);
      }
      const tiled = signed?.tiled ?? 0;
      for (let index = 0; index * 256 < tiled; index++) {
        const name = String(index).padStart(3, '0');
        expect(await context.objects.getLog(workspace, `tile/entries/${name}`)).toBeDefined();
        expect(await context.objects.getLog(workspace, `tile/0/${name}`)).toBeDefined();
      }
      // Another sealer goes on as if nothing had been.
      const after = await sealLog(context, workspace, { keep: true });
      expect(after?.size).toBe((before?.size ?? 0) + 700);
      const exported = await instance.call('GET', `/v1/workspaces/${workspace}/evidence/export`, {
        role: 'admin',
      });
      const report = await verifyBundle(new Uint8Array(await exported.arrayBuffer()), {
        pin: context.signer.verifierKeys(workspace)[0],
        since: before?.note,
      });
      expect([report.verdict, report.findings]).toEqual(['verified', []]);
      const [newest] = await context.objects.listLog(workspace, 'checkpoints', 1);
      expect(newest).toBe(String(10 ** 16 - 1 - (after?.size ?? 0)).padStart(16, '0'));
    },
    TIMEOUT_MS,
  );
}
