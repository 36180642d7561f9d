import { afterAll, beforeAll, expect, test } from 'bun:test';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { type RunningStack, startStack } from '@portarium/local/start-stack';
import {
  type RecordingCounterpart,
  startRecordingCounterpart,
} from '@portarium/local/testing/recording-counterpart';
import { callStack, pushPlugin } from '@portarium/local/testing/stack-calls';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { consoleLink } from '../../../cli/src/commands/console.ts';
import { installChromium } from '../../../scripts/tools/install-chromium.ts';
import { CONSOLE_CSP } from '../http/console.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Where pictures for the documents go: only when somebody asks for new ones. */
const PICTURES = process.env.PORTARIUM_PICTURES;
const SECRET = 'rk_test_console_0123456789';
const folder = mkdtempSync(join(tmpdir(), 'portarium-console-'));
chmodSync(folder, 0o711);

type Role = keyof RunningStack['keys'];
let stack: RunningStack;
let stripe: RecordingCounterpart;
let browser: Browser;
/** What a page complained of: nothing may. */
const complaints: string[] = [];

beforeAll(async () => {
  const executablePath = installChromium();
  [stack, browser] = await Promise.all([
    startStack({ dataDir: join(folder, 'data') }),
    chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] }),
  ]);
  const refund = { currency: 'usd', status: 'succeeded', created: 1 };
  stripe = await startRecordingCounterpart({
    idField: 'charge',
    answer: ({ id }) => ({ id: `re_${id}`, charge: id, amount: 40, ...refund }),
  });
  await call('admin', 'POST', '/credentials', {
    ...{ name: 'stripe', host: '127.0.0.1', kind: 'bearer', value: SECRET },
  });
  await pushPlugin(stack, 'plugins/examples/csv-insights');
  const target = { scheme: 'http', host: '127.0.0.1', port: stripe.port } as const;
  refunds = await pushPlugin(stack, 'plugins/examples/stripe-refunds', target);
}, 300_000);
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
  await stripe?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

let refunds = '';

async function call<T = { id: string }>(role: Role, method: string, path: string, json: unknown) {
  const headers = { 'content-type': 'application/json' };
  const response = await callStack(stack, role, method, path, {
    headers,
    body: JSON.stringify(json),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
  return (await response.json()) as T;
}

const askRefund = (charge: string, amount = 40) =>
  call('agent', 'POST', '/actions', {
    ...{ plugin: refunds, operation: 'createRefund', input: { charge, amount } },
  });

interface Look {
  readonly dark?: boolean;
  readonly phone?: boolean;
}

/** A window of its own in which `role` is signed in. */
async function signedIn(role: Role, look: Look = {}): Promise<Page & AsyncDisposable> {
  const context: BrowserContext = await browser.newContext({
    colorScheme: look.dark ? 'dark' : 'light',
    viewport: look.phone ? { width: 390, height: 844 } : { width: 1280, height: 860 },
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || /Content.Security/.test(message.text())) {
      complaints.push(message.text());
    }
  });
  await page.goto(consoleLink(stack.url, stack.keys[role], stack.workspace));
  await page.getByRole('heading', { level: 1 }).waitFor();
  return Object.assign(page, { [Symbol.asyncDispose]: () => context.close() });
}

const pathOf = (page: Page) =>
  new URL(page.url()).pathname.replace(`/console/${stack.workspace}`, '');

/** Rules of WCAG 2.2 AA that the page breaks, as `rule: element`. */
async function broken(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: {
        run(
          root: Document,
          options: object,
        ): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
      };
    };
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const { violations } = await axe.run(document, { runOnly: tags });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  });
}

/** Pictures that the documents show. */
const SHOWN = [
  'overview',
  'action',
  'approval',
  'plugin',
  'approvals-dark',
  'approvals-phone',
  'verification',
];

/** As text that any browser shows: an SVG around a JPEG. */
async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES === undefined || !SHOWN.includes(name)) return;
  const { width, height } = page.viewportSize() ?? { width: 0, height: 0 };
  const jpeg = await page.screenshot({ type: 'jpeg', quality: 70 });
  const image = `<image width="${width}" height="${height}" href="data:image/jpeg;base64,${jpeg.toString('base64')}"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}"><title>${name}</title>${image}</svg>\n`;
  writeFileSync(join(PICTURES, `${name}.svg`), svg);
}

test('whoever looks signs in with a link or a key, and the key stays out of the address', async () => {
  await using page = await signedIn('operator');
  expect(page.url()).toBe(`${stack.url}/console/${stack.workspace}`);
  await page.getByText('live', { exact: true }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Key', { exact: true }).fill(`ptk_key_${'0'.repeat(32)}_${'0'.repeat(64)}`);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page
    .getByRole('alert')
    .getByText(/API key/)
    .waitFor();
  await page.getByLabel('Key', { exact: true }).fill(stack.keys.auditor);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('bootstrap-auditor, auditor').waitFor();
  // The browser tells of each 401.
  complaints.length = 0;
}, 60_000);

test('an operation is tried with a form, its timeline is there, and its evidence verifies in the browser', async () => {
  await using page = await signedIn('admin');
  await page.getByRole('navigation').getByRole('link', { name: 'Plugins' }).click();
  await page.getByRole('link', { name: 'csv-insights' }).click();
  await page.getByRole('heading', { name: 'csv-insights' }).waitFor();
  await page
    .getByLabel('csv', { exact: true })
    .fill('city,visits\nOslo,3\nBergen,5\nTrondheim,4\n');
  await picture(page, 'plugin');
  await page.getByRole('button', { name: 'Ask for the action' }).click();
  await page.getByRole('heading', { name: 'csv-insights summarise' }).waitFor();
  await page.locator('.heading .badge', { hasText: 'succeeded' }).waitFor();
  expect(await page.getByLabel('Output').textContent()).toContain('"rows": 3');
  const told = await page.locator('.timeline strong').allTextContents();
  expect(told).toEqual([
    'Asked for',
    'Policy decided',
    'Attempt started',
    'Attempt ended',
    'Succeeded',
  ]);
  await page.getByRole('button', { name: 'Verify this action in this browser' }).click();
  await page.getByText('Verified here').waitFor();
  // Another key is not believed.
  await page
    .getByLabel('Verifier key to believe')
    .fill('test+00000000+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA');
  await page.getByRole('button', { name: 'Verify this action in this browser' }).click();
  await page.getByText(/^Not verified/).waitFor();
}, 60_000);

test('an approver gets what waits while it comes, sees exactly what would be sent, and decides by keyboard', async () => {
  await using page = await signedIn('approver');
  await page.getByRole('link', { name: 'Approvals' }).click();
  await page.getByText('Nothing waits for anybody.').waitFor();
  const first = await askRefund('ch_first');
  await page.getByRole('list', { name: 'Approvals' }).getByText('createRefund').waitFor();
  await page.keyboard.press('j');
  const shown = page.getByRole('article');
  for (const text of [
    '"charge": "ch_first"',
    'POST',
    `http://127.0.0.1:${stripe.port}/v1/refunds`,
  ]) {
    await shown.getByText(text).first().waitFor();
  }
  await shown.getByText('sent to 127.0.0.1 only').waitFor();
  expect(await shown.textContent()).not.toContain(SECRET);
  await page.keyboard.press('a');
  await page.keyboard.type('ticket 4711, checked');
  await page.keyboard.press('Control+Enter');
  await shown.locator('h2 .badge', { hasText: 'granted' }).waitFor();
  await page.getByRole('link', { name: 'See the action' }).click();
  await page.locator('.heading .badge', { hasText: 'succeeded' }).waitFor();
  await page.getByRole('heading', { name: 'Egress calls' }).waitFor();
  expect(pathOf(page)).toBe(`/actions/${first.id}`);
  expect(stripe.effects('ch_first')).toBe(1);
  await page.getByText('bootstrap-approver · ticket 4711, checked').waitFor();
  await picture(page, 'action');

  // The next one is shown beside the one that was approved.
  await askRefund('ch_second', 70);
  await page.getByRole('link', { name: 'Approvals' }).click();
  await page.getByRole('list', { name: 'Approvals' }).getByText('createRefund').click();
  await page.locator('ins', { hasText: '"amount": 70' }).waitFor();
  await page.locator('del', { hasText: '"amount": 40' }).waitFor();
  await picture(page, 'approval');
  await page.keyboard.press('d');
  await page.keyboard.type('twice the usual');
  await page.keyboard.press('Control+Enter');
  await page.getByRole('article').locator('h2 .badge', { hasText: 'denied' }).waitFor();
  expect(stripe.effects('ch_second')).toBe(0);
}, 90_000);

test('an approver has a write run dry, sees what it would send, and agrees to less than was asked for', async () => {
  const { id } = await askRefund('ch_dry', 40);
  await using page = await signedIn('approver');
  await page.getByRole('link', { name: 'Approvals' }).click();
  await page.getByRole('list', { name: 'Approvals' }).getByText('createRefund').click();
  const part = page.getByRole('article');
  await part.getByText('It was not run dry.').waitFor();
  await part.getByRole('button', { name: 'Run it dry' }).click();
  await part.getByText('charge=ch_dry&amount=40').waitFor();
  await part.getByText('answered by an example with 200').waitFor();
  expect(stripe.requests('ch_dry')).toEqual([]);

  await part.getByRole('button', { name: 'Approve', exact: true }).click();
  await part.getByText('Approve less than was asked for').click();
  await part.getByLabel('Why').fill('one refund, no more');
  const rules = part.getByLabel(/Egress rules as a JSON list/);
  await rules.fill('[{"id":"x"}]');
  await part.getByRole('button', { name: /^Approve, as/ }).click();
  await part.getByText(/The egress rules, 0\.methods/).waitFor();
  const less = {
    ...{ id: 'once', methods: ['POST'], scheme: 'http', host: '127.0.0.1', port: stripe.port },
    ...{ path: '/v1/refunds', headers: ['accept', 'content-type'], maxCalls: 1 },
    contentTypes: ['application/x-www-form-urlencoded'],
  };
  await rules.fill(JSON.stringify([less]));
  await part.getByRole('button', { name: /^Approve, as/ }).click();
  await part.locator('h2 .badge', { hasText: 'granted' }).waitFor();
  await page.goto(`${stack.url}/console/${stack.workspace}/actions/${id}`);
  await page.locator('.heading .badge', { hasText: 'succeeded' }).waitFor();
  expect(stripe.requests('ch_dry')).toHaveLength(1);
  await page.goto(`${stack.url}/console/${stack.workspace}/actions`);
  await page.getByRole('cell', { name: 'succeeded dry run' }).waitFor();
}, 60_000);

test('a Control Plane that shows one thing and wants another approved gets no decision from the console', async () => {
  await askRefund('ch_honest');
  await using page = await signedIn('approver');
  await page.route('**/approvals/apr_*', async (route) => {
    const response = await route.fetch();
    const text = (await response.text()).replaceAll('ch_honest', 'ch_shown_');
    await route.fulfill({ response, body: text });
  });
  await page.getByRole('link', { name: 'Approvals' }).click();
  await page.getByRole('list', { name: 'Approvals' }).getByText('createRefund').first().click();
  await page.getByText(/What is shown is not what would be approved/).waitFor();
  expect(await page.getByRole('button', { name: 'Approve' }).count()).toBe(0);
  await page.keyboard.press('a');
  expect(await page.getByLabel('Why').count()).toBe(0);
}, 60_000);

test('nobody decides in the console what they asked for, and roles see their own pages only', async () => {
  await using page = await signedIn('agent');
  const pages = await page
    .getByRole('navigation', { name: 'Pages' })
    .getByRole('link')
    .allTextContents();
  expect(pages).toEqual(['Overview', 'Actions', 'Approvals', 'Plugins']);
  await page.getByRole('link', { name: 'Approvals' }).click();
  await page.getByRole('list', { name: 'Approvals' }).getByText('createRefund').first().click();
  await page.getByRole('article').waitFor();
  expect(await page.getByRole('button', { name: 'Approve' }).count()).toBe(0);
}, 60_000);

test('a plugin version that could do more is shown beside the one that runs, and decided by another person', async () => {
  const path = '/plugins/csv-insights';
  const current = await callStack(stack, 'author', 'GET', path);
  const { manifest } = (await current.json()) as { manifest: Record<string, unknown> };
  const rule = { id: 'tell', methods: ['POST'], scheme: 'https', host: '*.example.com' };
  const egress = [{ ...rule, port: 443, path: '/**' }];
  const wider = { ...manifest, version: '9.0.0', egress };
  const module = readFileSync(
    join(stack.dataDir, 'built/plugins/examples/csv-insights/plugin.wasm'),
  );
  const form = new FormData();
  form.set('manifest', new Blob([JSON.stringify(wider)], { type: 'application/json' }));
  form.set('module', new Blob([module], { type: 'application/wasm' }), 'plugin.wasm');
  const pushed = await callStack(stack, 'author', 'POST', '/plugins', { body: form });
  expect((await pushed.json()) as object).toMatchObject({ state: 'pending-approval' });

  await using own = await signedIn('author');
  await own.goto(`${stack.url}/console/${stack.workspace}${path}`);
  await own.getByText('New rule tell').waitFor();
  expect(await own.getByRole('button', { name: 'Approve' }).count()).toBe(0);

  await using page = await signedIn('approver');
  await page.context().addInitScript(AXE);
  await page.getByRole('link', { name: 'Approvals' }).click();
  await page.getByRole('list', { name: 'Plugin versions' }).getByText('csv-insights').click();
  const shown = page.getByRole('article', { name: 'Version 9.0.0' });
  await shown.getByText('New rule tell').waitFor();
  await shown.getByText('+ host: *.example.com').waitFor();
  await page.reload();
  await shown.getByText('New rule tell').waitFor();
  expect(await broken(page)).toEqual([]);
  await page.keyboard.press('a');
  await page.keyboard.type('the new host is ours');
  await page.keyboard.press('Control+Enter');
  await page.getByText('Waiting for approval').waitFor({ state: 'detached' });
  await page.locator('.facts dd', { hasText: '9.0.0' }).waitFor();
}, 60_000);

test('a version is stopped and let go on its plugin’s page, with a reason, by whoever may', async () => {
  const path = `${stack.url}/console/${stack.workspace}/plugins/csv-insights`;
  await using author = await signedIn('author');
  await author.goto(path);
  await author.getByRole('cell', { name: '100 %' }).waitFor();
  expect(await author.getByText('Quarantine 9.0.0').count()).toBe(0);
  await using page = await signedIn('operator');
  await page.goto(path);
  await page.getByText('Quarantine 9.0.0').click();
  const form = page.locator('details', { hasText: '9.0.0' });
  await form.getByLabel('Why').fill('sends rows twice');
  await form.getByRole('button', { name: 'Quarantine' }).click();
  await page.getByText('by bootstrap-operator: sends rows twice').waitFor();
  await page.getByText('Let 9.0.0 run again').click();
  await form.getByLabel('Why').fill('it was the caller');
  await form.getByRole('button', { name: 'Lift the quarantine' }).click();
  await page.getByText('Quarantine 9.0.0').waitFor();
}, 60_000);

test('filters stand in the address, which can be kept and sent', async () => {
  await using page = await signedIn('operator');
  await page.getByRole('link', { name: 'Actions' }).click();
  await page.getByLabel('State').selectOption('denied');
  await page.getByLabel('Plugin').selectOption('csv-insights');
  await page.getByText('No action is like that.').waitFor();
  expect(new URL(page.url()).search).toBe('?state=denied&plugin=csv-insights');
  await page.reload();
  expect(await page.getByLabel('State').inputValue()).toBe('denied');
  await page.getByLabel('Plugin').selectOption('');
  await page.getByRole('cell').getByText('createRefund').waitFor();
  await page.goBack();
  await page.getByText('No action is like that.').waitFor();
}, 60_000);

test('text of callers and plugins is text: no markup of theirs runs, and nothing in it hides', async () => {
  const evil = '<img src=x onerror="window.hacked=1">\u202Egpj.exe';
  await askRefund(evil);
  await using page = await signedIn('approver');
  await page.getByRole('link', { name: 'Approvals' }).click();
  const rows = page.getByRole('list', { name: 'Approvals' }).getByRole('link');
  await rows.last().click();
  await page.getByRole('article').getByText('<img src=x onerror=').first().waitFor();
  await page.getByRole('article').getByText('\\u202egpj.exe').first().waitFor();
  expect(await page.evaluate(() => 'hacked' in window)).toBe(false);
}, 60_000);

test('every page keeps the rules of WCAG 2.2 AA, in light and in dark, on a desk and on a phone', async () => {
  const waiting = await askRefund('ch_pages');
  const found: string[] = [];
  for (const look of [{}, { dark: true }, { phone: true }, { dark: true, phone: true }]) {
    await using page = await signedIn('admin', look);
    await page.context().addInitScript(AXE);
    for (const path of [
      '',
      '/actions',
      `/actions/${waiting.id}`,
      '/approvals',
      '/plugins',
      `/plugins/${refunds}`,
      '/evidence',
    ]) {
      await page.goto(`${stack.url}/console/${stack.workspace}${path}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.getByText('Loading…').waitFor({ state: 'detached' });
      if (path === '/approvals') {
        await page.getByRole('list', { name: 'Approvals' }).getByRole('link').first().click();
        await page.getByRole('article').getByRole('heading', { level: 2 }).waitFor();
      }
      const name = `${path.split('/')[1] || 'overview'}${path.split('/')[2] ? '-one' : ''}`;
      await picture(page, `${name}${look.dark ? '-dark' : ''}${look.phone ? '-phone' : ''}`);
      const wide = await page.evaluate(
        () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
      );
      if (wide) found.push(`${path} ${JSON.stringify(look)}: wider than the window`);
      found.push(...(await broken(page)).map((rule) => `${path} ${JSON.stringify(look)} ${rule}`));
    }
  }
  expect(found).toEqual([]);
}, 180_000);

test('the page that verifies a dropped bundle keeps the same rules, and needs nobody signed in', async () => {
  const action = await call('agent', 'POST', '/actions', {
    ...{ plugin: 'csv-insights', operation: 'summarise', input: { csv: 'a\n1\n' } },
  });
  const exported = await callStack(stack, 'auditor', 'GET', `/evidence/export?action=${action.id}`);
  const file = join(folder, 'one.tar');
  writeFileSync(file, new Uint8Array(await exported.arrayBuffer()));
  const found: string[] = [];
  for (const look of [{}, { dark: true }, { phone: true }] as Look[]) {
    const context = await browser.newContext({
      colorScheme: look.dark ? 'dark' : 'light',
      viewport: look.phone ? { width: 390, height: 844 } : { width: 1280, height: 860 },
    });
    const page = await context.newPage();
    await page.addInitScript(AXE);
    await page.goto(`${stack.url}/console/_verify`);
    await page.locator('input[type=file]').setInputFiles(file);
    await page.locator('[data-verdict]').waitFor();
    const wide = await page.evaluate(
      () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
    );
    if (wide) found.push(`${JSON.stringify(look)}: wider than the window`);
    found.push(...(await broken(page)).map((rule) => `${JSON.stringify(look)} ${rule}`));
    if (process.env.PORTARIUM_SHOTS !== undefined) {
      const name = `verify${look.dark ? '-dark' : ''}${look.phone ? '-phone' : ''}.png`;
      await page.screenshot({ path: join(process.env.PORTARIUM_SHOTS, name), fullPage: true });
    }
    await context.close();
  }
  expect(found).toEqual([]);
}, 60_000);

test('the console is reached by keyboard alone: the first key skips to the page', async () => {
  await using page = await signedIn('operator');
  await page.keyboard.press('Tab');
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the page');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Actions');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Actions' }).waitFor();
  // The heading takes the focus once it is there, which is a moment later than it is seen.
  await page.waitForFunction(() => document.activeElement?.tagName === 'H1');
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('H1');
}, 60_000);

test('the console runs nothing from elsewhere, and its first load has 60 kB at most', async () => {
  const response = await fetch(`${stack.url}/console`);
  expect(response.headers.get('content-security-policy')).toBe(CONSOLE_CSP);
  const context = await browser.newContext();
  const page = await context.newPage();
  const loaded = new Map<string, number>();
  page.on('response', async (one) => {
    if (one.ok()) loaded.set(one.url(), brotliCompressSync(await one.body()).length);
  });
  await page.goto(`${stack.url}/console`);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.waitForLoadState('networkidle');
  await context.close();
  expect([...loaded.keys()].every((url) => url.startsWith(stack.url))).toBe(true);
  const bytes = [...loaded.values()].reduce((sum, size) => sum + size, 0);
  console.log(`the first load of the console has ${bytes} bytes, compressed`);
  expect(loaded.size).toBeGreaterThanOrEqual(3);
  expect(bytes).toBeLessThanOrEqual(60_000);
  const immutable = await fetch([...loaded.keys()].find((url) => url.endsWith('.js')) ?? '');
  expect(immutable.headers.get('cache-control')).toContain('immutable');
  expect(immutable.headers.get('content-encoding')).toBe('br');
}, 60_000);

test('evidence that does not agree is said in red on every page, until it agrees again', async () => {
  const artifacts = join(folder, 'data', 'evidence', stack.workspace, 'sha256');
  const [name = ''] = readdirSync(artifacts).filter((each) => /^[0-9a-f]{64}$/.test(each));
  const verify = () =>
    call<{ state: string }>('operator', 'POST', '/evidence/verification', undefined);
  await using page = await signedIn('auditor');
  await page.context().addInitScript(AXE);
  const banner = page.getByRole('alert', { name: 'Verification of evidence' });
  expect((await verify()).state).toBe('verified');
  expect(await banner.count()).toBe(0);
  renameSync(join(artifacts, name), join(artifacts, `${name}.part`));
  try {
    expect((await verify()).state).toBe('failed');
    // By the event: nobody loads the page again.
    await banner.getByText('artifact.missing').waitFor();
    await picture(page, 'verification');
    await page.reload();
    await banner.getByText('artifact.missing').waitFor();
    expect(await broken(page)).toEqual([]);
    await using other = await signedIn('approver', { dark: true, phone: true });
    await other.getByText('The evidence of this workspace does not verify.').waitFor();
  } finally {
    renameSync(join(artifacts, `${name}.part`), join(artifacts, name));
  }
  expect((await verify()).state).toBe('verified');
  await page.reload();
  await page.getByRole('heading', { level: 1 }).waitFor();
  expect(await banner.count()).toBe(0);
}, 120_000);

test('no page complained of anything on the way', () => {
  expect(complaints).toEqual([]);
});
