import { expect, test } from 'bun:test';
import { attemptsText, usageText } from './usage-text.ts';

const ATTEMPT = {
  ...{ id: 'att_1', fence: 1, host: 'host-local', isolation: 'seccomp' },
  startedAt: '2026-11-28T04:26:38.452Z',
};

test('an attempt is told with its isolation, its end, and what it used', () => {
  const usage = { cpuMs: 2063.4, wallMs: 2070.6, memoryBytes: 50_270_208, egressCalls: 2 };
  const text = attemptsText([
    {
      ...{ ...ATTEMPT, verdict: 'failed', error: { code: 'limit.cpu', message: 'too much' } },
      usage: { ...usage, egressBytesOut: 10, egressBytesIn: 0 },
    },
  ]);
  const [, row = ''] = text.split('\n');
  expect(row.split(/ {2,}/)).toEqual(
    'host-local|seccomp|limit.cpu|2063 ms|2071 ms|47.9 MiB|2|10 B|0 B'
      .split('|')
      .toSpliced(0, 0, '1'),
  );
});

test('of an attempt that goes on, or of a lost host, nothing is made up', () => {
  const [, going = '', lost = ''] = attemptsText([
    ATTEMPT,
    { ...ATTEMPT, fence: 2, error: { code: 'host.lost', message: 'gone' }, usage: null },
  ]).split('\n');
  expect(going.trimEnd().split(/ {2,}/)).toEqual([
    '1',
    'host-local',
    'seccomp',
    'goes on',
    ...Array(6).fill('-'),
  ]);
  expect(lost).toContain('host.lost');
});

test('sums stand by day and by operation, and a name steers no terminal', () => {
  const line = {
    ...{ actions: 3, succeeded: 1, failed: 2, denied: 0, dryRuns: 0, attempts: 3 },
    ...{ cpuMs: 12, wallMs: 30, egressCalls: 1, bytesOut: 5, bytesIn: 7 },
  };
  const text = usageText({
    ...{ from: '2026-11-01', to: '2026-11-28' },
    days: [{ day: '2026-11-28', ...line }],
    operations: [{ plugin: 'a\u001b[2J', operation: 'run', ...line }],
  });
  expect(text).toMatch(/2026-11-28 +3 +1 +2 +0 +3 +12 ms +30 ms +1 +5 B +7 B/);
  expect(text).toContain('a[2J run');
  expect(text).not.toContain('\u001b');
});
