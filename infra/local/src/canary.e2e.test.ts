import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { descendants } from './testing/descendants.ts';
import { filesWith, formsOf, memoryHolds, processesWith } from './testing/find-bytes.ts';
import type { Fault } from './testing/recording-counterpart.ts';
import { callStack, exportBundle, pushPlugin } from './testing/stack-calls.ts';
import {
  approveWrite,
  LEDGER,
  startWriteRig,
  untilEnded,
  type WriteAction,
  type WriteRig,
} from './testing/write-rig.ts';

/** Made anew for each run, in two halves, so that this process's own sources do not hold it. */
const CANARY = ['canary', crypto.randomUUID().replaceAll('-', ''), 'yellow+/=&bird'].join('_');
const FORMS = formsOf(CANARY);

const OTHER_KINDS = [
  { kind: 'basic', username: 'ada' },
  { kind: 'header', header: 'X-Ledger-Key' },
  { kind: 'query', parameter: 'ledger_key' },
] as const;

let rig: WriteRig;
beforeAll(async () => {
  rig = await startWriteRig(2);
  await store('ledger', { kind: 'bearer' });
  for (const place of OTHER_KINDS) {
    const { kind } = place;
    await store(kind, place);
    const target = { scheme: 'http', host: '127.0.0.1', port: rig.counterpart.port } as const;
    await pushPlugin(rig.stack, LEDGER, target, ({ egress = [], ...manifest }) => ({
      ...manifest,
      name: `ledger-${kind}`,
      egress: egress.map((rule) => (rule.credential ? { ...rule, credential: kind } : rule)),
      credentials: [{ slot: kind, kind, host: '127.0.0.1' }],
    }));
  }
}, 180_000);
afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
}, 60_000);

async function store(name: string, place: object): Promise<void> {
  const made = await callStack(rig.stack, 'admin', 'POST', '/credentials', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, host: '127.0.0.1', ...place, value: CANARY }),
  });
  expect([made.status, (await made.text()).includes(CANARY)]).toEqual([201, false]);
}

/** A write with the credential. @param onAnswering while the guest waits for its answer */
async function write(
  id: string,
  fault?: Fault,
  onAnswering?: () => void,
  plugin = 'ledger',
): Promise<WriteAction> {
  const { stack, counterpart } = rig;
  counterpart.plan(id, {
    ...(fault === undefined ? {} : { fault, times: 1 }),
    ...(onAnswering === undefined ? {} : { answering: onAnswering }),
  });
  const asked = await callStack(stack, 'operator', 'POST', '/actions', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ plugin, operation: 'writeSecretly', input: { id } }),
  });
  const action = (await asked.json()) as WriteAction;
  await approveWrite(stack, action);
  return untilEnded(stack, action.id, 60_000);
}

test('the search finds what is there: in a file, in memory, in a process list', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'portarium-find-'));
  try {
    for (const [i, form] of FORMS.entries()) await writeFile(join(folder, `${i}`), form);
    expect(await filesWith(folder, FORMS)).toHaveLength(FORMS.length);
    const child = Bun.spawn(['sleep', '60'], { env: { LEAKED: CANARY } });
    await Bun.sleep(100);
    expect(processesWith(FORMS)).toContain(child.pid);
    expect(memoryHolds(child.pid, FORMS).found).toBe(true);
    child.kill();
    await child.exited;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('a credential reaches the counterpart, and neither the cell’s memory nor a process list while it does', async () => {
  const cells: { readBytes: number; found: boolean }[] = [];
  let listed: readonly number[] = [];
  const ended = await write('canary-memory', 'echo-authorization', () => {
    const host = rig.stack.pidOf('sandbox') ?? -1;
    cells.push(...descendants(host).map((pid) => memoryHolds(pid, FORMS)));
    listed = processesWith(FORMS);
  });
  expect(ended.state).toBe('succeeded');
  const [seen] = rig.counterpart.requests('canary-memory');
  expect(seen?.headers.authorization).toBe(`Bearer ${CANARY}`);
  // A small process may stand around each cell.
  const large = cells.filter(({ readBytes }) => readBytes > 10_000_000);
  expect(large.length).toBeGreaterThan(0);
  expect(2 * large.length).toBeGreaterThanOrEqual(cells.length);
  for (const cell of cells) expect(cell.found).toBe(false);
  expect(listed).toEqual([]);
  // Afterwards too: what came back was scrubbed before the cell got it.
  const host = rig.stack.pidOf('sandbox') ?? -1;
  for (const pid of descendants(host)) expect(memoryHolds(pid, FORMS).found).toBe(false);
}, 90_000);

test('what a counterpart sends back of a credential is scrubbed in each form before a guest reads it', async () => {
  const ended = await write('canary-echo', 'echo-authorization');
  const output = JSON.stringify(ended.output);
  for (const form of FORMS) expect(output.includes(form.toString())).toBe(false);
  expect(output).toContain('[credential ledger]');
}, 90_000);

test('each other kind reaches the counterpart in its place, and the cell reads nothing of it', async () => {
  const basic = Buffer.from(`ada:${CANARY}`).toString('base64');
  const wire = {
    basic: { header: ['authorization', `Basic ${basic}`], query: '' },
    header: { header: ['x-ledger-key', CANARY], query: '' },
    query: { header: undefined, query: `ledger_key=${encodeURIComponent(CANARY)}` },
  } as const;
  for (const { kind } of OTHER_KINDS) {
    const id = `canary-kind-${kind}`;
    const ended = await write(id, 'echo-authorization', undefined, `ledger-${kind}`);
    expect([kind, ended.state]).toEqual([kind, 'succeeded']);
    const [seen] = rig.counterpart.requests(id);
    const { header, query } = wire[kind];
    expect([kind, seen?.query.toString()]).toEqual([kind, query]);
    if (header) expect(seen?.headers[header[0]]).toBe(header[1]);
    expect('authorization' in (seen?.headers ?? {})).toBe(kind === 'basic');
    for (const form of [...FORMS, basic]) {
      expect(JSON.stringify(ended).includes(form.toString())).toBe(false);
    }
  }
}, 120_000);

test('no answer of the API, no bundle and no file that the stack keeps holds a credential, whatever went wrong', async () => {
  const faults = ['echo-authorization', 'die-after-effect', 'answer-twice'] as const;
  const actions = [];
  for (const fault of faults) actions.push(await write(`canary-${fault}`, fault));
  const texts: string[] = [];
  for (const { id } of actions) {
    for (const path of ['', '/journal', '/attempts']) {
      texts.push(
        await (await callStack(rig.stack, 'operator', 'GET', `/actions/${id}${path}`)).text(),
      );
    }
  }
  for (const path of ['/approvals', '/credentials', '/evidence?limit=200', '/actions']) {
    texts.push(await (await callStack(rig.stack, 'auditor', 'GET', path)).text());
  }
  const { bundle } = await exportBundle(rig.stack);
  const kept = Buffer.concat([Buffer.from(texts.join('\n')), bundle]);
  for (const form of FORMS) expect(kept.includes(form)).toBe(false);
  // PostgreSQL's files and log, Temporal's history, the bus's streams, evidence, vault and all logs.
  expect(await filesWith(rig.stack.dataDir, FORMS)).toEqual([]);
}, 120_000);
