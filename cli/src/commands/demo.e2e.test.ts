import { afterAll, expect, test } from 'bun:test';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VerifyReport } from '@portarium/contracts/verify-report';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import { readStatus } from '@portarium/local/running-stack';

const folder = mkdtempSync(join(tmpdir(), 'portarium-demo-'));
const dataDir = join(folder, 'data');
const WITHIN_MS = 20 * 60_000;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Line {
  readonly step?: string;
  readonly ok: boolean;
  readonly ms: number;
  readonly seq?: number;
  readonly others?: number;
  readonly host?: string;
  readonly calls?: number;
  readonly engines?: readonly string[];
  readonly codes?: readonly string[];
  readonly version?: number;
}

async function demo(
  data = dataDir,
  runtime = 'bun',
): Promise<{ code: number; lines: readonly Line[]; stderr: string }> {
  const child = spawn(join(REPOSITORY_ROOT, 'portarium'), ['demo', '--json', '--data', data], {
    cwd: tmpdir(),
    env: { ...process.env, PORTARIUM_RUNTIME: runtime },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString('utf8');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8');
  });
  const code = await new Promise<number>((resolve) =>
    child.once('close', (status) => resolve(status ?? -1)),
  );
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  return { code, lines, stderr };
}

interface Tampered {
  readonly ok: boolean;
  readonly changed: { readonly type: string };
  readonly before: VerifyReport;
  readonly after: VerifyReport;
}

function tamperDemo(): Tampered {
  const args = ['demo', 'tamper', '--json', '--data', dataDir];
  const { stdout, stderr, status } = spawnSync(join(REPOSITORY_ROOT, 'portarium'), args, {
    ...({ cwd: tmpdir(), encoding: 'utf8' } as const),
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Tampered;
}

const STEPS = [
  'stack',
  'stripe-mock',
  'build',
  'credential',
  'upload',
  'csv',
  'refunds',
  'refund',
  'own-approval',
  'approve',
  'changed-input',
  'egress-denied',
  'deadline',
  'export',
  'secret',
  'verify',
  'tamper',
  'replay',
];

test(
  'the demo does the main job, prints a line a step with its time, and leaves no process',
  async () => {
    const first = await demo();
    if (first.code !== 0) throw new Error(first.stderr);
    expect(first.lines.slice(0, -1).map((line) => line.step)).toEqual(STEPS as never);
    expect(first.lines.every((line) => line.ok && line.ms >= 0)).toBe(true);
    const of = (step: string) => first.lines.find((line) => line.step === step);
    expect(of('credential')?.version).toBe(1);
    expect(of('own-approval')?.codes).toEqual(['auth.forbidden', 'approval.excluded']);
    expect(of('approve')?.calls).toBe(1);
    expect(of('changed-input')?.codes).toEqual(['approval.closed', 'approval.stale']);
    expect(of('egress-denied')?.host).toBe('collector.example.net');
    expect(of('deadline')?.others).toBeGreaterThan(0);
    expect(of('tamper')?.seq).toBeGreaterThan(0);
    expect(of('replay')).toMatchObject({ attempts: 1, calls: 1, engines: ['bun', 'deno'] });
    expect(first.lines.at(-1)).toMatchObject({ ok: true, steps: STEPS.length });
    expect(readStatus(dataDir).state).toBe('stopped');
    expect(readStatus(dataDir).parts.every((part) => part.pid === undefined)).toBe(true);
    // What it left behind is there to be tampered with, with nothing running.
    const { changed, before, after, ok } = tamperDemo();
    expect([ok, before.verdict, after.verdict]).toEqual([true, 'verified', 'falsified']);
    expect(changed.type).toBe('approval.granted');
    expect(after.findings.map(({ seq }) => seq)).toContain(of('tamper')?.seq);
  },
  WITHIN_MS,
);

test(
  'a second demo on the same data folder holds as well',
  async () => {
    const second = await demo();
    if (second.code !== 0) throw new Error(second.stderr);
    expect(second.lines.at(-1)).toMatchObject({ ok: true, steps: STEPS.length });
    expect(second.lines.find(({ step }) => step === 'credential')?.version).toBe(2);
  },
  WITHIN_MS,
);

test(
  'the demo does the main job with both planes on Deno, and leaves no process',
  async () => {
    const data = join(folder, 'deno');
    const { code, lines, stderr } = await demo(data, 'deno');
    if (code !== 0) throw new Error(stderr);
    expect(lines.slice(0, -1).map((line) => line.step)).toEqual(STEPS as never);
    expect(lines.every((line) => line.ok)).toBe(true);
    expect(readStatus(data).parts.every((part) => part.pid === undefined)).toBe(true);
  },
  WITHIN_MS,
);
