/** What whoever owns database and store can do to evidence, and what background verification makes of it. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { chmod, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import { assertVerified } from '../http/health.ts';
import { connect, type Sql } from '../infrastructure/postgres/connect.ts';
import { startMetrics, type Telemetry } from '../infrastructure/telemetry/metrics.ts';
import { asOwner } from '../testing/as-owner.ts';
import { type Collector, startCollector } from '../testing/collector.ts';
import { fillLog } from '../testing/fill-log.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { uploadForm } from '../testing/upload-form.ts';
import { frozenLogs } from './frozen-logs.ts';
import { sealLog } from './seal-log.ts';
import { watchLog } from './watch-log.ts';

interface Status {
  readonly state: string;
  readonly size: number;
  readonly verified: number;
  readonly checkedAt?: string;
  readonly round: { readonly at?: number; readonly finishedAt?: string };
  readonly artifacts: { readonly sampled: number };
  readonly findings: readonly {
    readonly rule: string;
    readonly message: string;
    readonly seq?: number;
    readonly subject?: string;
  }[];
}

let collector: Collector;
let telemetry: Telemetry;
let instance: TestInstance;
let owner: Sql;
let number = 0;

beforeAll(async () => {
  collector = await startCollector();
  telemetry = startMetrics(collector.endpoint, 300);
  instance = await startTestInstance();
  owner = connect(instance.ownerUrl, { max: 1, name: 'test' });
}, 180_000);
afterAll(async () => {
  await owner.end();
  await instance[Symbol.asyncDispose]();
  await telemetry.close();
  await collector.stop();
}, 30_000);

/** A process that has just started: it knows nothing of before. */
function restarted() {
  const { context } = instance.composed;
  return { ...context, objects: { ...context.objects } };
}

/** A workspace with a plugin’s artifacts and a log of more than one tile, sealed and stored. */
async function ownLog(entries = 300): Promise<{ workspace: WorkspaceId; size: number }> {
  const workspace = `watched-${number++}` as WorkspaceId;
  const json = { id: workspace, name: workspace };
  await instance.call('POST', '/v1/workspaces', { role: 'admin', json });
  const path = `/v1/workspaces/${workspace}/plugins`;
  const pushed = await instance.call('POST', path, { role: 'admin', body: uploadForm() });
  expect(pushed.status).toBe(201);
  await fillLog(restarted(), workspace, entries);
  const record = await sealLog(restarted(), workspace, { keep: true });
  return { workspace, size: record?.size ?? 0 };
}

async function status(workspace: string, method: 'GET' | 'POST' = 'POST'): Promise<Status> {
  const path = `/v1/workspaces/${workspace}/evidence/verification`;
  const response = await instance.call(method, path, { role: 'admin' });
  expect(response.status).toBe(200);
  return (await response.json()) as Status;
}

const rules = ({ findings }: Status) =>
  findings.map(({ rule, seq, subject }) => `${rule} ${seq ?? subject ?? ''}`.trim());

/** Events of the type that tell of `workspace`, in the log of `of`. */
async function told(of: WorkspaceId, workspace: WorkspaceId): Promise<readonly string[]> {
  const events = await instance.composed.context.store.read(of, (tx) =>
    tx.listEvents({ after: -1, limit: 10_000 }),
  );
  return events
    .filter(({ type }) => type === 'io.portarium.evidence.verification-failed.v1')
    .map(({ envelope }) => JSON.parse(envelope).data)
    .filter((data) => data.workspace === workspace)
    .flatMap((data) => data.findings.map(({ rule }: { rule: string }) => rule));
}

async function setBytes(workspace: WorkspaceId, seq: number, bytes: Uint8Array): Promise<void> {
  await asOwner(owner, workspace, async (sql) => {
    await sql`UPDATE log_entries SET bytes = ${bytes} WHERE workspace_id = ${workspace} AND seq = ${seq}`;
  });
}

const entryAt = async (workspace: WorkspaceId, seq: number) => {
  const [entry] = await instance.composed.context.store.read(workspace, (tx) =>
    tx.listEntries({ after: seq - 1, limit: 1 }),
  );
  return entry?.bytes ?? new Uint8Array();
};

/** Waits until what is measured now has been sent. */
async function measured(name: string, workspace: WorkspaceId, expected: number): Promise<void> {
  const attributes = { 'portarium.workspace': workspace };
  for (let tries = 0; tries < 40; tries++) {
    if (collector.value(name, attributes) === expected) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(collector.value(name, attributes)).toBe(expected);
}

test('an honest log stays green: its end, all of it, and its artifacts', async () => {
  const { workspace, size } = await ownLog(600);
  expect(await status(workspace, 'GET')).toMatchObject({ state: 'pending', verified: 0 });
  const first = await status(workspace);
  expect(first).toMatchObject({ state: 'verified', verified: size, size, findings: [] });
  expect(first.round.finishedAt).toBeString();
  expect(first.artifacts.sampled).toBeGreaterThanOrEqual(2);
  await measured('portarium.evidence.verified_entries', workspace, 2 * size);
  await measured('portarium.watch.findings', workspace, 0);
  // It goes on from there; what no stored checkpoint signs yet is looked at, and not counted.
  await fillLog(restarted(), workspace, 50);
  expect(await watchLog(restarted(), workspace)).toBe(false);
  expect(await status(workspace, 'GET')).toMatchObject({ verified: size, size: size + 50 });
  await sealLog(restarted(), workspace, { keep: true });
  await watchLog(restarted(), workspace);
  expect(await status(workspace, 'GET')).toMatchObject({ state: 'verified', verified: size + 50 });
  expect(await told(INSTANCE_WORKSPACE, workspace)).toEqual([]);
  await assertVerified(instance.composed.context);
  const age = collector.value('portarium.evidence.verification_age', {
    'portarium.workspace': workspace,
  });
  expect(age).toBeLessThan(60);
});

test('a changed byte is found, names its entry, is told once everywhere, and goes away when it is put right', async () => {
  const { workspace, size } = await ownLog();
  expect((await status(workspace)).state).toBe('verified');
  const honest = await entryAt(workspace, 100);
  const changed = Uint8Array.from(honest);
  const at = Buffer.from(changed).indexOf('filled');
  changed[at] = (changed[at] ?? 0) ^ 1;
  await setBytes(workspace, 100, changed);
  const found = await status(workspace);
  expect(found.state).toBe('failed');
  expect(rules(found)).toEqual(['log.leaf 100', 'log.chain 101']);
  await status(workspace);
  await watchLog(restarted(), workspace);
  // Once in the log of the instance, and once in its own.
  expect(await told(INSTANCE_WORKSPACE, workspace)).toEqual(['log.leaf', 'log.chain']);
  expect(await told(workspace, workspace)).toEqual(['log.leaf', 'log.chain']);
  await measured('portarium.watch.findings', workspace, 2);
  await expect(assertVerified(instance.composed.context)).rejects.toThrow('findings in: 1');
  await setBytes(workspace, 100, honest);
  // In the background, without a round: what was found is looked at again.
  await watchLog(restarted(), workspace);
  expect(await status(workspace, 'GET')).toMatchObject({ state: 'verified', findings: [] });
  expect((await status(workspace)).verified).toBeGreaterThanOrEqual(size);
  await measured('portarium.watch.findings', workspace, 0);
});

test('an entry that was rewritten with all hashes after it contradicts the stored tiles', async () => {
  const { workspace, size } = await ownLog(20);
  const { canonicalBytes } = await import('@portarium/contracts/canonical-json');
  const { entryHash } = await import('@portarium/contracts/evidence-entry');
  await asOwner(owner, workspace, async (sql) => {
    let prev: string | undefined;
    for (let seq = size - 5; seq < size; seq++) {
      const [row] =
        await sql`SELECT bytes FROM log_entries WHERE workspace_id = ${workspace} AND seq = ${seq}`;
      const entry = JSON.parse(Buffer.from(row?.bytes as Uint8Array).toString());
      const data = seq === size - 5 ? { note: 'rewritten' } : entry.data;
      const bytes = canonicalBytes({ ...entry, data, prev: prev ?? entry.prev });
      prev = await entryHash(bytes);
      await sql`UPDATE log_entries SET bytes = ${bytes}, hash = ${prev} WHERE workspace_id = ${workspace} AND seq = ${seq}`;
    }
  });
  const found = await status(workspace);
  const rewritten = [5, 4, 3, 2, 1].map((back) => `log.leaf ${size - back}`);
  expect(rules(found)).toEqual(['checkpoint.root', ...rewritten]);
});

test('a last entry that is gone is found, and one that came back is not', async () => {
  const { workspace, size } = await ownLog(20);
  expect((await status(workspace)).state).toBe('verified');
  await fillLog(restarted(), workspace, 1);
  const columns = ['workspace_id', 'seq', 'hash', 'type', 'action_id', 'action_seq', 'bytes'];
  const rows: Record<string, unknown>[] = [];
  await asOwner(owner, workspace, async (sql) => {
    rows.push(
      ...(await sql`DELETE FROM log_entries WHERE workspace_id = ${workspace} AND seq = ${size} RETURNING ${sql(columns)}`),
    );
  });
  await watchLog(restarted(), workspace);
  expect(rules(await status(workspace, 'GET'))).toEqual([`log.sequence ${size}`]);
  await asOwner(owner, workspace, async (sql) => {
    await sql`INSERT INTO log_entries ${sql(rows)}`;
  });
  await watchLog(restarted(), workspace);
  expect(await status(workspace, 'GET')).toMatchObject({ state: 'verified', findings: [] });
});

test('a database that was rolled back is found, and recovery clears it', async () => {
  const { workspace, size } = await ownLog();
  expect((await status(workspace)).state).toBe('verified');
  await asOwner(owner, workspace, async (sql) => {
    await sql`DELETE FROM log_entries WHERE workspace_id = ${workspace} AND seq >= ${size - 10}`;
    await sql`DELETE FROM log_nodes WHERE workspace_id = ${workspace}`;
    await sql`DELETE FROM log_checkpoints WHERE workspace_id = ${workspace}`;
    await sql`
      UPDATE log_heads SET size = ${size - 10}, hash = (SELECT hash FROM log_entries WHERE workspace_id = ${workspace} AND seq = ${size - 11})
      WHERE workspace_id = ${workspace}`;
  });
  await expect(sealLog(restarted(), workspace)).rejects.toThrow('frozen');
  const found = await status(workspace);
  expect(rules(found)).toEqual([`checkpoint.size ${size - 10}`]);
  // The frozen log takes no entry; that of the instance tells.
  expect(await told(INSTANCE_WORKSPACE, workspace)).toEqual(['checkpoint.size']);
  const recovered = await instance.call('POST', `/v1/workspaces/${workspace}/evidence/recovery`, {
    role: 'admin',
    json: { rationale: 'a backup was restored' },
  });
  expect(recovered.status).toBe(200);
  expect(await frozenLogs(instance.composed.context)).not.toContain(workspace);
  expect(await status(workspace)).toMatchObject({ state: 'verified', findings: [] });
});

test('artifacts that are missing or changed in the store are found, until they are back', async () => {
  const { workspace } = await ownLog(5);
  const folder = join(instance.configuration.PORTARIUM_EVIDENCE_DIR, workspace, 'sha256');
  const names = (await readdir(folder)).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const [gone = '', changed = ''] = names;
  const honest = await readFile(join(folder, changed));
  await rename(join(folder, gone), join(folder, `${gone}.part`));
  await chmod(join(folder, changed), 0o600);
  await writeFile(join(folder, changed), 'other bytes');
  const found = await status(workspace);
  expect(rules(found).map((rule) => rule.split(' ')[0])).toEqual(
    ['artifact.digest', 'artifact.missing'].toSorted(),
  );
  expect(found.findings.map(({ subject }) => subject).toSorted()).toEqual(
    [`sha256:${gone}`, `sha256:${changed}`].toSorted(),
  );
  for (const { seq } of found.findings) expect(seq).toBeNumber();
  await rename(join(folder, `${gone}.part`), join(folder, gone));
  await writeFile(join(folder, changed), honest);
  await watchLog(restarted(), workspace);
  expect(await status(workspace, 'GET')).toMatchObject({ state: 'verified', findings: [] });
});

test('a tile, a bundle and a checkpoint that are gone from the store are found', async () => {
  const { workspace, size } = await ownLog();
  expect((await status(workspace)).state).toBe('verified');
  const log = join(instance.configuration.PORTARIUM_EVIDENCE_DIR, workspace, 'log');
  await rm(join(log, 'tile/entries/000'));
  expect(rules(await status(workspace))).toEqual(['log.bundle 0']);
  await rm(join(log, 'tile/0/000'));
  expect(rules(await status(workspace))).toEqual(['tile.missing 0']);
  const checkpoints = await readdir(join(log, 'checkpoints'));
  for (const name of checkpoints) await rm(join(log, 'checkpoints', name));
  const found = await status(workspace);
  expect(rules(found)).toContain('checkpoint.missing');
  expect(found.verified).toBe(size);
});

test('whose key reads may not have it run, and a stranger’s workspace is nobody’s', async () => {
  const path = '/v1/workspaces/local/evidence/verification';
  expect((await instance.call('GET', path, { role: 'approver' })).status).toBe(200);
  expect((await instance.call('POST', path, { role: 'approver' })).status).toBe(403);
  expect((await instance.call('POST', path, { role: 'auditor' })).status).toBe(200);
  expect((await instance.call('GET', path, { role: 'agent' })).status).toBe(403);
  expect((await status('_instance')).state).toBe('verified');
});
