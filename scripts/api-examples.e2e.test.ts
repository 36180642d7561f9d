import { beforeAll, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunningStack } from '@portarium/local/start-stack';
import { sharedStack } from '@portarium/local/testing/shared-services';

const root = join(import.meta.dirname, '..');
let stack: RunningStack;
beforeAll(async () => {
  stack = await sharedStack();
}, 120_000);

test('the examples on the page of the API work as they stand there, from the first to the last', () => {
  const page = readFileSync(join(root, 'docs/reference/api.md'), 'utf8');
  const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text]) => text ?? '');
  expect(blocks.length).toBeGreaterThan(8);
  const ran = spawnSync('bash', ['-euo', 'pipefail', '-c', blocks.join('\n')], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PORTARIUM_URL: stack.url,
      PORTARIUM_KEY: stack.keys.admin,
      PORTARIUM_WORKSPACE: stack.workspace,
    },
  });
  expect([ran.status, ran.stderr]).toEqual([0, expect.any(String)] as never);
  expect(ran.stdout).toContain('"state":"succeeded"');
  expect(ran.stdout).toContain('VERIFIED');
}, 180_000);
