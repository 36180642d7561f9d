import { beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { execFile } from 'node:child_process';
import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import type { RunningStack } from '@portarium/local/start-stack';
import { sharedStack } from '@portarium/local/testing/shared-services';

setDefaultTimeout(120_000);
let stack: RunningStack;
const workspace = 'watched';

const call = (path: string, body: BodyInit, type?: string) =>
  fetch(`${stack.url}/v1/workspaces${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${stack.keys.admin}`,
      ...(type === undefined ? {} : { 'content-type': type }),
    },
    body,
  });

beforeAll(async () => {
  stack = await sharedStack();
  await call('', JSON.stringify({ id: workspace, name: workspace }), 'application/json');
}, 180_000);

/** The CLI as a person runs it. */
function cli(...args: string[]) {
  const env = {
    ...process.env,
    ...{ PORTARIUM_URL: stack.url, PORTARIUM_KEY: stack.keys.admin },
    PORTARIUM_WORKSPACE: workspace,
  };
  const command = ['run', join(REPOSITORY_ROOT, 'cli/src/main.ts'), ...args];
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile(process.execPath, command, { env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

/** `(module (func (export "echo") (result i32) i32.const 0))` */
const MODULE = Buffer.from(
  '0061736d010000000105016000017f03020100070801046563686f00000a0601040041000b',
  'hex',
);

test('what does not agree is said by evidence status and reconcile, with exit code 1', async () => {
  const form = new FormData();
  const operations = [{ name: 'echo', export: 'echo', effect: 'read' }];
  const manifest = { schema: 1, name: 'echo', version: '1.0.0', operations };
  form.set('manifest', new Blob([JSON.stringify(manifest)], { type: 'application/json' }));
  form.set('module', new Blob([MODULE], { type: 'application/wasm' }), 'module.wasm');
  expect((await call(`/${workspace}/plugins`, form)).status).toBeLessThan(300);
  const green = await cli('evidence', 'status', '--now');
  expect([green.code, green.out]).toEqual([0, expect.stringMatching(/^VERIFIED\n/) as never]);
  const agreed = await cli('reconcile');
  expect([agreed.code, agreed.out]).toEqual([
    0,
    expect.stringMatching(/: 0 repaired, 0 left over, 0 of 7 checks failed\n$/) as never,
  ]);
  const artifacts = join(stack.dataDir, 'evidence', workspace, 'sha256');
  const [name = ''] = readdirSync(artifacts).filter((each) => /^[0-9a-f]{64}$/.test(each));
  renameSync(join(artifacts, name), join(artifacts, `${name}.part`));
  try {
    const red = await cli('evidence', 'status', '--now');
    expect([red.code, red.out]).toEqual([
      1,
      expect.stringMatching(/^FAILED: 1 finding\n/) as never,
    ]);
    expect(red.out).toContain(`artifact.missing  names sha256:${name}`);
    const planned = await cli('reconcile', '--dry-run', '--json');
    expect(planned.code).toBe(1);
    expect(JSON.parse(planned.out)).toMatchObject({
      dryRun: true,
      findings: [{ rule: 'artifact.missing', subject: `sha256:${name}` }],
    });
    // The dry run kept nothing.
    expect((await cli('reconcile', '--last')).code).toBe(0);
    expect((await cli('reconcile')).out).toContain(
      `artifact.missing  the log names sha256:${name}`,
    );
  } finally {
    renameSync(join(artifacts, `${name}.part`), join(artifacts, name));
  }
  expect((await cli('evidence', 'status', '--now')).code).toBe(0);
  expect((await cli('reconcile')).code).toBe(0);
  expect((await cli('reconcile', '--last', '--json')).code).toBe(0);
});
