import { expect, test } from 'bun:test';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rotateMasterKey } from './rotate-master-key.ts';
import { startStack } from './start-stack.ts';
import { callStack } from './testing/stack-calls.ts';

const keysIn = async (file: string) => (await readFile(file, 'utf8')).trim().split('\n');

test('a new master key opens the stack’s vault after a restart, and the old one opens nothing', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'portarium-rotate-'));
  const file = join(dataDir, 'master.key');
  try {
    const first = await startStack({ dataDir });
    await expect(rotateMasterKey(dataDir)).rejects.toThrow('already runs');
    await first.stop();
    const [old = ''] = await keysIn(file);
    const { entries } = await rotateMasterKey(dataDir);
    expect(entries).toBeGreaterThan(0);
    const [fresh = '', ...others] = await keysIn(file);
    expect([others, fresh === old]).toEqual([[], false]);

    const second = await startStack({ dataDir });
    try {
      // The keys of people are checked with a pepper from the vault.
      expect((await callStack(second, 'operator', 'GET', '/actions')).status).toBe(200);
    } finally {
      await second.stop();
    }
    await writeFile(file, `${old}\n`);
    await expect(rotateMasterKey(dataDir)).rejects.toThrow('another master key');
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}, 120_000);
