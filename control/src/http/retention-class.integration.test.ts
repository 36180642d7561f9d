import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { Digest } from '@portarium/contracts/digest';
import { RETENTION_DAYS } from '@portarium/contracts/retention-class';
import * as host from '../testing/as-host.ts';
import { entries, LOCAL } from '../testing/keep-and-dispose.ts';
import { LEDGER_RULES, pushPlugin } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { answered, ask } from '../testing/writes.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
}, 60_000);
afterAll(() => instance[Symbol.asyncDispose](), 30_000);

test('all that an action leaves behind has the class of its operation, and is locked for it', async () => {
  const operation = (name: string, effect: string, retention: string) => ({
    ...{ name, export: 'echo', effect, retention },
  });
  await pushPlugin(instance, {
    name: 'classes',
    egress: LEDGER_RULES,
    credentials: [{ slot: 'ledger', kind: 'bearer', host: 'ledger.example.com' }],
    operations: [
      operation('quick', 'read', 'operational'),
      operation('look', 'read', 'compliance'),
      operation('pay', 'write', 'forensic'),
    ],
  });
  const { objects } = instance.composed.context;
  const lockedDays = async (digest: Digest) => {
    const lock = await objects.lockOf(LOCAL, digest);
    return Math.round(((lock?.retainUntilMs ?? 0) - Date.now()) / DAY_MS);
  };
  for (const [name, retention] of [
    ['quick', 'operational'],
    ['look', 'compliance'],
    ['pay', 'forensic'],
  ] as const) {
    const action = await ask(
      instance,
      { name },
      { plugin: 'classes', operation: name, ...(name === 'pay' ? { dryRun: true } : {}) },
    );
    const order = await host.claimed(instance, action.id);
    const read = await answered({ rule: 'look', method: 'GET' }, `${name} was answered`);
    expect((await host.report(instance, order, 'heartbeat', read)).status).toBe(200);
    const output = btoa(JSON.stringify({ done: name }));
    const ended = { verdict: 'succeeded', output, usage: host.USAGE, calls: [] };
    expect((await host.report(instance, order, 'outcome', ended)).status).toBe(200);
    const told = (await entries(instance)).filter(({ subject }) => subject.action === action.id);
    const artifacts = told.flatMap((entry) => entry.artifacts);
    // Input, order and module; output, journal and the bodies that were read.
    expect(artifacts).toHaveLength(6);
    for (const { digest, retention: kept } of artifacts) {
      expect(kept).toBe(retention);
      // The module is one for all three, and the longest counts.
      expect(await lockedDays(digest)).toBeGreaterThanOrEqual(RETENTION_DAYS[retention]);
    }
    const own = artifacts.find(({ mediaType }) => mediaType === 'application/json');
    expect(own && (await lockedDays(own.digest))).toBe(RETENTION_DAYS[retention]);
  }
});

test('a write can not be kept for less than a year', async () => {
  const short = { name: 'pay', export: 'echo', effect: 'write', retention: 'operational' };
  const pushed = pushPlugin(instance, { name: 'brief', egress: [], operations: [short] });
  await expect(pushed).rejects.toThrow('kept for 365 days at least');
});
