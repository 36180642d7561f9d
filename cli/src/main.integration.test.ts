import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '@portarium/local/process/run-command';

setDefaultTimeout(60_000);
const root = mkdtempSync(join(tmpdir(), 'portarium-cli-'));
const main = fileURLToPath(new URL('./main.ts', import.meta.url));
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function portarium(...args: string[]): Promise<{ code: number | null; output: string }> {
  return runCommand(process.execPath, ['run', main, ...args], { timeoutMs: 60_000, cwd: root });
}

test('an unknown command, an unknown option and a bad value end with code 2', async () => {
  expect((await portarium('frobnicate')).code).toBe(2);
  expect((await portarium('status', '--nonsense')).code).toBe(2);
  expect((await portarium('up', '--port', '70000')).output).toContain('from 1 to 65535');
});

test('help and version end with code 0', async () => {
  expect((await portarium('--version')).output).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect((await portarium('up', '--help')).code).toBe(0);
});

test('the status of a folder where nothing ever ran is stopped, with code 1', async () => {
  const { code, output } = await portarium('status', '--json', '--data', 'none');
  expect(code).toBe(1);
  expect(JSON.parse(output)).toEqual({ dataDir: join(root, 'none'), state: 'stopped', parts: [] });
});

test('down where nothing runs succeeds and says so', async () => {
  const { code, output } = await portarium('down', '--json', '--data', 'none');
  expect(code).toBe(0);
  expect(JSON.parse(output)).toEqual({ ok: true, wasRunning: false, dataDir: join(root, 'none') });
});

test('up refuses a folder that holds other files, in one line of JSON', async () => {
  writeFileSync(join(root, 'precious.txt'), 'keep me');
  const { code, output } = await portarium('up', '--json', '--data', root);
  expect(code).toBe(1);
  const failure = JSON.parse(output.split('\n')[0] ?? '');
  expect(failure.error).toContain('is no data folder of Portarium');
});

test('doctor lists what it looked at', async () => {
  const { output } = await portarium('doctor', '--json', '--data', join(root, 'fresh'));
  const { findings } = JSON.parse(output) as { findings: { name: string }[] };
  const names = findings.map((finding) => finding.name);
  for (const name of ['bun', 'go', 'temporal 1.5.1', 'nats-server 2.11.4', 'postgres', 'disk']) {
    expect(names).toContain(name);
  }
});
