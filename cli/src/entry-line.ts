/** An evidence entry as one line for people; text that plugins wrote is made safe to show. */
import type { EvidenceEntry } from '@portarium/client/answers';
import { plainText } from '@portarium/contracts/plain-text';

/** Fields of `data` that tell a person what happened; digests stay in `--json`. */
const TOLD = [
  'operation',
  'decision',
  'tier',
  'host',
  'method',
  'path',
  'status',
  'verdict',
  'reason',
  'by',
  'rationale',
] as const;

const MAX_VALUE = 200;

/** `14:03:07.120  attempt.finished  verdict=failed error=guest.trap: unreachable` */
export function entryLine(entry: Pick<EvidenceEntry, 'time' | 'type' | 'data'>): string {
  const time = entry.time.slice(11, -1);
  const words: string[] = [];
  for (const name of TOLD) {
    const value = entry.data[name];
    if (typeof value === 'string' || typeof value === 'number') {
      words.push(`${name}=${plainText(oneLine(String(value)), MAX_VALUE)}`);
    }
  }
  const { error } = entry.data;
  if (typeof error === 'object' && error !== null && 'code' in error) {
    const message = 'message' in error ? `: ${String(error.message)}` : '';
    words.push(`error=${plainText(oneLine(`${String(error.code)}${message}`), MAX_VALUE)}`);
  }
  return `${time}  ${entry.type.padEnd(18)}${words.length > 0 ? `  ${words.join(' ')}` : ''}`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}
