/** What attempts used, as tables for people. */
import type { Attempt, Usage } from '@portarium/client/answers';
import { plainText } from '@portarium/contracts/plain-text';
import { table } from './output.ts';

const MIB = 1024 * 1024;
/** What is not known: an attempt that goes on, or one of a host that was lost. */
const UNKNOWN = '-';

/** A row for each attempt: where it ran, how it ended, and what it used. */
export function attemptsText(attempts: readonly Attempt[]): string {
  const head = 'ATTEMPT HOST ISOLATION ENDED CPU TIME MEMORY CALLS OUT IN'.split(' ');
  const rows = attempts.map(({ fence, host, isolation, verdict, error, usage }) => {
    const used = (name: string, text: (value: number) => string): string => {
      const value = usage?.[name];
      return typeof value === 'number' ? text(value) : UNKNOWN;
    };
    return [
      String(fence),
      plainText(host),
      plainText(isolation),
      plainText(error?.code ?? verdict ?? 'goes on'),
      used('cpuMs', milliseconds),
      used('wallMs', milliseconds),
      used('memoryBytes', (bytes) => `${(bytes / MIB).toFixed(1)} MiB`),
      used('egressCalls', String),
      used('egressBytesOut', bytesText),
      used('egressBytesIn', bytesText),
    ];
  });
  return table([head, ...rows]);
}

/** A row for each day, then one for each operation. */
export function usageText({ days, operations }: Usage): string {
  const head = 'ACTIONS SUCCEEDED FAILED DENIED ATTEMPTS CPU TIME CALLS OUT IN'.split(' ');
  const row = (line: Usage['days'][number] | Usage['operations'][number]): string[] => [
    ...[line.actions, line.succeeded, line.failed, line.denied, line.attempts].map(String),
    ...[milliseconds(line.cpuMs), milliseconds(line.wallMs), String(line.egressCalls)],
    ...[bytesText(line.bytesOut), bytesText(line.bytesIn)],
  ];
  return [
    table([['DAY', ...head], ...days.map((line) => [line.day, ...row(line)])]),
    '',
    table([
      ['OPERATION', ...head],
      ...operations.map((line) => [plainText(`${line.plugin} ${line.operation}`), ...row(line)]),
    ]),
  ].join('\n');
}

function milliseconds(ms: number): string {
  return `${Math.round(ms)} ms`;
}

function bytesText(bytes: number): string {
  return `${bytes} B`;
}
