/** How far a log is verified in the background, for people. */
import type { Verification, WatchFinding } from '@portarium/client/answers';
import { visibleLine } from '@portarium/client/visible-text';

export function verificationText(seen: Verification): string {
  const { state, size, verified, checkedAt, round, artifacts, frozen, findings } = seen;
  const head = {
    pending: 'NOT VERIFIED YET',
    verified: 'VERIFIED',
    failed: `FAILED: ${findings.length === 1 ? '1 finding' : `${findings.length} findings`}`,
  }[state];
  const lines = [
    head,
    `${verified} of ${size} entries agree with a checkpoint in the evidence store${checkedAt === undefined ? '' : `, ${checkedAt}`}`,
    roundLine(round),
    artifacts.sampledAt === undefined
      ? 'no artifacts were read yet'
      : `${artifacts.sampled} artifacts were read again, ${artifacts.sampledAt}`,
    ...(frozen ? [`frozen since ${frozen.at} (${frozen.reason}): ${frozen.detail}`] : []),
    ...findings.map(findingLine),
  ];
  return lines.join('\n');
}

function roundLine({ at, startedAt, finishedAt }: Verification['round']): string {
  if (at !== undefined) return `the whole log: at entry ${at} since ${startedAt ?? '?'}`;
  return finishedAt === undefined ? 'the whole log: not yet' : `the whole log: ${finishedAt}`;
}

/** `entry 7  log.leaf  its bytes are not those that the log signed  (since …)` */
export function findingLine({ rule, message, seq, subject, foundAt }: WatchFinding): string {
  const about = seq === undefined ? (subject ?? 'the log') : `entry ${seq}`;
  return visibleLine(`${about}  ${rule}  ${message}  (since ${foundAt})`);
}
