import { afterAll, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveBinary } from '@portarium/local/binaries/resolve-binary';
import { randomFreePort } from '@portarium/local/free-ports';

const root = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'portarium-how-to-'));
// PostgreSQL does not run as root, and its user has to get through.
chmodSync(folder, 0o711);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Ends the mock and the trial's own stack, no other, also when a line of the guide fails. */
const CLEAN_UP = `trap 'kill $(jobs -p) || true; [ -z "\${PORTARIUM_DATA:-}" ] || ./portarium down' EXIT`;

test('the trial of a safe write works as it stands in the guide, and leaves nothing behind', async () => {
  const page = readFileSync(join(root, 'docs/how-to/make-a-safe-write.md'), 'utf8');
  const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text]) => text ?? '');
  expect(blocks.length).toBe(6);
  const script = blocks.join('\n');
  expect(script).toContain('12111');
  const outside = Object.entries(process.env).filter(([name]) => !name.startsWith('PORTARIUM_'));
  const { PORTARIUM_CACHE } = process.env;
  // Other programs of this machine may hold the ports that the guide names.
  const text = [CLEAN_UP, script.replaceAll('12111', String(await randomFreePort()))].join('\n');
  const ran = spawnSync('bash', ['-euo', 'pipefail', '-c', text], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...Object.fromEntries(outside),
      ...(PORTARIUM_CACHE === undefined ? {} : { PORTARIUM_CACHE }),
      TMPDIR: folder,
      PORTARIUM_HTTP_PORT: String(await randomFreePort()),
      PORTARIUM_STRIPE_MOCK_BIN: (await resolveBinary('stripe-mock')).path,
    },
  });
  expect([ran.status, ran.stderr]).toEqual([0, expect.any(String)] as never);
  expect(ran.stdout).toMatch(/granted {2}1 of 1 person agreed/);
  expect(ran.stdout).toMatch(/POST http:\/\/127\.0\.0\.1:\d+\/v1\/refunds +allowed +200/);
  expect(ran.stdout).toContain('VERIFIED');
  expect(ran.stdout).toContain('The attempt agrees. The bundle is verified.');
  expect(ran.stderr).not.toContain('WARNING');
  expect(readdirSync(folder)).toEqual([]);
}, 240_000);
