import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdir } from 'node:fs/promises';
import {
  buildModule,
  exportFunction,
  plainModule,
  STATUS,
} from '@portarium/admission/testing/wasm-builder';
import { digestOf } from '@portarium/contracts/digest';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Clock } from '../application/ports/clock.ts';
import { compose } from '../compose.ts';
import { ratesOf } from '../configuration.ts';
import { forgetCandidates } from '../relay.ts';
import { anotherHost } from '../testing/another-host.ts';
import { callOf, startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { ECHO_MODULE, uploadForm } from '../testing/upload-form.ts';
import { createApp } from './app.ts';

/** Uploads while a host tries them, and what hosts and others can do to one meanwhile. */
let instance: TestInstance;
let other: TestInstance;
/** A replica that no host listens to, with a clock of its own. */
let deaf: TestInstance;
let aheadMs = 0;

beforeAll(async () => {
  instance = await startTestInstance();
  expect((await upload(instance, { name: 'first' })).status).toBe(201);
  other = await anotherHost(instance, 'other');
  const clock: Clock = { nowMs: () => Date.now() + aheadMs };
  const composed = await compose(instance.configuration, clock);
  const { configuration, keys } = instance;
  const app = createApp(composed.context, {
    ...{ required: {}, optional: {}, rates: ratesOf(configuration) },
  });
  deaf = { ...instance, composed, app, call: callOf(app, keys) };
}, 120_000);
afterAll(async () => {
  await deaf?.composed.close();
  await other?.[Symbol.asyncDispose]();
  await instance?.[Symbol.asyncDispose]();
});

const upload = (to: TestInstance, change: Parameters<typeof uploadForm>[0]) =>
  to.call('POST', '/v1/workspaces/local/plugins', { role: 'author', body: uploadForm(change) });

/** `echo` returns an i32 and its code leaves none. */
const UNTYPED = ECHO_MODULE.slice();
UNTYPED.set([0x01, 0x01], 34);

const stored = async () => ({
  objects: (await readdir(instance.configuration.PORTARIUM_EVIDENCE_DIR, { recursive: true }))
    .length,
  plugins: (
    (await (
      await instance.call('GET', '/v1/workspaces/local/plugins', { role: 'author' })
    ).json()) as { items: unknown[] }
  ).items.length,
});

const read = <T>(query: Parameters<typeof instance.composed.context.store.read<T>>[1]) =>
  instance.composed.context.store.read('local' as never, query);

/** The id of the upload that waits, once as many do. */
async function waiting(most = 1): Promise<string> {
  for (;;) {
    const rows = await instance.composed.sql.begin(async (tx) => {
      await tx`SELECT set_config('portarium.workspace', 'local', true)`;
      return tx`SELECT plugin_id FROM plugin_candidates WHERE verdict IS NULL`;
    });
    const [row] = rows;
    if (row && rows.length >= most) return `plg_${String(row.plugin_id).replaceAll('-', '')}`;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const tell = (from: TestInstance, path: 'claims' | 'verdicts', json: object, key = from.hostKey) =>
  from.call('POST', `/internal/v1/candidates/${path}`, {
    key,
    json: { workspace: 'local', ...json },
  });
const claim = (from: TestInstance, plugin: string) =>
  tell(from, 'claims', { plugin, isolation: 'process', engine: 'test' });

interface Rejected {
  readonly subject: { readonly plugin?: string };
  readonly data: { readonly rules: string[]; readonly [field: string]: unknown };
}
/** The last entry, which is a rejection. */
async function rejection(): Promise<Rejected> {
  const entries = await read((tx) => tx.listEntries({ after: 0, limit: 1_000 }));
  const last = JSON.parse(new TextDecoder().decode(entries.at(-1)?.bytes));
  expect(last.type).toBe('plugin.rejected');
  return last;
}

/** The same module with one more section: another digest. */
const OTHER_BYTES = new Uint8Array([...ECHO_MODULE, 0, 2, 1, 0x78]);

test('code that an engine refuses is a finding from a cell; the refusal is evidence, and nothing is kept', async () => {
  const before = await stored();
  const response = await upload(instance, { name: 'untyped', module: UNTYPED });
  const problem = (await response.json()) as { code: string; admission: { findings: object[] } };
  expect([response.status, problem.code]).toEqual([422, 'plugin.not-admitted']);
  expect(problem.admission.findings).toEqual([
    {
      rule: 'module.invalid',
      message: expect.stringMatching(/^the engine refuses the module: /),
      hint: expect.stringMatching(/.{20}/),
    },
  ]);
  expect(await stored()).toEqual(before);
  const entries = await read((tx) => tx.listEntries({ after: 0, limit: 1_000 }));
  const last = JSON.parse(new TextDecoder().decode(entries.at(-1)?.bytes));
  expect([last.type, last.subject.plugin, last.data.rules]).toEqual([
    'plugin.rejected',
    await digestOf(UNTYPED),
    ['module.invalid'],
  ]);
  const again = await upload(instance, { name: 'untyped' });
  expect(again.status).toBe(201);
});

test('an upload is told of, and kept, only after a host said so; until then nothing can run it', async () => {
  const before = await stored();
  const uploaded = upload(deaf, { name: 'later' });
  const plugin = await waiting();
  expect(await stored()).toEqual(before);
  const asked = await instance.call('POST', '/v1/workspaces/local/actions', {
    role: 'operator',
    json: { plugin: 'later', operation: 'echo', input: { text: 'x' } },
  });
  expect(asked.status).toBe(404);
  const taken = await claim(instance, plugin);
  const moduleDigest = await digestOf(new Uint8Array(await taken.arrayBuffer()));
  expect([taken.status, taken.headers.get('content-type')]).toEqual([200, 'application/wasm']);

  const gone = plugin.replace(/.{4}$/, '0000');
  const digest = await digestOf(plainModule());
  const { admin, agent } = instance.keys;
  for (const [status, from, body, key] of [
    [403, instance, {}, admin],
    [403, instance, {}, agent],
    [409, other, {}, other.hostKey],
    [409, instance, { moduleDigest: digest }, instance.hostKey],
    [404, instance, { workspace: 'another' }, instance.hostKey],
    [404, instance, { plugin: gone }, instance.hostKey],
    [422, instance, { finding: { rule: 'module.size', message: 'x' } }, instance.hostKey],
  ] as const) {
    const refused = await tell(from, 'verdicts', { plugin, moduleDigest, ...body }, key);
    expect([body, refused.status]).toEqual([body, status]);
  }
  expect((await claim(instance, gone)).status).toBe(404);
  expect(await stored()).toEqual(before);

  // A second host takes over, as after a loss of the first; from then on it is its word.
  expect((await claim(other, plugin)).status).toBe(200);
  expect((await tell(instance, 'verdicts', { plugin, moduleDigest })).status).toBe(409);
  expect((await tell(other, 'verdicts', { plugin, moduleDigest })).status).toBe(204);
  const response = await uploaded;
  expect(response.status).toBe(201);
  expect((await stored()).plugins).toBe(before.plugins + 1);
  expect((await claim(other, plugin)).status).toBe(404);
  expect((await tell(other, 'verdicts', { plugin, moduleDigest })).status).toBe(404);
});

test('what a host says of a module is made safe to show, and the advice is ours', async () => {
  const uploaded = upload(deaf, { name: 'lied', module: plainModule() });
  const problem = (await uploaded.then((response) => response.json())) as { code: string };
  expect(problem.code).toBe('plugin.not-admitted');
  const other = upload(deaf, { name: 'lied' });
  const plugin = await waiting();
  const taken = await claim(instance, plugin);
  const moduleDigest = await digestOf(new Uint8Array(await taken.arrayBuffer()));
  const finding = { rule: 'module.invalid', message: `\u001b[2J\u202e${'x'.repeat(1_900)}` };
  expect((await tell(instance, 'verdicts', { plugin, moduleDigest, finding })).status).toBe(204);
  const refused = (await (await other).json()) as {
    admission: { findings: { message: string; hint: string }[] };
  };
  const [shown] = refused.admission.findings;
  expect(shown?.message).toMatch(/^\[2Jx{900,}…$/);
  expect(shown?.hint).toContain('wasm-validate');
});

test('what an upload that was cut off left can not be taken, and is deleted', async () => {
  const { context, sql } = instance.composed;
  const plugin = context.ids.next('plugin');
  const moduleDigest = await digestOf(ECHO_MODULE);
  await context.store.submit('local' as never, (tx) =>
    tx.insertCandidate({ plugin, moduleDigest, module: ECHO_MODULE }, 1, 0),
  );
  expect((await claim(instance, plugin)).status).toBe(404);
  await forgetCandidates(context);
  const [left] = await sql.begin(async (tx) => {
    await tx`SELECT set_config('portarium.workspace', 'local', true)`;
    return tx`SELECT count(*)::integer AS rows FROM plugin_candidates`;
  });
  expect(left?.rows).toBe(0);
  expect((await rejection()).data).toEqual({ moduleDigest, rules: ['module.cut-off'] });
});

test('bytes that want the name of a version that exists are on record, also when they lose a race for it', async () => {
  const digest = await digestOf(OTHER_BYTES);
  const late = await upload(instance, { name: 'first', module: OTHER_BYTES });
  const { code } = (await late.json()) as { code: string };
  expect([late.status, code]).toEqual([409, 'plugin.version-exists']);
  expect(await rejection()).toMatchObject({
    subject: { plugin: digest },
    data: { name: 'first', version: '1.0.0', rules: ['version.exists'] },
  });
  expect((await upload(instance, { name: 'first' })).status).toBe(201);
  const racers = await Promise.all([
    upload(instance, { name: 'raced' }),
    upload(instance, { name: 'raced', module: OTHER_BYTES }),
  ]);
  expect(racers.map(({ status }) => status).sort()).toEqual([201, 409]);
  expect((await rejection()).data).toMatchObject({ name: 'raced', rules: ['version.exists'] });
});

test('a demand for signatures that comes while an upload is tried is heard', async () => {
  const uploaded = upload(deaf, { name: 'slow' });
  const plugin = await waiting();
  const demand = (signature: string) =>
    instance.call('PUT', '/v1/workspaces/local/plugin-rules', {
      role: 'admin',
      json: { signature, quarantineAfter: 5, crashWindowMs: 600_000 },
    });
  expect((await demand('required')).status).toBe(200);
  const taken = await claim(instance, plugin);
  const moduleDigest = await digestOf(new Uint8Array(await taken.arrayBuffer()));
  expect((await tell(instance, 'verdicts', { plugin, moduleDigest })).status).toBe(204);
  const response = await uploaded;
  const { code } = (await response.json()) as { code: string };
  expect([response.status, code]).toEqual([422, 'plugin.signature-required']);
  expect((await rejection()).data.rules).toEqual(['signature.required']);
  expect((await demand('optional')).status).toBe(200);
});

test('names that a module chose for its exports break nothing, and are not carried along', async () => {
  const long = Array.from({ length: 400 }, (_, i) => `${i}`.padStart(700, '\u0001'));
  const module = buildModule({
    ...{ types: [STATUS], functions: [0], bodies: [[0, 0x41, 0, 0x0b]] },
    exports: ['echo', 'a\u0000b', ...long].map((name) => exportFunction(name, 0)),
  });
  const response = await upload(instance, { name: 'named', module });
  expect(response.status).toBe(201);
  expect((await response.text()).length).toBeLessThan(100_000);
});

test('uploads that take their time are counted before their bytes are read', async () => {
  const { promise: end, resolve } = Promise.withResolvers<void>();
  const slow = Array.from({ length: PLATFORM_LIMITS.candidates }, () =>
    instance.call('POST', '/v1/workspaces/local/plugins', {
      role: 'author',
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
      body: new ReadableStream({
        async pull(controller) {
          await end;
          controller.close();
        },
      }),
    }),
  );
  await new Promise((done) => setTimeout(done, 1_000));
  const limited = await upload(instance, { name: 'next' });
  expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '1']);
  resolve();
  expect((await Promise.all(slow)).map(({ status }) => status)).toEqual([400, 400, 400, 400]);
  expect((await upload(instance, { name: 'next' })).status).toBe(201);
});

test('an upload of a thousand parts that nobody asked for gets a short answer', async () => {
  const form = uploadForm({ name: 'parts' });
  for (let i = 0; i < 1_000; i++) form.append(`${i}`.padStart(500, 'x'), '');
  const path = '/v1/workspaces/local/plugins';
  const response = await instance.call('POST', path, { role: 'author', body: form });
  expect(response.status).toBe(422);
  expect((await response.text()).length).toBeLessThan(10_000);
});

test('without a host an upload is answered 503 in time, and nothing of it is kept', async () => {
  const before = await stored();
  const uploaded = upload(deaf, { name: 'never' });
  const plugin = await waiting();
  aheadMs = PLATFORM_LIMITS.candidateMs;
  const response = await uploaded;
  aheadMs = 0;
  const problem = (await response.json()) as { code: string; detail: string };
  expect([response.status, problem.code]).toEqual([503, 'plugin.not-tried']);
  expect(problem.detail).toBe('No sandbox host took the module within 30 s. Nothing was stored.');
  expect(await stored()).toEqual(before);
  expect((await claim(instance, plugin)).status).toBe(404);
  const { subject, data } = await rejection();
  expect([subject.plugin, data.rules, data.tried]).toEqual([
    ...[await digestOf(ECHO_MODULE), ['module.not-tried'], undefined],
  ]);
});

test('what a host took and never spoke of is on record with that host', async () => {
  const uploaded = upload(deaf, { name: 'swallowed', module: OTHER_BYTES });
  expect((await claim(other, await waiting())).status).toBe(200);
  aheadMs = PLATFORM_LIMITS.candidateMs;
  expect((await uploaded).status).toBe(503);
  aheadMs = 0;
  const { subject, data } = await rejection();
  expect(subject.plugin).toBe(await digestOf(OTHER_BYTES));
  expect(data).toMatchObject({
    ...{ name: 'swallowed', rules: ['module.not-tried'] },
    tried: { isolation: 'process', engine: 'test' },
  });
});

test('a workspace has at most four modules tried at once', async () => {
  const most = PLATFORM_LIMITS.candidates;
  const uploads = Array.from({ length: most + 3 }, (_, i) => upload(deaf, { name: `many-${i}` }));
  const limited = await Promise.race(uploads);
  expect(limited.status).toBe(429);
  await waiting(most);
  aheadMs = PLATFORM_LIMITS.candidateMs;
  const statuses = (await Promise.all(uploads)).map(({ status }) => status);
  aheadMs = 0;
  expect(statuses.filter((status) => status === 503)).toHaveLength(most);
  expect(statuses.filter((status) => status === 429)).toHaveLength(3);
});
