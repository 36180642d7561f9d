/** Counts log lines and bytes of one attempt; what is too much is dropped with one marker. */

import type { AttemptLimits } from '@portarium/contracts/limits';
import { plainText } from '@portarium/contracts/plain-text';
import { type LogLevel, MAX_LOG_CHARACTERS } from './messages.ts';

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
}

const encoder = new TextEncoder();

export class LogBudget {
  readonly #limits: Pick<AttemptLimits, 'logLines' | 'logBytes'>;
  #lines = 0;
  #bytes = 0;
  #closed = false;

  constructor(limits: Pick<AttemptLimits, 'logLines' | 'logBytes'>) {
    this.#limits = limits;
  }

  get lines(): number {
    return this.#lines;
  }

  /** The line to keep, the marker in place of the first one too many, or nothing. */
  take(level: LogLevel, text: string): LogLine | undefined {
    if (this.#closed) return undefined;
    const message = plainText(text, MAX_LOG_CHARACTERS);
    const bytes = encoder.encode(message).length;
    if (this.#lines >= this.#limits.logLines || this.#bytes + bytes > this.#limits.logBytes) {
      this.#closed = true;
      return { level: 'warn', message: this.#marker() };
    }
    this.#lines++;
    this.#bytes += bytes;
    return { level, message };
  }

  #marker(): string {
    const { logLines, logBytes } = this.#limits;
    return `log truncated here: at most ${logLines} lines and ${logBytes} bytes are kept`;
  }
}
