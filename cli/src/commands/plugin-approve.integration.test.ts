import { expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { sampleGrowth, servingGrowth } from '@portarium/client/testing/sample-growth';
import type { GrowthStatement } from '@portarium/contracts/contract-growth';

setDefaultTimeout(30_000);
const MAIN = join(import.meta.dirname, '..', 'main.ts');

async function approve(change: Partial<GrowthStatement>, ...args: string[]) {
  const { from, version } = await sampleGrowth(change);
  await using served = servingGrowth([from, version]);
  const where = ['--url', served.url, '--key', 'ptk_x', '--workspace', 'acme'];
  const command = [process.execPath, 'run', MAIN, 'plugin', 'approve', 'stripe-refunds'];
  const ran = Bun.spawn([...command, ...args, ...where], { stdin: 'ignore', stderr: 'pipe' });
  const [out, err] = await Promise.all([text(ran.stdout), text(ran.stderr)]);
  return { code: await ran.exited, out, err, decided: served.decided, version };
}

const YES = ['--yes', '--rationale', 'the new host is ours'];

test('what a version could do more is shown before and after, with who may decide, and nothing is decided', async () => {
  const { code, out, decided, version } = await approve({}, '1.1.0');
  expect(code).toBe(0);
  for (const part of [
    'stripe-refunds@1.1.0  pending-approval',
    'It could do this, which 1.0.0 can not:',
    'Rule create-refund allows more: host',
    '│ - host: api.stripe.com',
    '│ + host: *.stripe.com',
    'keys of the roles approver',
    '0 of 1 person',
    /publisher +acme +sha256:e{64}/,
    'ada',
    version.approval?.digest ?? 'none',
  ]) {
    if (part instanceof RegExp) expect(out).toMatch(part);
    else expect(out).toContain(part);
  }
  expect(decided).toEqual([]);
});

test('a decision is sent with its reason and the digest that was computed here', async () => {
  const approved = await approve({}, '1.1.0', ...YES);
  expect([approved.code, approved.out]).toEqual([
    0,
    expect.stringContaining('stripe-refunds@1.1.0  active'),
  ] as never);
  const { digest } = approved.version.approval ?? {};
  const rationale = 'the new host is ours';
  expect(approved.decided).toEqual([{ decision: 'approve', rationale, digest }]);
  const denied = await approve({}, '1.1.0', '--deny', ...YES);
  expect(denied.decided).toEqual([{ decision: 'deny', rationale, digest }]);
});

test('a Control Plane that hides part of the difference gets no decision', async () => {
  const { code, err, decided } = await approve({ growth: [] }, '1.1.0', ...YES);
  expect([code, err]).toEqual([1, expect.stringContaining('What is shown is not what')] as never);
  expect(decided).toEqual([]);
});

test('a decision without a reason, or where nobody can be asked, is refused before anything is sent', async () => {
  for (const args of [['--yes'], ['--deny'], ['--rationale', 'x'], ['--yes', '--rationale', ' ']]) {
    const { code, decided } = await approve({}, '1.1.0', ...args);
    expect([code, decided]).toEqual([2, []]);
  }
});

test('a version that had not grown is told so', async () => {
  const { code, err } = await approve({}, '1.0.0');
  expect([code, err]).toEqual([0, expect.stringContaining('it had not grown')] as never);
  expect((await approve({}, '1.0.0', ...YES)).code).toBe(1);
});
