import { afterAll, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clearLeftovers } from './clear-leftovers.ts';
import { lockOwner, tryLock, waitForLock } from './owned-lock.ts';
import { identify, isAlive, killWithGroup, type ProcessIdentity } from './process-identity.ts';
import { RotatingLog } from './rotating-log.ts';
import { runCommand } from './run-command.ts';

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

test('a log whose folder was removed goes on in a new one', () => {
  const log = new RotatingLog(join(root, 'removed', 'a.log'), 100);
  log.write('x'.repeat(90));
  rmSync(join(root, 'removed'), { recursive: true });
  log.write('after the removal\n');
  expect(readFileSync(log.path, 'utf8')).toBe('after the removal\n');
});

test('a log that can not be written drops, counts, and tells of it when it can again', () => {
  const folder = join(root, 'blocked');
  writeFileSync(folder, 'a file where the folder should be');
  const log = new RotatingLog(join(folder, 'a.log'));
  log.write('lost');
  log.note('lost too');
  expect(log.dropped).toBe(2);
  expect(log.tail()).toBe('');
  rmSync(folder);
  mkdirSync(folder);
  log.write('kept\n');
  expect(log.tail()).toContain('2 pieces of output could not be written before');
  expect(log.dropped).toBe(0);
});

test('a deadline holds although a grandchild keeps the pipe, and ends the grandchild', async () => {
  const began = Date.now();
  const result = await runCommand('sh', ['-c', 'sleep 30 & echo $!; wait'], { timeoutMs: 300 });
  expect(result).toMatchObject({ ok: false, timedOut: true });
  expect(Date.now() - began).toBeLessThan(3_000);
  expect(identify(Number(result.output))).toBeUndefined();
});

test('a command that ended is a result although a grandchild keeps the pipe', async () => {
  const began = Date.now();
  const result = await runCommand('sh', ['-c', 'sleep 30 & echo $!'], { timeoutMs: 20_000 });
  expect(result).toMatchObject({ ok: true, code: 0, timedOut: false });
  expect(Date.now() - began).toBeLessThan(5_000);
  process.kill(Number(result.output), 'SIGKILL');
});

test('whoever waits for a lock is told at once, then not every second', async () => {
  const path = join(root, 'waited.lock');
  const held = tryLock(path);
  if (!held.ok) throw new Error('the lock was not free');
  const told: number[] = [];
  const waiting = waitForLock(path, (_owner, waitedMs) => told.push(waitedMs));
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  held.release();
  (await waiting)();
  expect(told).toHaveLength(1);
});
