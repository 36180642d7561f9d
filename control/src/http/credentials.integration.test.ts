import { afterAll, beforeAll, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { INSTANCE_WORKSPACE } from '@portarium/contracts/ids';
import { compose } from '../compose.ts';
import { LEDGER_HOST, pushLedger } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { send } from '../testing/writes.ts';

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
  await pushLedger(instance);
}, 120_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

const VALUE = 'canary-value-of-a-credential-4711';
const NEXT = 'canary-value-after-a-rotation-4712';
let made = 0;
const create = (change: Record<string, unknown> = {}) =>
  send(instance, 'admin', 'POST', '/credentials', {
    name: `ledger-${++made}`,
    host: LEDGER_HOST,
    kind: 'bearer',
    value: VALUE,
    ...change,
  });

/** Every byte that the instance keeps: database dump by table, vault folder, evidence folder. */
async function everything(): Promise<string> {
  const rows = await instance.composed.sql.begin(async (tx) => {
    await tx`SELECT set_config('portarium.workspace', 'local', true)`;
    const tables = await tx`SELECT tablename FROM pg_tables WHERE schemaname = 'portarium'`;
    const texts: string[] = [];
    for (const { tablename } of tables) {
      const found = await tx`SELECT to_jsonb(t)::text AS row FROM ${tx(tablename)} t`.catch(
        () => [],
      );
      texts.push(...found.map(({ row }) => row as string));
    }
    return texts;
  });
  const folders = [
    instance.configuration.PORTARIUM_VAULT_DIR,
    instance.configuration.PORTARIUM_EVIDENCE_DIR,
  ];
  for (const folder of folders) {
    for (const file of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (file.isFile()) rows.push(await readFile(join(file.parentPath, file.name), 'latin1'));
    }
  }
  return rows.join('\n');
}

test('a credential is created, listed, rotated and revoked, and its value is in no answer', async () => {
  const created = await create();
  expect([created.status, created.body.version]).toEqual([201, 1]);
  const { id } = created.body as { id: string };
  const rotated = await send(instance, 'admin', 'POST', `/credentials/${id}/rotate`, {
    value: NEXT,
  });
  expect([rotated.status, rotated.body.version]).toEqual([200, 2]);
  const listed = await send(instance, 'auditor', 'GET', '/credentials');
  const { vault } = instance.composed.context;
  const secret = { workspace: 'local', credential: id, version: 2 } as never;
  expect(new TextDecoder().decode(await vault.get(secret))).toBe(NEXT);
  expect((await send(instance, 'admin', 'DELETE', `/credentials/${id}`)).status).toBe(204);
  expect(await vault.get(secret)).toBeUndefined();
  expect((await send(instance, 'admin', 'DELETE', `/credentials/${id}`)).status).toBe(204);
  expect(
    (await send(instance, 'admin', 'POST', `/credentials/${id}/rotate`, { value: NEXT })).status,
  ).toBe(404);
  const answers = JSON.stringify([created, rotated, listed]);
  expect(answers).not.toContain(VALUE);
  expect(answers).not.toContain(NEXT);
});

test('each change is evidence, by id and never by value; nothing that is kept holds a value', async () => {
  const { body } = await create();
  await send(instance, 'admin', 'POST', `/credentials/${body.id}/rotate`, { value: NEXT });
  await send(instance, 'admin', 'DELETE', `/credentials/${body.id}`);
  const evidence = await send<{
    items: { entry: { type: string; data: { credential?: string } } }[];
  }>(instance, 'auditor', 'GET', '/evidence?limit=200');
  const told = evidence.body.items
    .filter(({ entry }) => entry.data.credential === body.id)
    .map(({ entry }) => entry.type);
  expect(told).toEqual(['credential.created', 'credential.rotated', 'credential.revoked']);
  const kept = await everything();
  expect(kept).toContain('credential.created');
  for (const value of [VALUE, NEXT]) {
    for (const form of [value, Buffer.from(value).toString('base64'), encodeURIComponent(value)]) {
      expect(kept.includes(form)).toBe(false);
    }
  }
});

test('a live name is taken until it is revoked', async () => {
  const first = await create({ name: 'taken' });
  const second = await create({ name: 'taken' });
  expect([second.status, second.body.code]).toEqual([409, 'credential.exists']);
  const both = await Promise.all([create({ name: 'race' }), create({ name: 'race' })]);
  expect(both.map(({ status }) => status).sort()).toEqual([201, 409]);
  await send(instance, 'admin', 'DELETE', `/credentials/${first.body.id}`);
  expect((await create({ name: 'taken' })).status).toBe(201);
});

test('two rotations at once give one version after the other, or one of them is refused', async () => {
  const { body } = await create();
  const answers = await Promise.all(
    [1, 2].map((n) =>
      send(instance, 'admin', 'POST', `/credentials/${body.id}/rotate`, { value: `${NEXT}-${n}` }),
    ),
  );
  const good = answers.filter(({ status }) => status === 200);
  expect(good.length).toBeGreaterThan(0);
  expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true);
  const again = await send(instance, 'admin', 'POST', `/credentials/${body.id}/rotate`, {
    value: NEXT,
  });
  expect(again.status).toBe(200);
});

test('a rotation that a revocation overtakes leaves no secret, and revoking again is harmless', async () => {
  const { body } = await create();
  const id = String(body.id);
  const { vault } = instance.composed.context;
  const put = vault.put.bind(vault);
  vault.put = async (...args) => {
    await put(...args);
    // The new secret is written, and the row that names it is not.
    const revoked = await instance.call('DELETE', `/v1/workspaces/local/credentials/${id}`, {
      role: 'admin',
    });
    expect(revoked.status).toBe(204);
    await put(...args);
  };
  const rotated = await send(instance, 'admin', 'POST', `/credentials/${id}/rotate`, {
    value: NEXT,
  });
  vault.put = put;
  expect(rotated.status).toBe(404);
  const workspace = 'local' as never;
  for (const version of [1, 2]) {
    expect(await vault.get({ workspace, credential: id as never, version })).toBeUndefined();
  }
  const again = await instance.call('DELETE', `/v1/workspaces/local/credentials/${id}`, {
    role: 'admin',
  });
  expect(again.status).toBe(204);
});

test('bad values and hosts are refused without being told back', async () => {
  const wrong: readonly Record<string, unknown>[] = [
    { value: 'too-few-signs' },
    { value: 'has a space in it, which no token has' },
    { value: `line\r\nbreak-${'x'.repeat(20)}` },
    { value: 'x'.repeat(20_000) },
    { host: 'Ledger.example.com' },
    { host: '*.example.com' },
    { host: 'ledger.example.com:443' },
    { host: 'https://ledger.example.com' },
    { kind: 'telepathy' },
    { name: '__proto__' },
  ];
  for (const change of wrong) {
    const { status, body } = await create(change);
    expect([change, status, body.code]).toEqual([change, 422, 'input.invalid']);
    for (const value of [change.value, VALUE]) {
      if (typeof value === 'string') expect(JSON.stringify(body)).not.toContain(value);
    }
  }
});

test('only administrators write credentials, and authors and agents do not see them', async () => {
  const body = { name: 'other', host: LEDGER_HOST, kind: 'bearer', value: VALUE };
  for (const role of ['operator', 'approver', 'auditor', 'author', 'agent']) {
    expect((await send(instance, role, 'POST', '/credentials', body)).status).toBe(403);
  }
  for (const role of ['author', 'agent']) {
    expect((await send(instance, role, 'GET', '/credentials')).status).toBe(403);
  }
});

test('a change of the master key is an entry of the instance’s log, told once', async () => {
  const { PORTARIUM_MASTER_KEY_FILE: file = '' } = instance.configuration;
  const old = await readFile(file, 'utf8');
  await writeFile(file, `${randomBytes(32).toString('hex')}\n${old.trim()}\n`);
  for (let start = 0; start < 2; start++) {
    const again = await compose(instance.configuration);
    const entries = await again.context.store.read(INSTANCE_WORKSPACE, (tx) =>
      tx.listEntries({ after: -1, limit: 500 }),
    );
    const told = entries.filter(({ bytes }) =>
      new TextDecoder().decode(bytes).includes('"type":"vault.rewrapped"'),
    );
    expect(told).toHaveLength(1);
    await again.close();
  }
});
