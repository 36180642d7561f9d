/** Shows the progress of the stack on standard error: one line for each change. */
import type { OnProgress, ProgressEvent } from '@portarium/local/progress';
import { tell } from './output.ts';

const MARKS: Readonly<Record<ProgressEvent['state'], string>> = {
  resolving: '…',
  building: '…',
  starting: '…',
  ready: '✓',
  restarting: '↻',
  stopping: '…',
  stopped: '■',
  failed: '✗',
};

/** One line for people. */
export function progressLine(event: ProgressEvent): string {
  const ms = event.ms === undefined ? '' : ` ${(event.ms / 1_000).toFixed(1)} s`;
  const detail = event.detail === undefined ? '' : `  ${event.detail}`;
  return `${MARKS[event.state]} ${event.part.padEnd(9)} ${event.state}${ms}${detail}`;
}

/** A listener that leaves out lines that would only repeat the last one of the same part. */
export function progressLines(): OnProgress {
  const last = new Map<string, string>();
  return (event) => {
    const line = progressLine(event);
    if (last.get(event.part) === line) return;
    last.set(event.part, line);
    tell(line);
  };
}
