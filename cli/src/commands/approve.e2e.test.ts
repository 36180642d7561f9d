import { afterAll, beforeAll, expect, test } from 'bun:test';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import type { RunningStack } from '@portarium/local/start-stack';
import {
  type RecordingCounterpart,
  startRecordingCounterpart,
} from '@portarium/local/testing/recording-counterpart';
import { sharedStack } from '@portarium/local/testing/shared-services';
import { approveGrown, pushPlugin } from '@portarium/local/testing/stack-calls';
import { buildPlugin } from '@portarium/sdk/build';
import { pointAt } from '@portarium/sdk/derive-manifest';

const SECRET = 'rk_test_0123456789abcdefghij';
const YES = ['--yes', '--rationale', 'ticket 4711, checked'];
const folder = mkdtempSync(join(tmpdir(), 'portarium-approve-'));
const said: string[] = [];
let stack: RunningStack;
let stripe: RecordingCounterpart;
let ledger: RecordingCounterpart;

beforeAll(async () => {
  stack = await sharedStack();
  const refund = { amount: 40, currency: 'usd', status: 'succeeded', created: 1 };
  const answer = ({ id }: { id: string }) => ({ id: `re_${id}`, charge: id, ...refund });
  stripe = await startRecordingCounterpart({ idField: 'charge', answer });
  ledger = await startRecordingCounterpart();
  writeFileSync(join(folder, 'old.txt'), `${SECRET.toUpperCase()}\n`);
  writeFileSync(join(folder, 'key.txt'), `${SECRET}\n`);
  const built = await buildPlugin(
    join(REPOSITORY_ROOT, 'plugins/examples/stripe-refunds'),
    join(folder, 'built'),
  );
  const target = { scheme: 'http', host: '127.0.0.1', port: stripe.port } as const;
  writeFileSync(join(folder, 'plugin.json'), JSON.stringify(pointAt(built.manifest, target)));
}, 120_000);

afterAll(async () => {
  await stripe[Symbol.asyncDispose]();
  await ledger[Symbol.asyncDispose]();
  await cli('admin', 'credential', 'revoke', 'stripe');
  rmSync(folder, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The CLI as a person runs it; asynchronous, because this process also serves the counterparts. */
function cliWith(environment: Readonly<Record<string, string>>, args: readonly string[]) {
  const { PORTARIUM_URL: _u, PORTARIUM_KEY: _k, PORTARIUM_WORKSPACE: _w, ...rest } = process.env;
  const command = ['run', join(REPOSITORY_ROOT, 'cli/src/main.ts'), ...args];
  return new Promise<Ran>((resolve) => {
    const env = { ...rest, ...environment };
    const child = execFile(process.execPath, command, { cwd: folder, env }, (error, out, err) => {
      said.push(out, err);
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
    child.stdin?.end();
  });
}

function withKey(key: string, args: readonly string[]): Promise<Ran> {
  const { url, workspace } = stack;
  return cliWith({ PORTARIUM_URL: url, PORTARIUM_KEY: key, PORTARIUM_WORKSPACE: workspace }, args);
}

function cli(role: keyof RunningStack['keys'], ...args: string[]): Promise<Ran> {
  return withKey(stack.keys[role], args);
}

interface Asked {
  readonly id: string;
  readonly state: string;
  readonly approval: { readonly id: string; readonly state: string; readonly digest: string };
}

async function ask(charge: string, ...args: string[]): Promise<Asked> {
  const input = JSON.stringify({ charge, amount: 40 });
  const command = ['action', 'run', 'stripe-refunds', 'createRefund', '--input', input, ...args];
  const { code, out, err } = await cli('agent', ...command, '--json');
  if (code !== 0) throw new Error(`${out}${err}`);
  return JSON.parse(out) as Asked;
}

async function stateOf(id: string): Promise<string> {
  return (JSON.parse((await cli('operator', 'action', 'get', id, '--json')).out) as Asked).state;
}

test('a credential is stored from a file, rotated, and granted with the rules that name it', async () => {
  const create = ['credential', 'create', 'stripe', '--host', '127.0.0.1'];
  const made = await cli('admin', ...create, '--value-file', 'old.txt');
  expect([made.code, made.out]).toEqual([0, expect.stringContaining('version 1')] as never);
  expect((await cli('operator', ...create, '--value-file', 'key.txt')).code).toBe(1);
  const twice = await cli('admin', ...create, '--value-file', 'key.txt');
  expect([twice.code, twice.err]).toEqual([1, expect.stringContaining('Rotate it')] as never);
  const rotated = await cli('admin', 'credential', 'rotate', 'stripe', '--value-file', 'key.txt');
  expect(rotated.out).toContain('version 2');
  expect(
    (await cli('admin', 'credential', 'rotate', 'nobody', '--value-file', 'key.txt')).code,
  ).toBe(1);
  expect((await cli('auditor', 'credential', 'list')).out).toMatch(
    /stripe +127\.0\.0\.1 +bearer +2/,
  );

  const push = ['plugin', 'push', '--manifest', 'plugin.json', '--module', 'built/plugin.wasm'];
  const pushed = await cli('author', ...push, '--json');
  expect(pushed.code).toBe(0);
  // Another test may have pushed it for another host, beside which this one grew.
  await approveGrown(stack, JSON.parse(pushed.out));
  const grant = ['plugin', 'grant', 'stripe-refunds', '--own', '--network', 'loopback'];
  const granted = await cli('operator', ...grant);
  expect(granted.out).toContain('credential=stripe idempotency=Idempotency-Key/24h');
}, 120_000);

test('a write waits, is shown exactly, is refused to who asked, and happens once after another person agreed', async () => {
  const input = '{"charge":"ch_1","amount":40}';
  const run = ['action', 'run', 'stripe-refunds', 'createRefund', '--input', input];
  const asked = await cli('agent', ...run);
  const [, id = ''] = /^(act_\S+) {2}waiting-approval/.exec(asked.out) ?? [];
  expect([asked.code, asked.err]).toEqual([
    0,
    expect.stringContaining(`portarium approve ${id}`),
  ] as never);
  expect(asked.out).toMatch(/approval +apr_\S+ open, 0 of 1 have agreed/);
  const waiting = (await cli('approver', 'approve')).out;
  expect(waiting).toMatch(new RegExp(`${id} +stripe-refunds@1\\.1\\.0-at-\\S+ +createRefund`));

  const shown = await cli('approver', 'approve', id);
  for (const part of [
    '  │ {\n  │   "amount": 40,\n  │   "charge": "ch_1"\n  │ }',
    `POST http://127.0.0.1:${stripe.port}/v1/refunds`,
    'credential: stripe',
    'bearer, sent to 127.0.0.1 only',
    'idempotency-key',
    'bootstrap-agent',
    'networks opened  loopback',
  ]) {
    expect(shown.out).toContain(part);
  }
  expect((await cli('approver', 'approve', id, '--rationale', 'x')).code).toBe(2);
  expect((await cli('agent', 'approve', id, ...YES)).err).toContain('auth.forbidden');
  const key = ['key', 'create', '--name', 'n', '--owner', 'bootstrap-agent', '--role', 'approver'];
  const own = (await cli('admin', ...key)).out.trim();
  const refused = await withKey(own, ['approve', id, ...YES]);
  expect([refused.code, refused.err]).toEqual([
    1,
    expect.stringContaining('another person’s key'),
  ] as never);
  expect(await stateOf(id)).toBe('waiting-approval');
  expect(stripe.requests('ch_1')).toEqual([]);

  const approved = await cli('approver', 'approve', id, ...YES);
  expect([approved.code, approved.out]).toEqual([
    0,
    expect.stringContaining('granted  1 of 1 person agreed'),
  ] as never);
  const tail = await cli('auditor', 'action', 'tail', id);
  for (const type of ['approval.granted', 'egress.intended', 'egress.answered', 'succeeded']) {
    expect(tail.out).toContain(type);
  }
  expect(tail.out).toContain('rationale=ticket 4711, checked');
  const journal = await cli('agent', 'action', 'journal', id);
  expect(journal.out.split('\n')[1]).toMatch(
    /^0 +1 +POST http:\/\/127\.0\.0\.1:\d+\/v1\/refunds +allowed +- +200 /,
  );
  const sent = stripe
    .requests('ch_1')
    .map(({ method, body, headers }) => [
      method,
      body,
      headers.authorization,
      headers['idempotency-key'] !== undefined,
    ]);
  expect(sent).toEqual([['POST', 'charge=ch_1&amount=40', `Bearer ${SECRET}`, true]]);
  const again = await cli('approver', 'approve', id, '--deny', ...YES);
  expect([again.code, again.err]).toEqual([1, expect.stringContaining('approval.closed')] as never);

  const next = await ask('ch_2');
  expect((await cli('approver', 'approve', next.id)).out).toContain('  │ -   "charge": "ch_1"');
  expect((await cli('operator', 'action', 'cancel', next.id)).code).toBe(0);
}, 180_000);

test('a write is run dry before it is approved: nothing reaches the system, and what is shown is what it then gets', async () => {
  const asked = await ask('ch_dry');
  const dry = await cli('approver', 'action', 'dry-run', asked.id);
  expect([dry.code, dry.err]).toEqual([0, '']);
  for (const part of [
    `of ${asked.id}; no write of it has left`,
    `  POST http://127.0.0.1:${stripe.port}/v1/refunds`,
    '      │ charge=ch_dry&amount=40',
    'rule create-refund; with credential stripe (cred_',
    'answered by an example with 200',
    'Output, made from example answers',
    '"id": "re_1"',
  ]) {
    expect(dry.out).toContain(part);
  }
  expect(stripe.requests('ch_dry')).toEqual([]);
  const shown = (await cli('approver', 'approve', asked.id)).out;
  expect(shown).toMatch(/Its dry run, act_\S+: succeeded\./);
  expect(shown).toContain('      │ charge=ch_dry&amount=40');
  expect((await cli('approver', 'approve', asked.id, ...YES)).code).toBe(0);
  expect((await cli('auditor', 'action', 'tail', asked.id)).code).toBe(0);
  expect(stripe.requests('ch_dry').map(({ body }) => body)).toEqual(['charge=ch_dry&amount=40']);

  const input = JSON.stringify({ charge: 'ch_before', amount: 40 });
  const run = ['action', 'run', 'stripe-refunds', 'createRefund', '--input', input, '--dry-run'];
  const before = await cli('agent', ...run, '--json');
  const { id, state, dryRun } = JSON.parse(before.out) as Asked & { dryRun?: true };
  expect([before.code, state, dryRun]).toEqual([0, 'succeeded', true]);
  expect(stripe.requests('ch_before')).toEqual([]);
  expect((await cli('operator', 'action', 'list')).out).toMatch(
    new RegExp(`${id} +succeeded \\(dry run\\)`),
  );
  const tail = await cli('auditor', 'action', 'tail', id);
  expect(tail.out).toContain('egress.withheld');
  const journal = await cli('agent', 'action', 'journal', id);
  expect(journal.out).toMatch(/POST http:\S+ +withheld +- +200/);
  await replays(id, 1);
}, 180_000);

test('an approver narrows a write: it happens within that, and its evidence verifies and replays', async () => {
  const rules = (path: string) =>
    JSON.stringify([
      {
        ...{ id: 'one-refund', methods: ['POST'], scheme: 'http', host: '127.0.0.1', path },
        ...{ port: stripe.port, headers: ['accept', 'content-type'], credential: 'stripe' },
        ...{ contentTypes: ['application/x-www-form-urlencoded'], maxCalls: 1 },
      },
    ]);
  writeFileSync(join(folder, 'rules.json'), rules('/v1/nothing'));
  const asked = await ask('ch_less');
  const none = await cli('approver', 'approve', asked.id, '--egress', 'rules.json', ...YES);
  expect([none.code, none.err]).toEqual([2, expect.stringContaining('/egress')] as never);
  writeFileSync(join(folder, 'rules.json'), rules('/v1/refunds'));
  const seen = await cli('approver', 'approve', asked.id, '--egress', 'rules.json');
  expect([seen.code, seen.err]).toEqual([
    2,
    expect.stringContaining('nothing was decided'),
  ] as never);
  const [, digest = '?'] =
    /one-refund {2}POST.+with --egress, computed here: (\S+)\n$/s.exec(seen.out) ?? [];
  const less = await cli('approver', 'approve', asked.id, '--egress', 'rules.json', ...YES);
  expect((await cli('approver', 'approve', asked.id, '--json')).out).toContain(digest);
  expect([less.code, less.out]).toEqual([
    0,
    expect.stringContaining('create-refund → create-refund → one-refund  POST'),
  ] as never);
  const tail = await cli('auditor', 'action', 'tail', asked.id);
  expect([tail.code, tail.out]).toEqual([0, expect.stringContaining('succeeded')] as never);
  expect(stripe.requests('ch_less')).toHaveLength(1);
  await replays(asked.id, 1);
}, 180_000);

/** The action's bundle verifies, and its attempts are the same when they are run again. */
async function replays(id: string, attempts: number): Promise<void> {
  const bundle = `${id}.tar`;
  expect((await cli('auditor', 'evidence', 'export', '--action', id, '-o', bundle)).code).toBe(0);
  const pin = (await cli('auditor', 'evidence', 'key')).out.trim().split('\n')[0] ?? '';
  const verified = await cli('auditor', 'evidence', 'verify', bundle, '--pin', pin);
  expect([verified.code, verified.out]).toEqual([0, verified.out]);
  const replayed = await cli('auditor', 'replay', bundle, '--pin', pin, '--json');
  const summary = JSON.parse(replayed.out.trim().split('\n').at(-1) ?? '{}');
  expect([replayed.code, summary.attempts, summary.findings]).toEqual([0, attempts, 0]);
}

test('an input that is not taken is answered with the schema and an example', async () => {
  const run = ['action', 'run', 'stripe-refunds', 'createRefund'];
  for (const args of [run, [...run, '--input', '{"charge":7}']]) {
    const { code, err } = await cli('agent', ...args);
    expect(code).toBe(2);
    expect(err).toContain('createRefund takes: {"type":"object"');
    expect(err).toContain(`portarium ${run.join(' ')} --input '{"charge":"ch_1"}'`);
  }
  const unknown = await cli('agent', 'action', 'run', 'stripe-refunds', 'nope');
  expect([unknown.code, unknown.err]).toEqual([
    1,
    expect.stringContaining('it has listRefunds, createRefund'),
  ] as never);
}, 60_000);

test('whoever decides about a write that can not happen is told why before', async () => {
  await cli('operator', 'plugin', 'grant', 'stripe-refunds', '--own', '--no-network');
  try {
    const closed = await ask('ch_7');
    const shown = await cli('approver', 'approve', closed.id);
    expect(shown.err).toContain('plugin grant stripe-refunds --network loopback');
    const { id } = await ask('ch_7', '--replaces', closed.id);
    await cli('operator', 'action', 'cancel', id);
  } finally {
    await cli('operator', 'plugin', 'grant', 'stripe-refunds', '--own', '--network', 'loopback');
  }
  const fine = await ask('ch_7');
  expect((await cli('approver', 'approve', fine.id)).err).not.toContain('WARNING');
  await cli('operator', 'action', 'cancel', fine.id);
  expect(stripe.requests('ch_7')).toEqual([]);
}, 120_000);

test('a denial, a request for changes, a replacement and a cancellation send nothing', async () => {
  const denied = await ask('ch_3');
  expect((await cli('approver', 'approve', denied.approval.id, '--deny', ...YES)).code).toBe(0);
  expect(await stateOf(denied.id)).toBe('denied');

  const unclear = await ask('ch_3');
  await cli('approver', 'approve', unclear.id, '--request-changes', ...YES);
  const told = await cli('agent', 'action', 'get', unclear.id);
  expect([told.code, told.err]).toEqual([1, expect.stringContaining('--replaces')] as never);

  const first = await ask('ch_3', '--replaces', unclear.id);
  const second = await ask('ch_3', '--replaces', first.id);
  expect(await stateOf(first.id)).toBe('cancelled');
  const old = await cli('approver', 'approve', first.approval.id, ...YES);
  expect([old.code, old.err]).toEqual([1, expect.stringContaining('approval.closed')] as never);
  const cancelled = await cli('agent', 'action', 'cancel', second.id, '--rationale', 'not wanted');
  expect([cancelled.code, cancelled.out]).toEqual([
    0,
    expect.stringContaining('cancelled'),
  ] as never);
  expect((await cli('agent', 'action', 'cancel', second.id)).code).toBe(1);
  expect(stripe.requests('ch_3')).toEqual([]);
}, 180_000);

test('a credential that was rotated meanwhile voids what waits for the version before', async () => {
  const waiting = await ask('ch_4');
  await cli('admin', 'credential', 'rotate', 'stripe', '--value-file', 'key.txt');
  const stale = await cli('approver', 'approve', waiting.id, ...YES);
  expect([stale.code, stale.err]).toEqual([1, expect.stringContaining('approval.stale')] as never);
  expect(stale.err).toContain('--replaces');
  expect(await stateOf(waiting.id)).toBe('cancelled');
  expect(stripe.requests('ch_4')).toEqual([]);
}, 120_000);

test('a write whose outcome nobody knows is resolved by a person', async () => {
  const target = { scheme: 'http', host: '127.0.0.1', port: ledger.port } as const;
  await pushPlugin(stack, 'plugins/sdk/fixtures/ledger', target);
  // The plugin looks before it writes: the answer to that arrives.
  ledger.plan('lost', { answered: () => ledger.plan('lost', { fault: 'die-after-effect' }) });
  const run = ['action', 'run', 'ledger', 'writeUnkeyed', '--input', '{"id":"lost"}', '--json'];
  const { id } = JSON.parse((await cli('agent', ...run)).out) as Asked;
  const shown = await cli('approver', 'approve', id);
  expect(shown.out).toContain('no idempotency key: never sent again');
  expect((await cli('approver', 'approve', id, ...YES)).code).toBe(0);
  const tail = await cli('auditor', 'action', 'tail', id);
  expect([tail.code, tail.out]).toEqual([1, expect.stringContaining('outcome-unknown')] as never);
  expect(tail.out).toMatch(
    /call 0 {2}GET http:\S+ {2}allowed 200, \d+ ms\n\S+ {2}egress\.intended/,
  );
  const journal = await cli('operator', 'action', 'journal', id);
  expect(journal.out).toContain('Call 1 was sent, or may have been; its answer was not seen.');
  const { items } = JSON.parse((await cli('operator', 'action', 'journal', id, '--json')).out);
  expect(items).toMatchObject([{ method: 'GET' }, { verdict: 'open' }]);
  const cancelled = await cli('operator', 'action', 'cancel', id);
  expect([cancelled.code, cancelled.err]).toEqual([
    1,
    expect.stringContaining(`portarium action resolve ${id}`),
  ] as never);
  const told = await cli('operator', 'action', 'get', id);
  expect(told.out).toContain('See in the system whether it happened');
  expect(told.err).toContain(`portarium action resolve ${id}`);
  const resolve = ['action', 'resolve', id, '--outcome', 'succeeded'];
  expect((await cli('operator', ...resolve)).code).toBe(2);
  const done = await cli('operator', ...resolve, '--rationale', 'line 1 is there');
  expect([done.code, done.out]).toEqual([0, expect.stringContaining('succeeded')] as never);
  expect(ledger.effects('lost')).toBe(1);
}, 180_000);

test('the rules of approvals are shown and changed one by one', async () => {
  const rules = async (...args: string[]) => {
    const { out } = await cli('admin', 'approval-rules', ...args, '--json');
    return JSON.parse(out) as Record<string, unknown>;
  };
  const before = await rules();
  try {
    expect(await rules('--quorum', '2')).toMatchObject({
      ...before,
      quorum: 2,
      revision: Number(before.revision) + 1,
    });
    expect(await rules('--decide-within', '30m')).toMatchObject({ decideWithinMs: 1_800_000 });
    expect((await cli('auditor', 'approval-rules')).out).toMatch(/have to agree +2\n/);
    expect((await cli('auditor', 'approval-rules', '--quorum', '1')).code).toBe(1);
    const waiting = await ask('ch_5');
    const first = await cli('approver', 'approve', waiting.id, ...YES);
    expect(first.out).toContain('open  1 of 2 people agreed');
    expect((await cli('approver', 'approve', waiting.id, ...YES)).code).toBe(1);
    expect(stripe.requests('ch_5')).toEqual([]);
    await cli('agent', 'action', 'cancel', waiting.id);
  } finally {
    const seconds = Number(before.decideWithinMs) / 1_000;
    await rules('--quorum', String(before.quorum), '--decide-within', `${seconds}s`);
  }
}, 180_000);

test('on the machine of the stack, approve needs no key, and uses the approver’s', async () => {
  const { id } = await ask('ch_6');
  const local = (...args: string[]) => cliWith({}, [...args, '--data', stack.dataDir]);
  expect((await local('approve', id, '--deny', ...YES)).code).toBe(0);
  const shown = await local('approve', id);
  expect(shown.out).toContain('bootstrap-approver  deny: ticket 4711, checked');
}, 60_000);

test('no command said the secret', () => {
  expect(said.length).toBeGreaterThan(50);
  expect(said.join('\n')).not.toContain(SECRET);
  expect(said.join('\n')).not.toContain(SECRET.toUpperCase());
});
