import { afterAll, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clearLeftovers } from './clear-leftovers.ts';
import { lockOwner, tryLock } from './owned-lock.ts';
import { identify, isAlive, killWithGroup, type ProcessIdentity } from './process-identity.ts';
import { RotatingLog } from './rotating-log.ts';

const root = mkdtempSync(join(tmpdir(), 'portarium-process-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function sleeper(): ProcessIdentity {
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  const identity = identify(child.pid ?? 0);
  if (identity === undefined) throw new Error('sleep did not start');
  return identity;
}

test('a process with the same id but another start time is another process', () => {
  const own = identify(process.pid);
  if (own === undefined) throw new Error('no identity');
  expect(isAlive(own)).toBe(true);
  expect(isAlive({ ...own, startTime: `${own.startTime}0` })).toBe(false);
});

test('leftovers are ended, and a process that only reused the id is left alone', async () => {
  const left = sleeper();
  const foreign = sleeper();
  const ended = await clearLeftovers([
    { ...left, part: 'nats' },
    { ...foreign, startTime: 'of-another-boot:1', part: 'nats' },
  ]);
  expect(ended).toBe(1);
  expect(isAlive(left)).toBe(false);
  expect(isAlive(foreign)).toBe(true);
  killWithGroup(foreign);
});

test('a lock is held by a live owner, freed by release, and taken over from a dead one', () => {
  const path = join(root, 'a.lock');
  const first = tryLock(path);
  if (!first.ok) throw new Error('the lock was not free');
  expect(tryLock(path).ok).toBe(false);
  expect(lockOwner(path)?.pid).toBe(process.pid);
  first.release();
  expect(existsSync(path)).toBe(false);

  writeFileSync(path, JSON.stringify({ pid: process.pid, startTime: 'of-another-boot:1' }));
  expect(lockOwner(path)).toBeUndefined();
  const second = tryLock(path);
  expect(second.ok).toBe(true);
  // A late release of the first owner must not free the second one's lock.
  first.release();
  expect(lockOwner(path)?.pid).toBe(process.pid);
  if (second.ok) second.release();
});

test('a log file is capped and keeps the one before', () => {
  const log = new RotatingLog(join(root, 'a.log'), 100);
  log.write('a'.repeat(80));
  log.write('b'.repeat(80));
  expect(readFileSync(`${log.path}.1`, 'utf8')).toBe('a'.repeat(80));
  expect(statSync(log.path).size).toBe(80);
  log.write('\none\ntwo\n');
  expect(log.tail(2)).toBe('one\ntwo');
});
