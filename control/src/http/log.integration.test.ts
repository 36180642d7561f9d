import { afterAll, beforeAll, expect, test } from 'bun:test';
import { parseCheckpoint } from '@portarium/contracts/checkpoint';
import { fromHex, toHex } from '@portarium/contracts/digest';
import {
  decodeEntryBundle,
  entryBundlePath,
  hashTiles,
  TILE_WIDTH,
  tilePath,
} from '@portarium/contracts/entry-bundle';
import { leafHash } from '@portarium/contracts/evidence-entry';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { merkleRoot, verifyConsistency, verifyInclusion } from '@portarium/contracts/merkle';
import { openNote } from '@portarium/contracts/signed-note';
import { sealLog } from '../application/seal-log.ts';
import { fillLog } from '../testing/fill-log.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';

const WS = 'local' as WorkspaceId;
const SIZE = 1_000;

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
  const { context } = instance.composed;
  const size = await context.store.read(WS, (tx) => tx.logSize());
  await fillLog(context, WS, 300);
  await sealLog(context, WS);
  await fillLog(context, WS, SIZE - 300 - size);
}, 60_000);
afterAll(() => instance[Symbol.asyncDispose](), 30_000);

const get = (path: string, workspace: string = WS, role = workspace === WS ? 'auditor' : 'admin') =>
  instance.call('GET', `/v1/workspaces/${workspace}/evidence/${path}`, { role });
const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());

async function checkpoint(workspace: string = WS) {
  const note = await (await get('log/checkpoint', workspace)).text();
  const [key = ''] = (await (await get('vkeys', workspace)).text()).split('\n');
  const opened = await openNote(note, [key]);
  const signed = opened.ok ? parseCheckpoint(opened.text) : undefined;
  if (!signed) throw new Error(`no checkpoint: ${note}`);
  return signed;
}

/** The log as a stranger reads it: nothing but the checkpoint, tiles and entry bundles. */
async function served(workspace: string) {
  const { size, root } = await checkpoint(workspace);
  const entries: Uint8Array[] = [];
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH);
    const decoded = decodeEntryBundle(
      await bytesOf(await get(`log/${entryBundlePath(index, width)}`, workspace)),
    );
    if (!decoded.ok) throw new Error(decoded.error);
    entries.push(...decoded.entries);
  }
  const leaves = await Promise.all(entries.map(leafHash));
  return { size, root, entries, leaves };
}

test('checkpoint, tiles and entry bundles are those of the entries, byte for byte, for a workspace and for the instance', async () => {
  for (const workspace of [WS, '_instance']) {
    const { size, root, leaves } = await served(workspace);
    expect(leaves).toHaveLength(size);
    expect(toHex(await merkleRoot(leaves))).toBe(toHex(root));
    for (const { path, bytes } of await hashTiles(leaves)) {
      const tile = await bytesOf(await get(`log/${path}`, workspace));
      expect([path, toHex(tile)]).toEqual([path, toHex(bytes)]);
    }
  }
});

test('full tiles may be kept for ever by who got them, and nothing else may', async () => {
  const full = await get('log/tile/entries/000');
  expect(full.headers.get('cache-control')).toBe('private, max-age=31536000, immutable');
  expect(full.headers.get('content-type')).toBe('application/octet-stream');
  for (const path of ['log/tile/0/003.p/8', 'log/tile/1/000.p/3', 'log/checkpoint']) {
    const response = await get(path);
    expect([path, response.status]).toEqual([path, 200]);
    expect(response.headers.get('cache-control')).toBe('no-cache');
  }
});

test('there is no tile beyond what is signed, nor under another spelling', async () => {
  const { size } = await checkpoint();
  await fillLog(instance.composed.context, WS, 1);
  for (const path of [
    tilePath(0, 3, (size % TILE_WIDTH) + 1),
    tilePath(0, 3),
    tilePath(1, 0),
    'tile/2/000.p/1',
    'tile/0/0',
    'tile/00/000',
    'tile/0/000.p/256',
    'tile/0/000.p/0',
    'tile/64/000',
    'tile/entries/x000/000',
    'tile/0/000/000',
    'tile/0/..%2f000',
    'tile/data/000',
  ]) {
    expect([path, (await get(`log/${path}`)).status]).toEqual([path, 404]);
  }
  const post = await instance.call('POST', `/v1/workspaces/${WS}/evidence/log/tile/0/x000/001`, {
    role: 'admin',
  });
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET']);
});

test('whoever may read evidence reads the log of the instance only with a key that reaches every workspace', async () => {
  expect((await get('log/checkpoint', '_instance', 'agent')).status).toBe(403);
  const made = await instance.call('POST', `/v1/workspaces/${WS}/keys`, {
    role: 'admin',
    json: { name: 'bound', owner: 'ada', role: 'auditor' },
  });
  const { key } = (await made.json()) as { key: string };
  const ask = (workspace: string) =>
    instance.call('GET', `/v1/workspaces/${workspace}/evidence/log/tile/entries/000`, { key });
  expect([(await ask(WS)).status, (await ask('_instance')).status]).toEqual([200, 403]);
  // Nothing but evidence is there.
  const other = await instance.call('GET', '/v1/workspaces/_instance/actions', { role: 'admin' });
  expect(other.status).toBe(404);
});

interface Proof {
  readonly size: number;
  readonly leafHash: string;
  readonly rootHash: string;
  readonly fromRootHash: string;
  readonly toRootHash: string;
  readonly hashes: readonly string[];
  readonly checkpoint?: string;
}
const bare = (digest: string) => fromHex(digest.slice('sha256:'.length));

test('a proof of inclusion of any entry under any signed size verifies', async () => {
  const { size, leaves } = await served(WS);
  for (const [seq, at] of [
    [0, 1],
    [0, size],
    [255, 256],
    [256, 257],
    [400, 700],
    [size - 1, size],
  ]) {
    const response = await get(`proof?seq=${seq}&size=${at}`);
    const proof = (await response.json()) as Proof;
    const leaf = leaves[seq ?? 0] ?? new Uint8Array();
    expect(proof.leafHash).toBe(`sha256:${toHex(leaf)}`);
    const claim = { leaf, index: seq ?? 0, size: at ?? 0, root: bare(proof.rootHash) };
    expect(await verifyInclusion({ ...claim, proof: proof.hashes.map(bare) })).toBe(true);
    expect(toHex(claim.root)).toBe(toHex(await merkleRoot(leaves.slice(0, at))));
    expect(proof.checkpoint !== undefined).toBe(at === size);
  }
  const newest = (await (await get('proof?seq=7')).json()) as Proof;
  expect(newest.size).toBe(size);
});

test('a proof of consistency between any two signed sizes verifies', async () => {
  const { size, root } = await served(WS);
  for (const [from, to] of [
    [0, size],
    [1, 256],
    [256, 512],
    [300, 900],
    [size, size],
    [700, size],
  ]) {
    const proof = (await (await get(`consistency?from=${from}&to=${to}`)).json()) as Proof;
    const claim = {
      ...{ from: from ?? 0, to: to ?? 0 },
      ...{ fromRoot: bare(proof.fromRootHash), toRoot: bare(proof.toRootHash) },
      proof: proof.hashes.map(bare),
    };
    expect([from, to, await verifyConsistency(claim)]).toEqual([from, to, true]);
    if (to === size) expect(toHex(claim.toRoot)).toBe(toHex(root));
  }
});

test('proofs about what is not signed are refused with a reason', async () => {
  const { size } = await checkpoint();
  for (const [path, status] of [
    [`proof?seq=0&size=${size + 1}`, 404],
    [`proof?seq=${size}&size=${size}`, 404],
    ['proof', 422],
    ['proof?seq=-1', 422],
    ['proof?seq=1.5', 422],
    [`consistency?from=0&to=${size + 1}`, 404],
    ['consistency?from=9&to=3', 422],
    ['consistency?to=3', 422],
  ] as const) {
    expect([path, (await get(path)).status]).toEqual([path, status]);
  }
});

test('full tiles and entry bundles lie in the evidence store, and each checkpoint with its partial ones', async () => {
  const { context } = instance.composed;
  await sealLog(context, WS, { keep: true });
  const { leaves, size } = await served(WS);
  for (const { path, bytes } of await hashTiles(leaves)) {
    const kept = await context.objects.getLog(WS, path).catch(() => undefined);
    if (path.includes('.p/')) expect(kept).toBeUndefined();
    else expect([path, kept && toHex(kept)]).toEqual([path, toHex(bytes)]);
  }
  for (const index of [0, 1, 2]) {
    const path = entryBundlePath(index);
    const kept = await context.objects.getLog(WS, path);
    expect(kept).toEqual(await bytesOf(await get(`log/${path}`)));
  }
  const [newest] = await context.objects.listLog(WS, 'checkpoints', 1);
  expect(newest).toBe(String(10 ** 16 - 1 - size).padStart(16, '0'));
});
