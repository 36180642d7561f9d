/** A log file with a size cap: one previous file is kept, so a noisy child can not fill the disk. */
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** Bytes of one file before it becomes `<file>.1`. */
export const LOG_FILE_BYTES = 8 * 1024 * 1024;

export class RotatingLog {
  readonly path: string;
  readonly #maxBytes: number;
  #size: number;

  constructor(path: string, maxBytes = LOG_FILE_BYTES) {
    mkdirSync(dirname(path), { recursive: true });
    this.path = path;
    this.#maxBytes = maxBytes;
    this.#size = existsSync(path) ? statSync(path).size : 0;
  }

  write(chunk: Uint8Array | string): void {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    if (this.#size > 0 && this.#size + bytes.byteLength > this.#maxBytes) {
      renameSync(this.path, `${this.path}.1`);
      this.#size = 0;
    }
    appendFileSync(this.path, bytes, { mode: 0o600 });
    this.#size += bytes.byteLength;
  }

  /** One line with the time, for what the supervisor itself did. */
  note(text: string): void {
    this.write(`${new Date().toISOString()} [supervisor] ${text}\n`);
  }

  /** The last lines, for error messages. Empty when nothing was written. */
  tail(lines = 12): string {
    if (!existsSync(this.path)) return '';
    const size = statSync(this.path).size;
    const buffer = Buffer.alloc(Math.min(size, 16 * 1024));
    const file = openSync(this.path, 'r');
    try {
      readSync(file, buffer, 0, buffer.length, size - buffer.length);
    } finally {
      closeSync(file);
    }
    return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }
}
