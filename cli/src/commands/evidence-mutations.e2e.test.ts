import { afterAll, beforeAll, expect, test } from 'bun:test';
import { execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PortariumClient } from '@portarium/client/portarium-client';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { MUTATIONS } from '@portarium/contracts/mutations/kinds';
import { foreignKey, type Material } from '@portarium/contracts/mutations/material';
import { mutantsOf } from '@portarium/contracts/mutations/mutants';
import { runCount } from '@portarium/contracts/testing/run-count';
import type { VerifyReport } from '@portarium/contracts/verify-report';
import { type RunningStack, startStack } from '@portarium/local/start-stack';
import {
  type RecordingCounterpart,
  startRecordingCounterpart,
} from '@portarium/local/testing/recording-counterpart';
import { pushPlugin } from '@portarium/local/testing/stack-calls';
import { type Browser, chromium, type Page } from 'playwright-core';
import { openKeyring } from '../../../control/src/infrastructure/identity/keyring.ts';
import { openSealedVault } from '../../../control/src/infrastructure/vault/sealed-vault.ts';
import { installChromium } from '../../../scripts/tools/install-chromium.ts';

/** Each kind once in the normal suite; a thousand mutants with `test --full`. */
const COUNT = runCount(Object.keys(MUTATIONS).length, 1_000);
const SEED = 20_261_130;
const MAIN = join(import.meta.dirname, '..', 'main.ts');

const folder = mkdtempSync(join(tmpdir(), 'portarium-mutations-'));
chmodSync(folder, 0o711);
let stack: RunningStack;
let counterpart: RecordingCounterpart;
let browser: Browser;
let page: Page;
let material: Material;
/** Requests that the page made after it was loaded. */
const requests: string[] = [];

const as = (role: keyof RunningStack['keys']) =>
  new PortariumClient({ url: stack.url, workspace: stack.workspace, key: stack.keys[role] });

beforeAll(async () => {
  const executablePath = installChromium();
  [stack, browser] = await Promise.all([
    startStack({ dataDir: join(folder, 'data') }),
    chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] }),
  ]);
  counterpart = await startRecordingCounterpart({
    idField: 'charge',
    answer: ({ id }) => ({
      ...{ id: `re_${id}`, charge: id, amount: 40, currency: 'usd', status: 'succeeded' },
      created: 1,
    }),
  });
  material = await makeMaterial();
  page = await (await browser.newContext()).newPage();
  await page.goto(`${stack.url}/console/_verify`);
  await page.getByRole('heading', { name: 'Verify a bundle' }).waitFor();
  await page.waitForLoadState('networkidle');
  page.on('request', (request) => requests.push(request.url()));
}, 600_000);
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
  await counterpart?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const WAIT = { waitSeconds: 60 };
const run = (plugin: string, operation: string, input: unknown) =>
  as('agent').actions.create({ plugin, operation, input }, WAIT);
const summarise = (rows: number) =>
  run('csv-insights', 'summarise', { csv: `a\n${'1\n'.repeat(rows)}` });

async function refund(charge: string, decision: 'approve' | 'deny'): Promise<string> {
  const asked = await run('stripe-refunds', 'createRefund', { charge, amount: 40 });
  const approval = asked.approval;
  if (!approval) throw new Error(`${asked.id} is ${asked.state}`);
  const { digest } = approval;
  await as('approver').approvals.decide(approval.id, { decision, rationale: 'a test', digest });
  await as('operator').actions.waitFor(asked.id);
  return asked.id;
}

/** What the product tells of reads, writes, approvals, refusals, dry runs, denials, and of a new key of the log. */
async function makeMaterial(): Promise<Material> {
  const target = { scheme: 'http', host: '127.0.0.1', port: counterpart.port } as const;
  await as('admin').credentials.create({
    ...{ name: 'stripe', host: '127.0.0.1', kind: 'bearer', value: 'rk_test_mutations_0123456789' },
  });
  await pushPlugin(stack, 'plugins/examples/csv-insights');
  await pushPlugin(stack, 'plugins/examples/stripe-refunds', target);
  const { evidence } = as('auditor');
  const pin = (await evidence.verifierKeys())[0] ?? '';
  const signBefore = await signWithTheLogsKey('before');
  await as('admin').evidence.rotateKey({ rationale: 'a test' });
  const actions = [(await summarise(1)).id, await refund('ch_1', 'approve')];
  const older = await evidence.exportBundle();
  actions.push(await refund('ch_2', 'deny'), await refund('ch_3', 'approve'));
  const waiting = await run('stripe-refunds', 'createRefund', { charge: 'ch_4', amount: 40 });
  actions.push((await as('operator').actions.dryRun(waiting.id, WAIT)).id);
  await as('agent').actions.cancel(waiting.id);
  actions.push(waiting.id);
  await pushPlugin(stack, 'plugins/examples/csv-insights', undefined, (manifest) => ({
    ...manifest,
    version: '9.0.0',
  }));
  for (let i = 0; i < 50; i++) actions.push((await summarise(i + 2)).id);
  const whole = await evidence.exportBundle();
  const since = await evidence.checkpoint();
  const size = Number(since.split('\n')[1]);
  const ranges = [
    await evidence.exportBundle({ from: 0, to: 0 }),
    await evidence.exportBundle({ from: size - 1 }),
  ];
  const ended = await Promise.all(
    actions.slice(0, 8).map((action) => evidence.exportBundle({ action })),
  );
  return {
    ...{ whole, ranges, actions: ended, older, pin, since },
    origin: since.split('\n')[0] ?? '',
    ...{ sign: await signWithTheLogsKey('now'), signBefore },
    foreign: await foreignKey(pin.split('+')[0] ?? ''),
  };
}

/** As whoever runs the instance could. */
async function signWithTheLogsKey(when: string): Promise<Material['sign']> {
  const copy = join(folder, `vault-${when}`);
  cpSync(join(stack.dataDir, 'vault'), copy, { recursive: true });
  const masterKey = readFileSync(join(stack.dataDir, 'master.key'), 'utf8').trim();
  const vault = await openSealedVault(copy, [masterKey]);
  const { signer } = await openKeyring(vault, 'local', { nowMs: () => Date.now() });
  return (size, root) => signer.sign(stack.workspace as WorkspaceId, size, root);
}

interface Options {
  readonly pin?: string;
  readonly since?: string;
}

/** What the three say of one bundle. */
interface Verdicts {
  readonly cli: Pick<VerifyReport, 'verdict' | 'exitCode' | 'findings'>;
  readonly server: Pick<VerifyReport, 'verdict' | 'exitCode' | 'findings'>;
  readonly browser: Pick<VerifyReport, 'verdict' | 'exitCode' | 'findings'>;
}

async function verify(tar: Uint8Array, options: Options): Promise<Verdicts> {
  const file = join(folder, 'bundle.tar');
  writeFileSync(file, tar);
  const [cli, server, shown] = await Promise.all([
    byCommand(file, options),
    as('auditor').evidence.verify(tar, options),
    byPage(file, options),
  ]);
  return { cli: essence(cli), server: essence(server), browser: shown };
}

const essence = ({ verdict, exitCode, findings }: VerifyReport) => ({
  verdict,
  exitCode,
  findings,
});

async function byCommand(file: string, { pin, since }: Options): Promise<VerifyReport> {
  const kept = join(folder, 'since.txt');
  if (since !== undefined) writeFileSync(kept, since);
  const args = [
    ...[MAIN, 'evidence', 'verify', file, '--json'],
    ...(pin === undefined ? [] : ['--pin', pin]),
    ...(since === undefined ? [] : ['--since', kept]),
  ];
  const { status, stdout, stderr } = await new Promise<{
    status: number;
    stdout: string;
    stderr: string;
  }>((resolve) => {
    const options = { maxBuffer: 1 << 28, env: { PATH: process.env.PATH ?? '', HOME: folder } };
    const child = execFile(process.execPath, args, options, (_error, out, err) => {
      resolve({ status: child.exitCode ?? -1, stdout: String(out), stderr: String(err) });
    });
  });
  if (stdout === '') throw new Error(`verify printed nothing: ${stderr}`);
  const report = JSON.parse(stdout) as VerifyReport;
  expect(status).toBe(report.exitCode);
  return report;
}

/** Gives the bundle to the page as somebody would who chooses a file, and reads what it shows. */
async function byPage(
  file: string,
  { pin = '', since = '' }: Options,
): Promise<Verdicts['browser']> {
  await page.getByLabel('Verifier key to believe').fill(pin);
  await page.locator('details').evaluate((element) => element.setAttribute('open', ''));
  await page.getByLabel('A checkpoint that you kept from before').fill(since);
  await page.locator('input[type=file]').setInputFiles([]);
  await page.locator('input[type=file]').setInputFiles(file);
  await page.getByRole('button', { name: 'Verify again' }).waitFor();
  return reportOn(page);
}

async function reportOn(on: Page): Promise<Verdicts['browser']> {
  const shown = on.locator('[data-verdict]');
  await shown.waitFor();
  return shown.evaluate((element) => {
    const findings = [...element.querySelectorAll('[data-rule]')].map((one) => {
      const { rule = '', seq, message = '' } = (one as HTMLElement).dataset;
      return { rule, message, ...(seq === undefined ? {} : { seq: Number(seq) }) };
    });
    const { verdict, exit } = (element as HTMLElement).dataset;
    return { verdict, exitCode: Number(exit), findings } as never;
  });
}

test('honest bundles of the whole log, of ranges and of actions pass on all three', async () => {
  const { whole, ranges, actions, older, pin, since } = material;
  const passed = { verdict: 'verified', exitCode: 0, findings: [] } as const;
  for (const tar of [whole, ...ranges, ...actions, older]) {
    const verdicts = await verify(tar, { pin });
    expect(verdicts).toEqual({ cli: passed, server: passed, browser: passed });
  }
  const compared = await verify(whole, { pin, since });
  expect(compared).toEqual({ cli: passed, server: passed, browser: passed });
  const newest = (await as('auditor').evidence.verifierKeys())[0] ?? '';
  expect(newest).not.toBe(pin);
  const byNewest = await verify(whole, { pin: newest, since });
  expect(byNewest).toEqual({ cli: passed, server: passed, browser: passed });
  const unpinned = { verdict: 'unpinned', exitCode: 3, findings: [] } as const;
  expect(await verify(whole, {})).toEqual({
    ...{ cli: unpinned, server: unpinned, browser: unpinned },
  });
}, 600_000);

test(`command, server and browser find every mutant, with one verdict each (seed ${SEED})`, async () => {
  const missed: string[] = [];
  const { pin, since: kept } = material;
  for await (const { name, tar, since } of mutantsOf(material, { seed: SEED, count: COUNT })) {
    const {
      cli,
      server,
      browser: shown,
    } = await verify(tar, since ? { pin, since: kept } : { pin });
    const one = JSON.stringify(cli);
    if (JSON.stringify(server) !== one) missed.push(`${name}: the server says otherwise`);
    if (JSON.stringify(shown) !== one) missed.push(`${name}: the browser says otherwise`);
    if (!['falsified', 'incomplete', 'unreadable'].includes(cli.verdict)) {
      missed.push(`${name}: ${cli.verdict}`);
    }
  }
  expect(missed).toEqual([]);
}, 7_200_000);

test('the page takes a bundle that is dropped on it, signed in or not, and asks the server for nothing', async () => {
  const context = await browser.newContext();
  const own = await context.newPage();
  await own.goto(`${stack.url}/console/_verify`);
  await own.getByRole('heading', { name: 'Verify a bundle' }).waitFor();
  await own.waitForLoadState('networkidle');
  await context.setOffline(true);
  await own.getByLabel('Verifier key to believe').fill(material.pin);
  const bytes = Buffer.from(material.actions[1] ?? []).toString('base64');
  await own.locator('.drop').evaluate((target, text) => {
    const file = new File([Uint8Array.from(atob(text), (char) => char.charCodeAt(0))], 'one.tar');
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(file);
    target.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
  }, bytes);
  expect(await reportOn(own)).toEqual({ verdict: 'verified', exitCode: 0, findings: [] });
  await own.getByText('one.tar').waitFor();
  await own.getByText(/POST 127.0.0.1/).waitFor();
  await own.getByText('none of this action is missing').waitFor();
  await own.getByText('give a checkpoint that you kept').waitFor();
  if (process.env.PORTARIUM_SHOTS !== undefined) {
    await own.screenshot({ path: join(process.env.PORTARIUM_SHOTS, 'verify.png'), fullPage: true });
  }
  await context.close();
  expect(requests).toEqual([]);
}, 60_000);

test('the server verifies for auditors alone, takes so much and no more, and keeps nothing', async () => {
  const { whole, pin } = material;
  const before = await as('auditor').evidence.checkpoint();
  await expect(as('operator').evidence.verify(whole, { pin })).rejects.toThrow('auth.forbidden');
  const headers = {
    ...{ authorization: `Bearer ${stack.keys.auditor}`, 'content-type': 'application/json' },
  };
  const url = `${stack.url}/v1/workspaces/${stack.workspace}/evidence/verify`;
  const wrong = await fetch(url, { method: 'POST', headers, body: '{}' });
  expect(wrong.status).toBe(415);
  const large = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/x-tar' },
    body: new Uint8Array(64 * 1024 * 1024 + 1),
  });
  expect(large.status).toBe(413);
  expect(await as('auditor').evidence.checkpoint()).toBe(before);
}, 60_000);

test('a range that the log does not have is refused with a reason', async () => {
  const { evidence } = as('auditor');
  await expect(evidence.exportBundle({ from: 1_000_000 })).rejects.toThrow('its last is');
  await expect(evidence.exportBundle({ from: 5, to: 2 })).rejects.toThrow('before it begins');
  const action = 'act_019b76da80007000800000000000aaaa';
  await expect(evidence.exportBundle({ action })).rejects.toThrow('no action');
});
