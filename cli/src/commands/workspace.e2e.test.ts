import { beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import type { RunningStack } from '@portarium/local/start-stack';
import { sharedStack } from '@portarium/local/testing/shared-services';

setDefaultTimeout(120_000);
let stack: RunningStack;
beforeAll(async () => {
  stack = await sharedStack();
}, 180_000);

/** The CLI as a person runs it who has the data folder. */
function cli(...args: string[]) {
  const command = ['run', join(REPOSITORY_ROOT, 'cli/src/main.ts'), ...args];
  const env = { ...process.env, PORTARIUM_DATA: stack.dataDir };
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile(process.execPath, command, { env, cwd: REPOSITORY_ROOT }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}
const json = async (...args: string[]) => JSON.parse((await cli(...args, '--json')).out);

for (const tier of ['B', 'C'] as const) {
  const id = `crew-${tier.toLowerCase()}`;
  test(`a workspace of tier ${tier} is made by one command, and an action runs in it on the whole stack`, async () => {
    const made = await cli('workspace', 'create', id, '--tier', tier, '--name', 'A crew');
    expect([made.code, made.err]).toEqual([0, expect.stringContaining('making the')]);
    expect(made.out + made.err).not.toContain('postgres://');
    const again = await cli('workspace', 'create', id, '--tier', tier);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('there is a workspace')]);
    const on = ['--workspace', id];
    const pushed = await cli('plugin', 'push', 'plugins/examples/csv-insights', ...on);
    expect([pushed.code, pushed.out]).toEqual([0, expect.stringContaining('csv-insights@')]);
    const input = JSON.stringify({ csv: 'a,b\n1,2\n' });
    const ran = await cli('action', 'run', 'csv-insights', 'summarise', '--input', input, ...on);
    expect([ran.code, ran.err]).toEqual([0, expect.any(String)]);
    const listed = await json('action', 'list', ...on);
    expect(listed.items).toMatchObject([{ state: 'succeeded', operation: 'summarise' }]);
  });
}

test('a workspace is backed up, the backup is tried, and put in the place of what is there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'portarium-workspace-'));
  try {
    const file = join(folder, 'crew-b.backup');
    const made = await cli('workspace', 'backup', 'crew-b', file);
    expect([made.code, made.out]).toEqual([0, expect.stringContaining('crew-b is in')]);
    const tried = await cli('workspace', 'restore', file, '--drill');
    expect([tried.code, tried.out]).toEqual([0, expect.stringMatching(/entries verifies/)]);
    const refused = await cli('workspace', 'restore', file);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('say --replace')]);
    const both = await cli('workspace', 'restore', file, '--drill', '--replace');
    expect(both.code).toBe(2);
    const put = await cli('workspace', 'restore', file, '--replace');
    expect([put.code, put.err, put.out]).toEqual([
      0,
      expect.any(String),
      expect.stringContaining('entries verifies'),
    ]);
    const listed = await json('action', 'list', '--workspace', 'crew-b');
    expect(listed.items).toHaveLength(1);
    const none = await cli('workspace', 'backup', 'nobody', join(folder, 'none'));
    expect([none.code, none.err]).toEqual([1, expect.stringContaining('no workspace nobody')]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('workspaces are listed with their tiers, and bad input is refused before anything is made', async () => {
  const { items } = await json('workspace', 'list');
  const tiers = Object.fromEntries(
    items.map((one: { id: string; tenancyTier: string }) => [one.id, one.tenancyTier]),
  );
  expect(tiers).toMatchObject({ local: 'A', 'crew-b': 'B', 'crew-c': 'C' });
  for (const [args, what] of [
    [['create', 'Crew'], 'is no id of a workspace'],
    [['create', 'crew', '--tier', 'D'], 'Allowed choices are A, B, C'],
  ] as const) {
    const refused = await cli('workspace', ...args);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining(what)]);
  }
});

test('the schema of every target is shown, and what takes away has to be asked for', async () => {
  const { ok, targets, leases } = await json('migrate', 'status');
  expect(ok).toBe(true);
  const names = targets.map(({ target }: { target: string }) => target);
  expect(names).toEqual([
    ...['global', 'tenant', 'workspace/crew-b'],
    ...['workspace/crew-c global', 'workspace/crew-c tenant'],
  ]);
  expect(targets.every(({ pending }: { pending: string[] }) => pending.length === 0)).toBe(true);
  expect(leases).toMatchObject([{ role: 'api+worker+relay' }]);
  expect((await cli('migrate', 'plan')).out).toBe('Nothing is pending.\n');
  expect((await cli('migrate', 'apply')).out).toBe('Nothing was pending.\n');
  const refused = await cli('migrate', 'contract');
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('say --allow-contract')]);
  const unknown = await cli('migrate', 'status', '--target', 'nobody');
  expect([unknown.code, unknown.err]).toEqual([
    1,
    expect.stringContaining('there is no target nobody'),
  ]);
});
